package wsstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

func TestTheContextEndsWithACleanCloseAndTellsItsCode(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ctx := e.conn.Context()
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		require.NoError(t, ctx.Err())
		e.peer.Send(wstest.Close(4001, "enough"))
		e.peer.WantClose("answered", 4001)
		e.peer.Close()
		<-child.Done()
		require.Equal(t, context.Canceled, ctx.Err())
		cause := context.Cause(ctx)
		require.NotErrorIs(t, cause, wsstream.ErrClosed)
		var end *wsstream.Error
		require.ErrorAs(t, cause, &end)
		require.Equal(t, wsstream.CloseInfo{Code: 4001, Reason: "enough"}, end.CloseInfo)
		require.Equal(t, 4001, wsstream.CloseCode(cause))
		require.Same(t, cause, context.Cause(child))
		_, err := e.conn.Readable().Pull(t.Context())
		require.Same(t, cause, err, "it is the end that pulls have")
		_, _, settled := e.conn.Closed().Peek()
		require.True(t, settled, "Closed settles first")
	})
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ctx := e.conn.Context()
		e.peer.Send(wstest.Close(1000, "enough"))
		e.peer.WantClose("answered", 1000)
		e.peer.Close()
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), wsstream.ErrClosed, "pulls end with io.EOF")
		require.Equal(t, 1000, wsstream.CloseCode(context.Cause(ctx)))
	})
}

func TestTheContextEndsWithTheErrorOfClosed(t *testing.T) {
	for name, f := range map[string]func(e *end){
		"CloseNow":      func(e *end) { e.conn.CloseNow() },
		"a lost peer":   func(e *end) { e.peer.Close() },
		"a broken rule": func(e *end) { _ = e.peer.Write(wstest.Cont(nil, true)); e.peer.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				ctx := e.conn.Context()
				pulled := goPull(t, e)
				f(e)
				<-ctx.Done()
				_, err := e.closed(t)
				require.Error(t, err)
				require.Equal(t, err, context.Cause(ctx))
				<-pulled
			})
		})
	}
}

func TestTheContextIsOneAndMayBeAskedForAtAnyTime(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ctx := e.conn.Context()
		require.Equal(t, ctx, e.conn.Context())
		e.conn.CloseNow()
		<-ctx.Done()
		require.Equal(t, ctx, e.conn.Context())
	})
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.conn.CloseNow()
		_, err := e.closed(t)
		require.Equal(t, context.Canceled, e.conn.Context().Err(), "after the end it has ended")
		require.Equal(t, err, context.Cause(e.conn.Context()))
	})
}

func TestTheContextEndsWithAHandshakeThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := make(chan struct{})
		var d dialled
		conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{
			NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				<-wait
				return d.dial(ctx, network, addr)
			},
		})
		ctx := conn.Context()
		synctest.Wait()
		require.NoError(t, ctx.Err())
		close(wait)
		<-ctx.Done()
		require.Equal(t, notOpened(t, conn), context.Cause(ctx))
	})
}

func TestCloseCodeIsThatOfTheErrorOrNone(t *testing.T) {
	one := &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 4001}}
	for _, tc := range []struct {
		err  error
		code int
	}{
		{nil, -1},
		{io.EOF, -1},
		{wsstream.ErrClosed, -1},
		{context.Canceled, -1},
		{&wsstream.HandshakeError{Status: 503, Err: errReason}, -1},
		{one, 4001},
		{fmt.Errorf("reading: %w", one), 4001},
		{errors.Join(errReason, one), 4001},
		{&wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1006}, Err: io.ErrUnexpectedEOF}, 1006},
		{&wsstream.Error{}, 0},
	} {
		require.Equal(t, tc.code, wsstream.CloseCode(tc.err), "%v", tc.err)
	}
}

package wsstream_test

import (
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// told wants the *Error of an end in order, with the peer's code; its text has that of why.
func told(code int, why string) func(*testing.T, *end, error) {
	return func(t *testing.T, _ *end, got error) {
		t.Helper()
		require.IsType(t, &wsstream.Error{}, got)
		require.Equal(t, code, got.(*wsstream.Error).Code)
		require.ErrorContains(t, got, why)
		require.NotErrorIs(t, got, wsstream.ErrClosed)
		require.NotErrorIs(t, got, io.EOF)
		require.NotErrorIs(t, got, io.ErrUnexpectedEOF)
	}
}

// is wants the very error.
func is(want error) func(*testing.T, *end, error) {
	return func(t *testing.T, _ *end, got error) {
		t.Helper()
		require.Equal(t, want, got)
	}
}

// torn wants the *Error of an end in order in the middle of a message.
func torn(code int) func(*testing.T, *end, error) {
	return func(t *testing.T, _ *end, got error) {
		t.Helper()
		require.IsType(t, &wsstream.Error{}, got)
		require.Equal(t, code, got.(*wsstream.Error).Code)
		require.ErrorIs(t, got, io.ErrUnexpectedEOF)
	}
}

// theEnd wants the same *Error that Closed gives.
func theEnd(t *testing.T, e *end, got error) {
	t.Helper()
	require.IsType(t, &wsstream.Error{}, got)
	_, end := e.closed(t)
	require.Same(t, end, got)
}

// unclean wants an *Error with code, whose cause says all of why.
func unclean(code int, why ...string) func(*testing.T, *end, error) {
	return func(t *testing.T, _ *end, got error) {
		t.Helper()
		require.IsType(t, &wsstream.Error{}, got)
		end := got.(*wsstream.Error)
		require.Equal(t, code, end.Code)
		require.Error(t, end.Err)
		require.NotErrorIs(t, got, io.EOF, "EOF is bare, and means a clean close")
		for _, s := range why {
			require.ErrorContains(t, end.Err, s)
		}
	}
}

func want1006(t *testing.T, e *end) {
	t.Helper()
	info, err := e.closed(t)
	require.Zero(t, info.Reason)
	var unclean *wsstream.Error
	require.ErrorAs(t, err, &unclean)
	require.Equal(t, 1006, unclean.Code)
}

func wantUnsent(t *testing.T, e *end, code int) {
	t.Helper()
	_, err := e.closed(t)
	var unclean *wsstream.Error
	require.ErrorAs(t, err, &unclean)
	require.Equal(t, code, unclean.Code)
	_, got := e.conn.Readable().Pull(patient(t))
	require.Same(t, unclean, got)
	require.Same(t, unclean, e.conn.Writable().Write(patient(t), wsstream.Text("x")))
}

// quickly makes the handshake without the harness, whose helpers belong to the test's goroutine.
func quickly(t *testing.T, c config, client bool, near, far net.Conn) (*wsstream.Conn, *wstest.Peer, error) {
	peer := wstest.NewPeer(t, far, otherRole(client))
	if client {
		conn := wsstream.Dial(t.Context(), "ws://example.test/", c.dial(near))
		peer.ServeHandshake()
		_, err := conn.Opened().Wait(t.Context())
		return conn, peer, err
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		peer.SendRaw(wstest.UpgradeRequest("/"))
	}()
	conn, err := wsstream.AcceptConn(t.Context(), near, c.accept())
	<-asked
	if err == nil {
		peer.ReadResponse()
	}
	return conn, peer, err
}

func withCode(code int) error { return &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: code}} }

// lostEnd returns the error of an end without a Close frame.
func lostEnd(t *testing.T) (err error) {
	synctest.Test(t, func(t *testing.T) {
		e := inMemory(t, config{}, true)
		e.peer.Close()
		_, err = e.closed(t)
	})
	return err
}

// stuff gives the connection, if on, more than the transport and the window hold, and returns how much.
func (e *end) stuff(t *testing.T, on bool) int {
	t.Helper()
	if !on {
		return 0
	}
	const size = 512 << 10
	ok, err := e.conn.Writable().TryWrite(wsstream.Binary(make([]byte, size)))
	require.NoError(t, err)
	require.True(t, ok)
	require.Positive(t, e.conn.Stats().Sent.Held, "the transport took it all")
	return size
}

// wantData reads one message of ours and returns its length.
func (e *end) wantData(t *testing.T) (size int) {
	t.Helper()
	for {
		f, err := e.peer.Next()
		require.NoError(t, err)
		require.True(t, f.Op.IsData(), "got %v", f)
		if size += len(f.Payload); f.Fin {
			return size
		}
	}
}

// wantClose reads on to our Close, which must be want.
func (e *end) wantClose(t *testing.T, want wstest.Frame) {
	t.Helper()
	require.Equal(t, want.String(), e.nextClose(t).String())
}

// wantFailure reads on to a Close of ours with code, and the half-close behind it.
func (e *end) wantFailure(t *testing.T, code uint16) {
	t.Helper()
	f := e.nextClose(t)
	got, reason := ws.ParseCloseFrameData(f.Payload)
	require.Equal(t, ws.StatusCode(code), got)
	require.NotEmpty(t, reason)
	e.peer.WantEOF("a half-close behind the Close")
}

func (e *end) nextClose(t *testing.T) wstest.Frame {
	t.Helper()
	for {
		f, err := e.peer.Next()
		require.NoError(t, err)
		if f.Op == wstest.OpClose {
			return f
		}
	}
}

// drop ends the transport after both Close frames: the server first.
func (e *end) drop(t *testing.T) {
	t.Helper()
	if e.client {
		e.peer.Close()
	} else {
		e.peer.WantEOF("the server drops the transport first")
	}
}

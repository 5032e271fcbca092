package wsstream_test

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestTheContextOfAcceptConnEndsTheWritingOfTheAnswer(t *testing.T) {
	for what, request := range map[string][]byte{
		"101":       wstest.UpgradeRequest("/"),
		"a refusal": wstest.UpgradeRequest("/", "Upgrade: tea"),
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(64) // less than an answer, and nobody reads it
				ctx, cancel := withCause(t)
				accepted := make(chan error, 1)
				go func() {
					_, err := wsstream.AcceptConn(ctx, near, nil)
					accepted <- err
				}()
				wstest.NewPeer(t, far, true).SendRaw(request)
				<-time.After(time.Second)
				require.Empty(t, accepted)
				require.Positive(t, far.Buffered())
				cancel(errReason)
				start := time.Now()
				require.Equal(t, errReason, <-accepted)
				require.Zero(t, time.Since(start))
				require.True(t, near.Closed())
			})
		})
	}
}

func TestAfterOpeningTheContextOfAcceptConnDoesNothing(t *testing.T) {
	for range 20 {
		onBothPaths(t, func(t *testing.T, near, far net.Conn) {
			ctx, cancel := withCause(t)
			conns := make(chan *wsstream.Conn, 1)
			go func() {
				conn, _ := wsstream.AcceptConn(ctx, near, nil)
				cancel(errReason)
				conns <- conn
			}()
			peer := wstest.NewPeer(t, far, true)
			peer.DialHandshake("/")
			conn := <-conns
			require.NotNil(t, conn)
			t.Cleanup(func() {
				conn.CloseNow()
				<-conn.Closed().Done()
			})
			peer.Send(wstest.Text("hello"))
			m, err := conn.Readable().Pull(patient(t))
			require.NoError(t, err)
			require.Equal(t, wsstream.Text("hello"), m)
			require.NoError(t, conn.Writable().Write(patient(t), m))
			peer.Want("no deadline is left", wstest.Text("hello"))
		})
	}
}

func TestABadURLShowsNoCredentials(t *testing.T) {
	for _, bad := range []string{"ws://eve:secret@example.test/#top", "ftp://eve@example.test/", "ws://eve:secret@example.test:65536/"} {
		t.Run(bad, func(t *testing.T) {
			conn := wsstream.Dial(t.Context(), bad, nil)
			err := notOpened(t, conn)
			require.Contains(t, conn.URL(), "://example.test")
			for _, shown := range []string{conn.URL(), err.Error()} {
				require.NotContains(t, shown, "eve")
				require.NotContains(t, shown, "secret")
			}
		})
	}
}

// A callingHandler cuts the connection that it logs for.
type callingHandler struct {
	slog.Handler
	conn   atomic.Pointer[wsstream.Conn]
	logged chan string
}

func (h *callingHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *callingHandler) Handle(_ context.Context, r slog.Record) error {
	h.conn.Load().CloseNow()
	h.logged <- r.Message
	return nil
}

func TestALoggerMayCallTheConn(t *testing.T) {
	for what, c := range map[string]struct {
		answer func(p *wstest.Peer)
		want   []string
	}{
		"opened and closed": {func(p *wstest.Peer) { p.ServeHandshake() }, []string{"wsstream: opened", "wsstream: closed"}},
		"failed":            {func(p *wstest.Peer) { p.Close() }, []string{"wsstream: handshake failed"}},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				h := &callingHandler{logged: make(chan string, len(c.want))}
				conn := dialOver(t, near, &wsstream.DialOptions{Logger: slog.New(h)})
				h.conn.Store(conn)
				c.answer(wstest.NewPeer(t, far, false))
				var got []string
				for range c.want {
					got = append(got, <-h.logged)
				}
				require.ElementsMatch(t, c.want, got)
			})
		})
	}
}

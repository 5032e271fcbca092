package wsstream_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestCloseNowEndsEveryCall(t *testing.T) {
	full := config{WriteWindow: 256, Limit: 64 << 10}
	calls := map[string]func(context.Context, *end) error{
		"Pull": func(ctx context.Context, e *end) error {
			_, err := e.conn.Readable().Pull(ctx)
			return err
		},
		"NextMessage": func(ctx context.Context, e *end) error {
			_, err := e.conn.Readable().NextMessage(ctx)
			return err
		},
		"Write": func(ctx context.Context, e *end) error {
			return e.conn.Writable().Write(ctx, wsstream.Text("x"))
		},
		"Ready":          func(ctx context.Context, e *end) error { return e.conn.Writable().Ready(ctx) },
		"Flush":          func(ctx context.Context, e *end) error { return e.conn.Writable().Flush(ctx) },
		"Writable.Close": func(ctx context.Context, e *end) error { return e.conn.Writable().Close(ctx) },
		"NewMessage": func(ctx context.Context, e *end) error {
			w, err := e.conn.Writable().NewMessage(ctx, wsstream.TypeText)
			if err == nil {
				_, err = w.Write([]byte("x"))
			}
			return err
		},
		"All": func(ctx context.Context, e *end) (err error) {
			for _, err = range e.conn.Readable().All(ctx) {
			}
			return err
		},
	}
	for what, call := range calls {
		t.Run(what, func(t *testing.T) {
			onEveryPath(t, full, func(t *testing.T, e *end) {
				e.stuff(t, true)
				got := goErr(func() error { return call(patient(t), e) })
				e.quiet()
				e.conn.CloseNow()
				theEnd(t, e, (<-got).err)
				e.conn.CloseNow()
			})
		})
	}
}

func TestCloseNowAfterBothCloseFramesKeepsTheEnd(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("unread"), wstest.Close(3001, "bye"))
		e.wantClose(t, wstest.Close(3001, "")) // a client waits for the server to drop the transport
		<-e.conn.Readable().Done()
		e.conn.CloseNow()
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 3001, Reason: "bye"}, info)
		_, err = e.conn.Readable().Pull(patient(t))
		told(3001, "bye")(t, e, err) // what is unread is dropped
		require.Equal(t, err, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
	})
}

// onSockets runs f with a server's Conn on each transport that takes without waiting, and with the
// peer's end of it.
func onSockets(t *testing.T, c config, f func(t *testing.T, e *end)) {
	for name, pipe := range map[string]func(t *testing.T, limit int) (near, far net.Conn){
		"tcp":  func(t *testing.T, limit int) (near, far net.Conn) { return pipes.TCP(t, limit) },
		"unix": func(t *testing.T, _ int) (near, far net.Conn) { return pipes.Unix(t) },
		"tls":  func(t *testing.T, limit int) (near, far net.Conn) { return pipes.TLS(t, limit) },
	} {
		t.Run(name, func(t *testing.T) {
			near, far := pipe(t, c.Limit)
			f(t, open(t, c, false, near, far))
		})
	}
}

// TestCloseNowHandsAcceptedDataToTheKernel: a handler that writes, has its Writes return nil, and
// returns, with a CloseNow in a defer, lost messages for every client.
func TestCloseNowHandsAcceptedDataToTheKernel(t *testing.T) {
	// On a loaded machine each Write may be a system call of its own. A unix socket's kernel then
	// takes some 270 of them.
	for _, n := range []int{1, 10, 200} {
		for range 20 {
			onSockets(t, config{}, func(t *testing.T, e *end) {
				for i := range n {
					require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text(fmt.Sprint(i))))
				}
				e.conn.CloseNow()
				for i := range n {
					e.peer.Want("what was accepted", wstest.Text(fmt.Sprint(i)))
				}
				_, err := e.closed(t)
				unclean(1006, "cut")(t, e, err)
			})
		}
	}
}

// TestCloseNowDoesNotResetOverUnreadInput: a socket that is closed over unread bytes is reset, and
// the kernel throws away what it had taken to send.
func TestCloseNowDoesNotResetOverUnreadInput(t *testing.T) {
	onSockets(t, config{ReadWindow: 256, WriteWindow: -1}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Binary(make([]byte, 32<<10)), wstest.Ping("never read"))
		until(t, func() bool { return e.conn.Stats().Received.Held >= 256 })
		for range 100 { // more than the kernel takes
			ok, err := e.conn.Writable().TryWrite(wsstream.Binary(make([]byte, 256<<10)))
			require.NoError(t, err)
			require.True(t, ok)
		}
		e.conn.CloseNow()
		sent := e.conn.Stats().Sent
		n, err := io.Copy(io.Discard, e.far)
		if err != io.ErrUnexpectedEOF { //nolint:errorlint // TLS without its own goodbye
			require.NoError(t, err, "after %d bytes", n)
		}
		require.EqualValues(t, 100, sent.Messages)
		require.Greater(t, n, int64(64<<10), "the kernel had taken more than that")
	})
}

// TestCloseNowDoesNotWaitForAStalledPeer: a stalled peer and a Write that waits for it hold up no
// cut.
func TestCloseNowDoesNotWaitForAStalledPeer(t *testing.T) {
	onSockets(t, config{Limit: 16 << 10}, func(t *testing.T, e *end) {
		written := goWrite(t, e, wsstream.Binary(make([]byte, 32<<20)))
		until(t, func() bool { return e.conn.Stats().Sent.Held > 0 })
		message := goDo(func() (m wsstream.Message, err error) {
			_, err = e.conn.Writable().NewMessage(patient(t), wsstream.TypeText)
			return m, err
		})
		e.conn.CloseNow()
		_, _, settled := e.conn.Closed().Peek()
		require.True(t, settled)
		theEnd(t, e, (<-written).err)
		theEnd(t, e, (<-message).err)
	})
}

func TestCloseNowClosesTheSocketUnderTLS(t *testing.T) {
	certs := httptest.NewTLSServer(nil)
	certs.Close()
	synctest.Test(t, func(t *testing.T) {
		const limit = 4 << 10
		near, far := memnet.Pipe(limit)
		server := tls.Server(near,
			&tls.Config{Certificates: certs.TLS.Certificates, DynamicRecordSizingDisabled: true})
		peer := wstest.NewPeer(t, tls.Client(far, &tls.Config{InsecureSkipVerify: true}), wstest.AsClient)
		accepted := make(chan *wsstream.Conn, 1)
		go func() {
			c, _ := wsstream.AcceptConn(t.Context(), server, nil)
			accepted <- c
		}()
		peer.DialHandshake("/")
		conn := <-accepted
		require.NotNil(t, conn)
		const overhead = 4 + 5 + 1 + 16 // the frame's header, and the TLS record's
		require.NoError(t,
			conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, limit-overhead))))
		synctest.Wait()
		require.Equal(t, limit, far.Buffered(), "no room for the alert that tls.Conn.Close writes")
		start := time.Now()
		conn.CloseNow()
		_, err := conn.Closed().Wait(patient(t))
		require.IsType(t, &wsstream.Error{}, err)
		require.True(t, near.Closed())
		require.Zero(t, time.Since(start))
	})
}

// A closeCounter counts how often a transport is closed.
type closeCounter struct {
	net.Conn
	closes atomic.Int32
}

func (c *closeCounter) Close() error {
	c.closes.Add(1)
	return c.Conn.Close()
}

// TestTransportIsClosedOnceAndItsDeadlinesAreCleared: what came with the handshake is read
// first.
func TestTransportIsClosedOnceAndItsDeadlinesAreCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		nc := &closeCounter{Conn: near}
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		conn := wsstream.Dial(t.Context(), "ws://example.test/", config{}.dial(nc))
		req := peer.ReadRequest()
		require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
		early := append(wstest.SwitchingProtocols(req), peer.Encode(wstest.Text("early"))...)
		peer.SendRaw(early) // in one packet
		m, err := conn.Readable().Pull(patient(t))
		require.NoError(t, err)
		require.Equal(t, wsstream.Text("early"), m)

		<-time.After(time.Hour)
		peer.Send(wstest.Text("late"))
		m, err = conn.Readable().Pull(patient(t))
		require.NoError(t, err)
		require.Equal(t, wsstream.Text("late"), m)
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("here")))
		peer.Want("no deadline is left", wstest.Text("here"))

		peer.Send(wstest.CloseEmpty())
		peer.Want("the answer", wstest.CloseEmpty())
		peer.Close()
		_, err = conn.Closed().Wait(patient(t))
		require.NoError(t, err)
		conn.CloseNow()
		require.NoError(t, conn.Close(wsstream.CloseInfo{}))
		require.EqualValues(t, 1, nc.closes.Load())
	})
}

func TestCutDoesNotWaitForAStalledTLSPeer(t *testing.T) {
	for name, cut := range map[string]func(t *testing.T, conn *wsstream.Conn){
		"CloseNow": func(_ *testing.T, conn *wsstream.Conn) { conn.CloseNow() },
		"CloseTimeout": func(t *testing.T, conn *wsstream.Conn) {
			require.NoError(t, conn.Close(wsstream.CloseInfo{Code: 1000}))
		},
		"Abort": func(t *testing.T, conn *wsstream.Conn) {
			require.NoError(t, conn.Writable().Abort(nil))
		},
	} {
		for role, client := range map[string]bool{"client": true, "server": false} {
			t.Run(name+"/"+role, func(t *testing.T) {
				near, far := pipes.TLS(t, 4<<10)
				if !client {
					near, far = far, near
				}
				c := config{CloseTimeout: 10 * time.Millisecond}
				conn, _, err := quickly(t, c, client, near, far)
				require.NoError(t, err)
				written := make(chan error, 1)
				go func() {
					var err error
					for err == nil {
						err = conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 1<<20)))
					}
					written <- err
				}()
				until(t, func() bool { return conn.Stats().Sent.Stalled >= 20*time.Millisecond })
				start := time.Now()
				cut(t, conn)
				_, err = conn.Closed().Wait(patient(t))
				require.Less(t, time.Since(start), 4*time.Second) // tls.Conn.Close waits 5 s
				require.ErrorContains(t, err, "1006")
				require.Error(t, <-written)
			})
		}
	}
}

func TestCloseNowDoesNotWaitForTheCloseNotifyOfTLS(t *testing.T) {
	for role, client := range map[string]bool{"client": true, "server": false} {
		t.Run(role, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := memnet.Pipe(0)
				near, far := pipes.OverTLS(t, a, b)
				under := a
				if !client {
					near, far, under = far, near, b
				}
				conn, _, err := quickly(t, config{}, client, near, far)
				require.NoError(t, err)
				under.SetWriteDeadline(time.Now().Add(time.Second))
				// Now there is no room for a close_notify, and no Write waits.
				_, err = under.Write(make([]byte, 1<<20))
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				under.SetWriteDeadline(time.Time{})
				start := time.Now()
				conn.CloseNow()
				<-conn.Closed().Done()
				require.Zero(t, time.Since(start)) // tls.Conn.Close waits 5 s
			})
		})
	}
}

// TestCloseNowIsUncleanIfAcceptedDataIsUnsent: the peer's Close was there.
func TestCloseNowIsUncleanIfAcceptedDataIsUnsent(t *testing.T) {
	inBubble(t, config{Limit: 300}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 1000))))
		e.peer.Send(wstest.Close(3001, ""))
		e.notice()
		e.conn.CloseNow()
		wantUnsent(t, e, 3001)
	})
}

// TestCloseNowIsDoneWhenItReturns: cancel, Abort and Close do not wait for the peer either, and
// do not end the connection.
func TestCloseNowIsDoneWhenItReturns(t *testing.T) {
	inBubble(t, config{WriteWindow: 256}, func(t *testing.T, e *end) {
		e.stuff(t, true)
		start := time.Now()
		require.NoError(t, e.conn.Readable().Cancel(nil))
		require.NoError(t, e.conn.Writable().Abort(nil))
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{}))
		require.False(t, ended(e))
		e.conn.CloseNow()
		require.True(t, ended(e), "a cut is done when CloseNow returns")
		require.Zero(t, time.Since(start))
	})
}

// A deafConn takes no more bytes when it is full, and gives up on each Write after as long as
// tls.Conn.Close does.
type deafConn struct {
	net.Conn
	full   atomic.Bool
	once   sync.Once
	closed chan struct{} // closed by Close
}

func (c *deafConn) Write(b []byte) (int, error) {
	if !c.full.Load() {
		return c.Conn.Write(b)
	}
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	case <-time.After(5 * time.Second):
		return 0, os.ErrDeadlineExceeded
	}
}

func (c *deafConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func TestCloseNowDoesNotWaitForTheTLSOfAProxy(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			srv := greeter(
				t,
				scheme == "wss",
				http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					conn, err := wsstream.Accept(w, r, nil)
					if err == nil {
						_, _ = conn.Closed().Wait(t.Context())
					}
				}),
			)
			p := newTunneller(t, true, srv.Listener.Addr().String())
			o := through(p.URL)
			o.TLSConfig = &tls.Config{RootCAs: rootsOf(srv, p.Server), ServerName: "example.com"}
			transport := &deafConn{closed: make(chan struct{})}
			o.NetDial = func(ctx context.Context, network, addr string) (nc net.Conn, err error) {
				transport.Conn, err = new(net.Dialer).DialContext(ctx, network, addr)
				return transport, err
			}
			conn := wsstream.Dial(t.Context(), scheme+"://behind.test/", o)
			_, err := conn.Opened().Wait(patient(t))
			require.NoError(t, err)
			transport.full.Store(true)
			start := time.Now()
			conn.CloseNow()
			_, err = conn.Closed().Wait(patient(t))
			require.Error(t, err)
			require.Less(t, time.Since(start), 3*time.Second,
				"tls.Conn.Close gives a peer that reads nothing 5 s")
		})
	}
}

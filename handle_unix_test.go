//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package wsstream_test

import (
	"bytes"
	"context"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest"
)

// onTCP runs f with a Conn as client and as server, over TCP.
func onTCP(t *testing.T, c config, f func(t *testing.T, e *end)) {
	for _, client := range []bool{true, false} {
		t.Run(map[bool]string{true: "client", false: "server"}[client], func(t *testing.T) {
			f(t, overTCP(t, c, client))
		})
	}
}

// frame returns the bytes of a binary message of n bytes from the peer.
func (e *end) frame(n int) []byte {
	f := ws.NewBinaryFrame(make([]byte, n))
	if !e.client {
		f = ws.MaskFrame(f)
	}
	return ws.MustCompileFrame(f)
}

func TestHandleGetsWhatIsBehindAReadIntoAMessage(t *testing.T) {
	onTCP(t, config{}, func(t *testing.T, e *end) {
		h := handle(t, e.conn)
		for range 20 {
			first, second, third := e.frame(6<<10), e.frame(40<<10), e.frame(1)
			const start = 1000
			e.peer.SendRaw(append(first, second[:start]...))
			require.Len(t, <-h.messages, 6<<10)
			e.peer.SendRaw(append(second[start:], third...))
			require.Len(t, <-h.messages, 40<<10)
			require.Len(t, <-h.messages, 1)
		}
	})
}

func TestHandleGetsAllThatCameBefore(t *testing.T) {
	const n = 500
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("pulled"))
		require.Equal(t, "pulled", e.pull(t))
		for range n {
			e.peer.Send(wstest.Text("x"))
		}
		e.peer.Send(wstest.Ping("y"))
		e.peer.Want("all were read", wstest.Pong("y"))
		h := handle(t, e.conn)
		for range n {
			require.Equal(t, "x", <-h.messages)
		}
	})
}

func TestHandleGetsWhatCameWhileItRan(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		h := handleSlowly(t, e)
		for range 3 {
			h.isReadMeanwhile(t)
		}
	})
}

// A slowHandler blocks in each message until it is released.
type slowHandler struct {
	e       *end
	got     chan string
	release chan struct{} // closed when the test ends
}

func handleSlowly(t *testing.T, e *end) *slowHandler {
	h := &slowHandler{e, make(chan string, 100), make(chan struct{})}
	require.NoError(t, e.conn.Readable().Handle(func(m wsstream.Message) error {
		h.got <- string(m.Data)
		<-h.release
		return nil
	}, nil))
	t.Cleanup(func() { close(h.release) })
	return h
}

// isReadMeanwhile checks that the input is read while the handler blocks, and that the handler gets
// it then.
func (h *slowHandler) isReadMeanwhile(t *testing.T) {
	h.e.peer.Send(wstest.Text("one"))
	require.Equal(t, "one", <-h.got)
	h.e.peer.Send(wstest.Text("two"), wstest.Ping("y"))
	h.e.peer.Want("the background has read", wstest.Pong("y"))
	h.release <- struct{}{}
	require.Equal(t, "two", <-h.got)
	h.release <- struct{}{}
}

func TestHandleEndThatEndsItsGoroutineIsCalledOnce(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		var n atomic.Int32
		require.NoError(t, e.conn.Readable().Handle(func(wsstream.Message) error {
			return nil
		}, func(error) {
			n.Add(1)
			runtime.Goexit()
		}))
		e.conn.CloseNow()
		until(t, func() bool { return n.Load() > 0 })
		<-time.After(20 * time.Millisecond)
		require.EqualValues(t, 1, n.Load())
	})
}

func TestHandleMakesAPullBusyThatIsAboutToWait(t *testing.T) {
	for range 50 {
		e := overTCP(t, config{}, true)
		pulled := goPull(t, e)
		handle(t, e.conn)
		require.Equal(t, wsstream.ErrBusy, (<-pulled).err)
		e.conn.CloseNow()
	}
}

// TestHandleWorksWithoutAPoller: if the process has no descriptor left for the poller, a goroutine
// reads.
func TestHandleWorksWithoutAPoller(t *testing.T) {
	for _, client := range []bool{true, false} {
		t.Run(map[bool]string{true: "client", false: "server"}[client], func(t *testing.T) {
			near, far := pipes.TCP(t, 0)
			withoutDescriptors(t)
			e := open(t, config{}, client, near, far)
			e.peer.Send(wstest.Ping("x"))
			e.peer.Want("a background reader reads", wstest.Pong("x"))
			until(t, func() bool { return len(own()) == 1 })
			h := handleSlowly(t, e)
			for range 3 {
				h.isReadMeanwhile(t)
				until(t, func() bool { return len(own()) == 1 })
				require.Less(t, computing(t), 0.5, "the goroutine waits")
			}
		})
	}
}

// withoutDescriptors lets the process have no new descriptor until the test ends.
func withoutDescriptors(t *testing.T) {
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	none := before
	none.Cur = 0
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
	t.Cleanup(func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)) })
}

// computing returns which part of the next 50 ms this process computes.
func computing(t *testing.T) float64 {
	used := func() time.Duration {
		var u syscall.Rusage
		require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	const long = 50 * time.Millisecond
	before := used()
	<-time.After(long)
	return float64(used()-before) / float64(long)
}

func TestHandleThatNeverReturnsHoldsUpNoOther(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for i := range 50 {
		stuck := overTCP(t, config{}, i%2 == 0)
		begun := make(chan struct{})
		require.NoError(t, stuck.conn.Readable().Handle(func(wsstream.Message) error {
			close(begun)
			<-release
			return nil
		}, nil))
		stuck.peer.Send(wstest.Text("one"), wstest.Text("two"))
		<-begun
	}
	e := overTCP(t, config{}, false)
	h := handle(t, e.conn)
	for range 100 {
		e.peer.Send(wstest.Text("x"))
		require.Equal(t, "x", <-h.messages)
	}
	pulls := overTCP(t, config{}, false)
	pulls.echo(t)
}

// TestHandleOfAFloodHoldsUpNoOther: a worker of the poller comes to others although it never finds
// a socket empty.
func TestHandleOfAFloodHoldsUpNoOther(t *testing.T) {
	for range 2 * runtime.GOMAXPROCS(0) {
		e := overTCP(t, config{}, false)
		require.NoError(t, e.conn.Readable().Handle(func(wsstream.Message) error { return nil }, nil))
		flooded := bytes.Repeat(e.frame(1), 10_000)
		go func() { // ends with the connection
			for {
				if _, err := e.far.Write(flooded); err != nil {
					return
				}
			}
		}()
	}
	e := overTCP(t, config{}, false)
	h := handle(t, e.conn)
	for range 20 {
		e.peer.Send(wstest.Text("x"))
		select {
		case <-h.messages:
		case <-patient(t).Done():
			require.Fail(t, "floods keep the workers from all others")
		}
	}
}

func TestHandleMayEndTheConnection(t *testing.T) {
	for name, does := range map[string]func(c *wsstream.Conn){
		"CloseNow": (*wsstream.Conn).CloseNow,
		"Close":    func(c *wsstream.Conn) { _ = c.Close(wsstream.CloseInfo{Code: 1000}) },
		"Shutdown": func(c *wsstream.Conn) {
			_ = c.Shutdown(context.Background(), wsstream.CloseInfo{Code: 1000})
		},
		"Cancel": func(c *wsstream.Conn) { _ = c.Readable().Cancel(nil) },
		"Discard, Close": func(c *wsstream.Conn) {
			c.Readable().Discard()
			_ = c.Close(wsstream.CloseInfo{})
		},
		"Writable.Close": func(c *wsstream.Conn) { _ = c.Writable().Close(context.Background()) },
		"Abort":          func(c *wsstream.Conn) { _ = c.Writable().Abort(errWhy) },
		"a Write that waits": func(c *wsstream.Conn) {
			time.AfterFunc(50*time.Millisecond, c.CloseNow)
			for c.Writable().Write(c.Context(), wsstream.Binary(make([]byte, 1<<20))) == nil {
			}
		},
		"Closed": func(c *wsstream.Conn) {
			_ = c.Close(wsstream.CloseInfo{Code: 1000})
			_, _ = c.Closed().Wait(context.Background())
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				ended := make(chan error, 2)
				require.NoError(t, e.conn.Readable().Handle(func(wsstream.Message) error {
					does(e.conn)
					return nil
				}, func(err error) { ended <- err }))
				e.peer.Send(wstest.Text("end it"))
				for f, err := e.peer.Next(); err == nil; f, err = e.peer.Next() {
					if f.Op == wstest.OpClose {
						e.peer.Send(f)
						break
					}
					if f.Op.IsData() { // a peer that does not read
						break
					}
				}
				if name != "a Write that waits" {
					e.drop(t)
				}
				require.Error(t, <-ended)
				<-e.conn.Closed().Done()
				require.Empty(t, ended)
			})
		})
	}
}

func TestALostPeerEndsAConnThatNoCallReads(t *testing.T) {
	onTCP(t, config{ReadWindow: 1 << 10}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("pulled"))
		require.Equal(t, "pulled", e.pull(t))
		e.peer.Send(wstest.Text(strings.Repeat("x", 500)))
		for range 100 {
			e.peer.Send(wstest.Text(strings.Repeat("y", 500)))
		}
		until(t, func() bool { return e.conn.Stats().Received.Held >= 1<<10 })
		e.peer.Cut()
		want1006(t, e)
		require.Equal(t, strings.Repeat("x", 500), e.pull(t), "what has come can be pulled")
	})
}

func TestALostPeerEndsAConnWhoseHandlerBlocks(t *testing.T) {
	onTCP(t, config{ReadWindow: 1 << 10}, func(t *testing.T, e *end) {
		h := handleSlowly(t, e)
		for range 100 {
			e.peer.Send(wstest.Text(strings.Repeat("y", 500)))
		}
		require.Len(t, <-h.got, 500)
		until(t, func() bool { return e.conn.Stats().Received.Held >= 1<<10 })
		e.peer.Cut()
		want1006(t, e)
	})
}

func TestALostPeerTakesNothingFromASlowPull(t *testing.T) {
	const n = 30
	onTCP(t, config{ReadWindow: 1 << 10}, func(t *testing.T, e *end) {
		for range n {
			e.peer.Send(wstest.Text(strings.Repeat("y", 500)))
		}
		until(t, func() bool { return e.conn.Stats().Received.Held >= 1<<10 })
		e.peer.Cut()
		for range n {
			<-time.After(100 * time.Millisecond) // slower than the Conn looks for an error, in all
			require.Equal(t, strings.Repeat("y", 500), e.pull(t))
		}
		_, err := e.conn.Readable().Pull(patient(t))
		require.Equal(t, 1006, wsstream.CloseCode(err))
	})
}

func TestHandleDoesNotBypassATypeAroundASocket(t *testing.T) {
	near, far := pipes.TCP(t, 0)
	counted := &counting{Conn: near}
	e := open(t, config{}, true, counted, far)
	h := handle(t, e.conn)
	before := counted.reads.Load()
	e.peer.Send(wstest.Text("x"))
	require.Equal(t, "x", <-h.messages)
	until(t, func() bool { return counted.reads.Load() > before })
}

// counting is a type around a socket.
type counting struct {
	net.Conn
	reads atomic.Int32
}

func (c *counting) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(p)
}

func TestHandleAllocatesNothingForAMessage(t *testing.T) {
	onTCP(t, config{}, func(t *testing.T, e *end) {
		got := make(chan int)
		require.NoError(t, e.conn.Readable().Handle(func(m wsstream.Message) error {
			got <- len(m.Data)
			return nil
		}, nil))
		frame := e.frame(allocSize)
		requireAllocs(t, 0, func() {
			_, err := e.far.Write(frame)
			if n := <-got; err != nil || n != allocSize {
				panic(err)
			}
		})
	})
}

// TestHandleOfTLSThatComesByteByByteHoldsUpNoOther: the socket is readable all the time, and gives
// no message.
func TestHandleOfTLSThatComesByteByByteHoldsUpNoOther(t *testing.T) {
	for range 2 * runtime.GOMAXPROCS(0) {
		nearSocket, farSocket := pipes.TCP(t, 0)
		drip := &dripping{Conn: farSocket}
		far, near := pipes.OverTLS(t, drip, nearSocket)
		e := open(t, config{}, false, near, far)
		require.NoError(t, e.conn.Readable().Handle(func(wsstream.Message) error { return nil }, nil))
		drip.drips.Store(true)
		frame := e.frame(1 << 20)               // longer than the test takes
		go func() { _, _ = far.Write(frame) }() // ends with the connection
	}
	for _, over := range []func(*testing.T, config, bool) *end{overTCP, overTLS} {
		e := over(t, config{}, false)
		h := handle(t, e.conn)
		for range 20 {
			e.peer.Send(wstest.Text("x"))
			select {
			case <-h.messages:
			case <-patient(t).Done():
				require.Fail(t, "the others keep the workers")
			}
		}
	}
}

// dripping writes byte by byte.
type dripping struct {
	net.Conn
	drips atomic.Bool
}

func (d *dripping) Write(p []byte) (n int, err error) {
	if !d.drips.Load() {
		return d.Conn.Write(p)
	}
	for n < len(p) && err == nil {
		_, err = d.Conn.Write(p[n : n+1])
		n++
	}
	return n, err
}

// TestASocketThatTheProgramClosesEndsItsConnWithTheNextWrite: the socket that gets its number next
// is not disturbed. Nothing reports the close of a descriptor.
func TestASocketThatTheProgramClosesEndsItsConnWithTheNextWrite(t *testing.T) {
	for range 20 {
		closed := overTCP(t, config{}, true)
		h := handle(t, closed.conn)
		closed.peer.Send(wstest.Text("x"))
		require.Equal(t, "x", <-h.messages)
		require.NoError(t, closed.net.Close())

		next := overTCP(t, config{}, true) // with the same number, if no other takes it first
		n := handle(t, next.conn)
		next.peer.Send(wstest.Text("y"))
		require.Equal(t, "y", <-n.messages)
		_ = closed.conn.Writable().Write(patient(t), wsstream.Text("notices it"))
		require.Equal(t, 1006, wsstream.CloseCode(<-h.end))
		next.peer.Send(wstest.Text("z"))
		require.Equal(t, "z", <-n.messages)
	}
}

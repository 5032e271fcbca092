package wsstream_test

import (
	"context"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest"
)

// own returns the stacks of goroutines that the library has started for connections. One of its
// functions created them. The workers of the poller are not among them: all connections share them.
func own() (stacks []string) {
	buf := make([]byte, 1<<20)
	n := runtime.Stack(buf, true)
	for ; n == len(buf); n = runtime.Stack(buf, true) {
		buf = make([]byte, 2*n)
	}
	for stack := range strings.SplitSeq(string(buf[:n]), "\n\n") {
		_, creator, _ := strings.Cut(stack, "created by ")
		if strings.HasPrefix(creator, "github.com/wsstream/wsstream.") ||
			strings.HasPrefix(creator, "github.com/wsstream/wsstream/internal/") &&
				!strings.HasPrefix(creator, "github.com/wsstream/wsstream/internal/poller.") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// TestGoroutinesAreNoneWhilePullsWait: of 200 Conns whose Pulls wait the library has no
// goroutine.
func TestGoroutinesAreNoneWhilePullsWait(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, manyEchoes)
	echoWithoutGoroutines(t, func(c *wsstream.Conn) {
		go func() {
			for {
				m, err := c.Readable().Pull(ctx)
				if err == nil {
					err = c.Writable().Write(ctx, m)
				}
				if err != nil {
					ended <- err
					return
				}
			}
		}()
	})
	require.NoError(t, ctx.Err())
	cancel(errMoment)
	for range manyEchoes {
		require.Equal(t, errMoment, <-ended)
	}
}

// TestGoroutinesAreNoneWhileHandlersWait: nor has it one for 200 Conns with message handlers.
func TestGoroutinesAreNoneWhileHandlersWait(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("there is no poller here: a background reader reads")
		return
	}
	echoWithoutGoroutines(t, func(c *wsstream.Conn) {
		require.NoError(t, c.Readable().Handle(func(m wsstream.Message) error {
			return c.Writable().Write(c.Context(), m)
		}, nil))
	})
}

const manyEchoes = 200

// echoWithoutGoroutines lets many Conns serve an echo. The library has no goroutine then.
func echoWithoutGoroutines(t *testing.T, serve func(c *wsstream.Conn)) {
	peers := make([]*wstest.Peer, manyEchoes)
	for i := range peers {
		e := overTCP(t, config{}, i%2 == 0)
		peers[i] = e.peer
		serve(e.conn)
	}
	for range 3 {
		for _, p := range peers {
			p.Send(wstest.Text("x"), wstest.Ping("y"))
		}
		for _, p := range peers {
			for echoed, ponged := false, false; !echoed || !ponged; {
				f, err := p.Next()
				require.NoError(t, err)
				echoed = echoed || f.String() == wstest.Text("x").String()
				ponged = ponged || f.String() == wstest.Pong("y").String()
			}
		}
	}
	// A goroutine that sent the last bytes may not have returned yet.
	until(t, func() bool { return len(own()) == 0 })
}

// TestGoroutinesAreOneReaderAndOneFlusher: A Conn without a Pull has a background reader, on a
// transport that the poller cannot watch. A Conn that is stalled has a flusher.
func TestGoroutinesAreOneReaderAndOneFlusher(t *testing.T) {
	near, far := pipes.TCP(t, 0)
	e := open(t, config{}, true, wrapped{near}, far)
	e.peer.Send(wstest.Ping("x"))
	e.peer.Want("the background reader reads", wstest.Pong("x"))
	for len(own()) != 1 {
		runtime.Gosched()
	}
	require.Contains(t, own()[0], "runBackground")
	e.stalls(t, 2)
}

// TestGoroutinesAreNoneOnAnIdleSocket: the poller watches the socket of a Conn without a Pull.
func TestGoroutinesAreNoneOnAnIdleSocket(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("there is no poller here: a background reader reads")
		return
	}
	e := overTCP(t, config{}, true)
	e.rests(t)
	e.stalls(t, 1)
}

// TestGoroutinesAreNoneOnAnIdleSocketUnderTLS: a worker waits for no more of a record than has
// come.
func TestGoroutinesAreNoneOnAnIdleSocketUnderTLS(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("there is no poller here: a background reader reads")
		return
	}
	for _, client := range []bool{true, false} {
		e := overTLS(t, config{}, client)
		e.rests(t)
		h := handle(t, e.conn)
		for _, text := range []string{"a", "b"} {
			e.peer.Send(wstest.Text(text))
			require.Equal(t, text, <-h.messages)
			until(t, func() bool { return len(own()) == 0 })
		}
		e.rests(t)
	}
}

// rests lets the peer send pings. The library has no goroutine for the Conn in front of each, and
// behind it.
func (e *end) rests(t *testing.T) {
	t.Helper()
	for _, text := range []string{"x", "y"} {
		e.peer.Send(wstest.Ping(text))
		e.peer.Want("a worker of the poller reads", wstest.Pong(text))
		until(t, func() bool { return len(own()) == 0 })
	}
}

// wrapped hides that a net.Conn is a socket.
type wrapped struct{ net.Conn }

// stalls writes until the peer, which does not read, stalls the Conn. The library has n goroutines
// for it then.
func (e *end) stalls(t *testing.T, n int) {
	t.Helper()
	go func() {
		for e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 1<<20))) == nil {
		}
	}()
	until(t, func() bool {
		stacks := own()
		return len(stacks) == n && strings.Contains(strings.Join(stacks, ""), "flush")
	})
}

func TestGoroutinesAreNoneBehindAFullReadWindow(t *testing.T) {
	const window, size = 4 << 10, 10 << 10
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			e := overTCP(t, config{ReadWindow: window, Limit: 64 << 10}, false)
			next := w.receive(t, e)
			flooded := flood(e, 100, size)
			until(t, func() bool { // a goroutine that reads would wait for ever: it ends
				return e.conn.Stats().Received.Held >= window && len(own()) <= w.ahead
			})
			require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(window+w.ahead*(size+8)))
			for range 100 {
				require.Len(t, next.text(t), size)
			}
			require.NoError(t, <-flooded)
		})
	}
}

func TestGoroutinesAreNoneForKeepalive(t *testing.T) {
	const n = 50
	c := config{
		PingInterval:      20 * time.Millisecond,
		PongTimeout:       -1,
		IdleTimeout:       time.Hour,
		WriteStallTimeout: time.Hour,
	}
	var ends []*end
	for range n {
		e := overTCP(t, c, true)
		go func() { _, _ = e.conn.Readable().Pull(t.Context()) }() // ends with the connection
		ends = append(ends, e)
	}
	for range 3 {
		for _, e := range ends {
			e.wantPing(t)
		}
	}
	until(t, func() bool { return len(own()) <= n/5 }) // the timers of all run now and then
}

package wsstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// calls are all that can be called while a connection is in use. Their errors are anybody's.
var calls = []func(ctx context.Context, c *wsstream.Conn){
	func(ctx context.Context, c *wsstream.Conn) { _, _ = c.Readable().Pull(ctx) },
	func(ctx context.Context, c *wsstream.Conn) { _ = c.Readable().PullInto(ctx, new(wsstream.Message)) },
	func(ctx context.Context, c *wsstream.Conn) {
		if m, err := c.Readable().NextMessage(ctx); err == nil {
			_, _ = m.Read(make([]byte, 10))
			_ = m.Close()
		}
	},
	func(ctx context.Context, c *wsstream.Conn) {
		for range c.Readable().All(ctx) {
			break
		}
	},
	func(ctx context.Context, c *wsstream.Conn) {
		for m := range c.Readable().Messages(ctx) {
			if m != nil {
				_, _ = m.WriteTo(io.Discard)
				_ = m.Close() // its context may have ended it
			}
			break
		}
	},
	func(ctx context.Context, c *wsstream.Conn) { _ = c.Writable().Write(ctx, wsstream.Text("small")) },
	func(ctx context.Context, c *wsstream.Conn) {
		_ = c.Writable().Write(ctx, wsstream.Binary(make([]byte, 3000)))
	},
	func(_ context.Context, c *wsstream.Conn) { _, _ = c.Writable().TryWrite(wsstream.Text("tried")) },
	func(ctx context.Context, c *wsstream.Conn) { _ = c.Writable().Ready(ctx) },
	func(ctx context.Context, c *wsstream.Conn) { _ = c.Writable().Flush(ctx) },
	func(_ context.Context, c *wsstream.Conn) { _ = c.Writable().DesiredSize() },
	func(_ context.Context, c *wsstream.Conn) { _ = c.Stats() },
	func(_ context.Context, c *wsstream.Conn) { _, _, _ = c.Closed().Peek() },
	func(_ context.Context, c *wsstream.Conn) { _ = c.Close(wsstream.CloseInfo{Code: 1005}) }, // may not be sent
}

// ends are all that ends a connection.
var ends = map[string]func(ctx context.Context, c, other *wsstream.Conn){
	"Close":          func(_ context.Context, c, _ *wsstream.Conn) { _ = c.Close(wsstream.CloseInfo{Code: 1000}) },
	"Shutdown":       func(ctx context.Context, c, _ *wsstream.Conn) { _ = c.Shutdown(ctx, wsstream.CloseInfo{}) },
	"CloseNow":       func(_ context.Context, c, _ *wsstream.Conn) { c.CloseNow() },
	"Cancel":         func(_ context.Context, c, _ *wsstream.Conn) { _ = c.Readable().Cancel(io.ErrClosedPipe) },
	"Abort":          func(_ context.Context, c, _ *wsstream.Conn) { _ = c.Writable().Abort(io.ErrClosedPipe) },
	"Writable.Close": func(ctx context.Context, c, _ *wsstream.Conn) { _ = c.Writable().Close(ctx) },
	"Discard": func(_ context.Context, c, other *wsstream.Conn) {
		c.Readable().Discard()
		_ = other.Close(wsstream.CloseInfo{})
	},
	"the other's CloseNow": func(_ context.Context, _, other *wsstream.Conn) { other.CloseNow() },
	"all at once": func(ctx context.Context, c, other *wsstream.Conn) {
		for _, c := range []*wsstream.Conn{c, other} {
			go c.Close(wsstream.CloseInfo{Code: 3000})
			go c.Readable().Cancel(nil)
			go c.Writable().Abort(nil)
			go c.CloseNow()
		}
	},
}

func TestAnyMethodMayBeCalledFromAnyGoroutineThroughEveryEnd(t *testing.T) {
	c := config{ReadWindow: 1 << 10, WriteWindow: 1 << 10, MaxFrameSize: 500, CloseTimeout: 200 * time.Millisecond}
	for name, end := range ends {
		t.Run(name+"/memory", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(1 << 10)
				client, server := conns(t, c, near, far)
				storm(t, client, server, end)
			})
		})
		t.Run(name+"/tcp", func(t *testing.T) {
			near, far := tcpPipe(t, 0)
			client, server := conns(t, c, near, far)
			storm(t, server, client, end)
		})
	}
}

// storm calls everything at random from many goroutines, ends the connection, and goes on until all has ended.
func storm(t *testing.T, c, other *wsstream.Conn, end func(ctx context.Context, c, other *wsstream.Conn)) {
	const each = 12
	ctx := patient(t)
	started, finished := make(chan struct{}, 2*each), make(chan struct{}, 2*each)
	for i, conn := range []*wsstream.Conn{c, other} {
		for j := range each {
			r := rand.New(rand.NewPCG(uint64(i), uint64(j)))
			go func() {
				defer func() { finished <- struct{}{} }()
				for n := 0; ; n++ {
					select {
					case <-conn.Closed().Done():
						for _, call := range calls { // all are defined after the end, too
							call(ctx, conn)
						}
						return
					default:
					}
					if n == 20 {
						started <- struct{}{}
					}
					some, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(2000))*time.Microsecond)
					calls[r.IntN(len(calls))](some, conn)
					cancel()
					<-time.After(time.Microsecond) // a bubble's clock stands still while calls return at once
				}
			}()
		}
	}
	for range cap(started) {
		<-started
	}
	end(ctx, c, other)
	for _, conn := range []*wsstream.Conn{c, other} {
		info, err := conn.Closed().Wait(ctx)
		require.NoError(t, ctx.Err(), "it hangs")
		<-conn.Readable().Done()
		<-conn.Writable().Done()
		again, errAgain := conn.Closed().Wait(ctx)
		require.Equal(t, info, again)
		require.Equal(t, err, errAgain)
		if err != nil {
			e, ok := errors.AsType[*wsstream.Error](err)
			require.True(t, ok)
			require.NotZero(t, e.Code)
		}
	}
	for range cap(finished) {
		<-finished
	}
	require.NoError(t, ctx.Err(), "a call hung")
}

func TestWhatCameWholeBeforeACutIsDeliveredAndTheEndIsSettledOnce(t *testing.T) {
	const n, size = 20, 100
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			e := inMemory(t, config{ReadWindow: 256 + r.IntN(4000)}, seed%2 == 0)
			far := e.far.(*memnet.Conn)
			var stream []byte
			for i := range n {
				stream = append(stream, e.peer.Encode(wstest.Text(fmt.Sprintf("%0*d", size, i)))...)
			}
			at := r.IntN(len(stream))
			half := r.IntN(2) == 0
			if half {
				e.peer.SendRaw(stream[:at])
				far.CloseWrite() // ends half-way
			} else {
				far.CutAfter(int64(at))
				_, _ = far.Write(stream)
			}
			if r.IntN(2) == 0 {
				<-time.After(time.Minute) // nobody pulls for a while
			}
			if r.IntN(2) == 0 {
				goWrite(t, e, wsstream.Text("x")) // its failure costs no message that is pulled in time
			}
			whole := at / (len(stream) / n)
			for i := range whole {
				require.Equal(t, fmt.Sprintf("%0*d", size, i), e.pull(t))
			}
			_, err := e.conn.Readable().Pull(patient(t))
			require.ErrorContains(t, err, "1006")
			for range 3 {
				_, again := e.conn.Readable().Pull(patient(t))
				require.Same(t, err, again)
				_, closed := e.closed(t)
				require.Same(t, err, closed)
				require.Same(t, err, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
				e.conn.CloseNow()
				_ = e.conn.Close(wsstream.CloseInfo{Code: 1000})
				_ = e.conn.Writable().Abort(io.ErrClosedPipe)
			}
		})
	}
}

func TestWhatWasAcceptedBeforeACleanCloseArrives(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			c := config{WriteWindow: 256 + r.IntN(4000), ReadWindow: 256 + r.IntN(1000), MaxFrameSize: 1 + r.IntN(300)}
			near, far := memnet.Pipe(100 + r.IntN(1000))
			client, server := conns(t, c, near, far)
			near.Drip(50, time.Millisecond)
			accepted := make(chan int, 1)
			go func() {
				n := 0
				for client.Writable().Write(t.Context(), numbered(n)) == nil {
					n++
				}
				accepted <- n
			}()
			got := make(chan error, 1)
			count := 0
			go func() {
				var err error
				for m, e := range server.Readable().All(t.Context()) {
					if err = e; err == nil {
						err = same(count, m)
					}
					if err != nil {
						break
					}
					count++
				}
				got <- err
			}()
			<-time.After(time.Duration(r.IntN(200)) * time.Millisecond)
			switch r.IntN(4) {
			case 0:
				require.NoError(t, client.Close(wsstream.CloseInfo{Code: 1000}))
			case 1:
				require.NoError(t, client.Writable().Close(t.Context()))
			case 2:
				require.NoError(t, client.Readable().Cancel(nil))
			default:
				require.NoError(t, server.Close(wsstream.CloseInfo{Code: 1001})) // the peer's Close
			}
			require.NoError(t, <-got)
			_, err := client.Closed().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, <-accepted, count)
		})
	}
}

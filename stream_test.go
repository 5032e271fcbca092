package wsstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
)

// These tests hold that a Conn is a source, a sink and a duplex as package stream wants them.

func TestBytesCountsMessagesByTheirData(t *testing.T) {
	q := stream.NewQueue(wsstream.Bytes(10))
	for _, step := range []struct {
		m    wsstream.Message
		left int
	}{
		{wsstream.Text("four"), 6},
		{wsstream.Binary(nil), 5},
		{wsstream.Text("sixsix").Prepare(), -1},
	} {
		ok, err := q.TryWrite(step.m)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, step.left, q.DesiredSize())
	}
	ok, err := q.TryWrite(wsstream.Text(""))
	require.NoError(t, err)
	require.False(t, ok)
}

// A relayed is a client and a server with a relay between them:
//
//	client — near ⇄ far — server
type relayed struct {
	client, near, far, server *wsstream.Conn
	end                       chan error        // what Join returned
	cut                       func(cause error) // ends the relay's context
	nearPair, farPair         *wstest.Duo       // the transports
}

// relay joins two pairs. It is called in a bubble.
func relay(t *testing.T, o *wstest.PairOptions) *relayed {
	a, b := wstest.Pair(t, o), wstest.Pair(t, o)
	ctx, cut := withCause(t)
	r := &relayed{
		client: a.Client, near: a.Server, far: b.Client, server: b.Server,
		end: make(chan error, 1), cut: cut, nearPair: a, farPair: b,
	}
	go func() { r.end <- stream.Join(ctx, r.near.Duplex(), r.far.Duplex()) }() // ends with the connections, or cut
	return r
}

func TestJoinIsARelayInOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, nil)
		for i := range 100 {
			there, back := fmt.Sprint("there ", i), wsstream.Binary([]byte{byte(i)})
			send(t, r.client, there)
			m, err := r.server.Readable().Pull(t.Context())
			require.NoError(t, err)
			require.Equal(t, wsstream.Text(there), m)
			require.NoError(t, r.server.Writable().Write(t.Context(), back))
			m, err = r.client.Readable().Pull(t.Context())
			require.NoError(t, err)
			require.Equal(t, back, m, "the type too")
		}
	})
}

func TestARelayEndsWithEitherSide(t *testing.T) {
	leave := map[string]func(t *testing.T, c *wsstream.Conn){
		"closes": func(t *testing.T, c *wsstream.Conn) {
			require.NoError(t, c.Close(wsstream.CloseInfo{Code: 1000}))
		},
		"shuts down": func(t *testing.T, c *wsstream.Conn) {
			require.NoError(t, c.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
		},
		"closes its writable": func(t *testing.T, c *wsstream.Conn) {
			require.NoError(t, c.Writable().Close(t.Context()))
		},
		"cancels its readable": func(t *testing.T, c *wsstream.Conn) {
			require.NoError(t, c.Readable().Cancel(nil))
		},
	}
	for _, side := range []string{"client", "server"} {
		for name, leave := range leave {
			t.Run("the "+side+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := relay(t, nil)
					leaves, stays := r.client, r.server
					if side == "server" {
						leaves, stays = stays, leaves
					}
					send(t, leaves, "last")
					m, err := stays.Readable().Pull(t.Context())
					require.NoError(t, err)
					require.Equal(t, "last", string(m.Data))
					leave(t, leaves)
					require.NoError(t, <-r.end)
					_, err = stays.Readable().Pull(t.Context())
					require.Equal(t, io.EOF, err)
					for _, c := range []*wsstream.Conn{leaves, stays, r.near, r.far} {
						_, err := c.Closed().Wait(t.Context())
						require.NoError(t, err)
					}
				})
			})
		}
	}
}

func TestARelayThatIsCutOnOneSideFailsOnTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, nil)
		r.client.CloseNow()
		err := <-r.end
		lost, ok := errors.AsType[*wsstream.Error](err)
		require.True(t, ok, err)
		require.Equal(t, 1006, lost.Code)
		info, err := r.server.Closed().Wait(t.Context())
		require.NoError(t, err, "1006 is never on the wire")
		require.Equal(t, 1011, info.Code)
	})
}

func TestARelaysContextEndsBothSidesWithItsCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, nil)
		cause := &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1001, Reason: "restart"}}
		r.cut(cause)
		require.Equal(t, error(cause), <-r.end)
		for _, c := range []*wsstream.Conn{r.client, r.server} {
			info, err := c.Closed().Wait(t.Context())
			require.NoError(t, err)
			require.Equal(t, cause.CloseInfo, info)
		}
	})
}

func TestARelayHoldsItsWindowsAndOneMessageWhateverTheServerDoes(t *testing.T) {
	const window, size = 4096, 1000
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, &wstest.PairOptions{
			Dial:   &wsstream.DialOptions{ReadWindow: window, WriteWindow: window},
			Accept: &wsstream.AcceptOptions{ReadWindow: window, WriteWindow: window},
			Limit:  window,
		})
		m, sent := wsstream.Text(strings.Repeat("x", size)), 0
		for { // until nothing moves any more: the server pulls nothing
			ok, err := r.client.Writable().TryWrite(m)
			require.NoError(t, err)
			if ok {
				sent++
				continue
			}
			synctest.Wait()
			if r.client.Writable().DesiredSize() <= 0 {
				break
			}
		}
		require.Less(t, sent*size, 4*window+2*window+5*(size+100)+4096, "four windows, two transports, and a message each")
		for _, f := range []wsstream.Flow{r.near.Stats().Received, r.far.Stats().Sent} {
			require.Positive(t, f.HeldMax)
			require.LessOrEqual(t, f.HeldMax, int64(window+size+100+4096), "the window, one message and a read buffer")
		}
		for range sent {
			got, err := r.server.Readable().Pull(t.Context())
			require.NoError(t, err)
			require.Len(t, got.Data, size)
		}
	})
}

func TestAPipeFromOneConnToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pair(t, nil), wstest.Pair(t, nil)
		send(t, a.Client, "short", strings.Repeat("long", 10_000), "", "end")
		require.NoError(t, a.Client.Close(wsstream.CloseInfo{Code: 1000}))
		piped := make(chan error, 1)
		go func() { piped <- stream.Pipe(t.Context(), b.Client.Writable(), a.Server.Readable(), nil) }() // ends with a
		got, err := stream.Collect(t.Context(), b.Server.Readable())
		require.NoError(t, err, "the end is passed on")
		require.NoError(t, <-piped)
		var texts []string
		for _, m := range got {
			texts = append(texts, string(m.Data))
		}
		require.Equal(t, []string{"short", strings.Repeat("long", 10_000), "", "end"}, texts, "though the memory was used again")
	})
}

func TestAPipeNoticesThatItsDestinationIsLostWhileTheSourceIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pair(t, nil), wstest.Pair(t, nil)
		piped := make(chan error, 1)
		go func() { piped <- stream.Pipe(t.Context(), b.Client.Writable(), a.Server.Readable(), nil) }() // ends with b
		synctest.Wait()
		b.Server.CloseNow()
		_, ok := errors.AsType[*wsstream.Error](<-piped)
		require.True(t, ok)
		_, err := a.Client.Closed().Wait(t.Context())
		require.NoError(t, err, "the source is cancelled, and so closed in order")
	})
}

// That holds for a gigabyte as for what is counted here, since it is counted in the steady state.
func TestAPipeBetweenConnsAllocatesNothingInTheSteadyState(t *testing.T) {
	for _, size := range []int{64, 64 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			const warm, counted = 2000, 4000
			src, far := rawServer(t)
			rawFlood(t, far, maskedFrame(size))
			dst, sink := rawServer(t)
			rawSwallow(t, sink)
			ctx, enough := withCause(t)
			errEnough := errors.New("enough")
			var before, after runtime.MemStats
			err := stream.Pipe(ctx, dst.Writable(), src.Readable(), &stream.PipeOptions{Progress: func(n int64) {
				switch n {
				case warm:
					runtime.ReadMemStats(&before)
				case warm + counted:
					runtime.ReadMemStats(&after)
					enough(errEnough)
				}
			}})
			require.Equal(t, errEnough, err)
			mallocs, bytes := after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
			t.Logf("%d allocations, %d bytes, for %d messages", mallocs, bytes, counted)
			if !raceEnabled {
				require.Less(t, mallocs, uint64(counted/10), "allocations")
				require.Less(t, bytes, uint64(2<<20), "bytes") // a pool's buffers, after a garbage collection
			}
		})
	}
}

func TestABroadcastOfPreparedMessagesEncodesEachOnce(t *testing.T) {
	const subscribers, size = 8, 1 << 20
	var conns []*wsstream.Conn
	for range subscribers + 1 {
		d := wstest.Pair(t, &wstest.PairOptions{Accept: &wsstream.AcceptOptions{WriteWindow: -1}})
		d.ServerNet.Stall(true)
		conns = append(conns, d.Server)
	}
	// What the encoding of one message takes, told by a message that one connection sends.
	encode := func(conns ...*wsstream.Conn) (allocated uint64) {
		room := stream.NewBroadcast[wsstream.Message](nil)
		sent, done := make(chan struct{}, len(conns)), make(chan error, len(conns))
		for _, c := range conns {
			sub := room.Subscribe(wsstream.Bytes(2*size), stream.Block)
			go func() { // ends with the room
				done <- stream.Pipe(t.Context(), c.Writable(), sub, &stream.PipeOptions{
					PreventClose: true,
					Progress:     func(int64) { sent <- struct{}{} },
				})
			}()
		}
		m := wsstream.Binary(make([]byte, size)).Prepare()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.NoError(t, room.Publish(t.Context(), m))
		for range conns {
			<-sent
		}
		runtime.ReadMemStats(&after)
		require.NoError(t, room.Close(t.Context()))
		for range conns {
			require.NoError(t, <-done)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	one := encode(conns[0])
	all := encode(conns[1:]...)
	require.GreaterOrEqual(t, one, uint64(size))
	require.Less(t, all, one+subscribers/2*size, "there was a copy for each subscriber")
}

// BenchmarkPipeConns measures a Pipe from one Conn to another, over loopback TCP: what a relay does, one way.
func BenchmarkPipeConns(b *testing.B) {
	for _, size := range []int{64, 64 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			src, far := rawServer(b)
			rawFlood(b, far, maskedFrame(size))
			dst, sink := rawServer(b)
			rawSwallow(b, sink)
			ctx, enough := context.WithCancel(b.Context())
			defer enough()
			const warm = 1000
			_ = stream.Pipe(ctx, dst.Writable(), src.Readable(), &stream.PipeOptions{Progress: func(n int64) {
				switch n {
				case warm:
					b.ResetTimer()
				case warm + int64(b.N):
					b.StopTimer()
					enough()
				}
			}})
		})
	}
}

func TestErrClosedSaysWhatWasClosedAndIsStreamsToo(t *testing.T) {
	require.EqualError(t, wsstream.ErrClosed, "wsstream: connection closed")
	require.ErrorIs(t, wsstream.ErrClosed, stream.ErrClosed)
	require.ErrorIs(t, stream.ErrClosed, wsstream.ErrClosed)
	require.ErrorIs(t, fmt.Errorf("write: %w", wsstream.ErrClosed), stream.ErrClosed)
	q := stream.NewQueue(stream.Count[int](0))
	require.NoError(t, q.Cancel(wsstream.ErrClosed))
	require.NoError(t, q.Close(t.Context()), "package stream takes it for its own")
}

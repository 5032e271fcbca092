package hostile

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// writes writes messages of size bytes until that fails, and returns a channel that gets the error.
func (v *victim) writes(ctx context.Context, size int) <-chan error {
	done := make(chan error, 1)
	go func() { // ends with the connection
		var err error
		for m := wsstream.Binary(make([]byte, size)); err == nil; {
			err = v.conn.Writable().Write(ctx, m)
		}
		done <- err
	}()
	return done
}

func TestPeerThatNeverReadsHoldsOneWindowAndOneMessage(t *testing.T) {
	const size = 100_000
	for name, drip := range map[string]bool{"reads nothing": false, "reads a byte a second": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := attacked(t, nil)
				if drip {
					v.near.Drip(1, time.Second)
					v.drains()
				}
				wrote := v.writes(v.conn.Context(), size)
				flooded := v.floods(bytes.Repeat(v.peer.Encode(wstest.Ping(strings.Repeat("x", 125))), 1000), 16)
				require.NoError(t, <-flooded)
				<-time.After(time.Second)
				before := v.near.writes.Load()
				<-time.After(time.Hour)
				require.LessOrEqual(t, v.conn.Stats().Sent.HeldMax,
					int64(wsstream.DefaultWriteWindow+size+100+8<<10))
				if drip {
					require.LessOrEqual(t, v.near.writes.Load()-before, int64(3600), "a write for each byte")
				} else {
					require.Equal(t, before, v.near.writes.Load(), "a stalled connection uses no CPU")
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				require.ErrorIs(t, v.conn.Writable().Write(ctx, wsstream.Text("x")), context.DeadlineExceeded,
					"a context ends the call")

				start := time.Now()
				err := v.conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1001})
				require.Equal(t, 1006, wsstream.CloseCode(err))
				took(t, wsstream.DefaultCloseTimeout, start, "the connection is cut")
				require.Error(t, <-wrote)
			})
		})
		t.Run(name+", WriteStallTimeout", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := attacked(t, &wsstream.AcceptOptions{WriteStallTimeout: time.Minute})
				if drip {
					v.near.Drip(1, time.Second)
					v.drains()
				}
				start := time.Now()
				wrote := v.writes(v.conn.Context(), size)
				require.ErrorContains(t, <-wrote, "WriteStallTimeout")
				require.LessOrEqual(t, time.Since(start), time.Minute*5/4+wsstream.DefaultCloseTimeout)
			})
		})
	}
}

func TestUnfinishedInputHoldsOneWindowAndOneBuffer(t *testing.T) {
	const n = 20
	// A Conn, a Peer, their goroutines, and the buffers of the transport. The allocator rounds a read
	// buffer up to 72 KiB.
	const slack = 32 << 10
	big := wstest.Binary(make([]byte, 200<<10))
	for name, tc := range map[string]struct {
		pulls int
		sends func(p *wstest.Peer) []byte
		held  int
	}{
		"half a header": {0, func(p *wstest.Peer) []byte { return p.Encode(big)[:1] }, readBuffer},
		"half a ping":   {0, func(p *wstest.Peer) []byte { return p.Encode(wstest.Ping("xyz"))[:7] }, readBuffer},
		"half a header behind much": {2, func(p *wstest.Peer) []byte {
			return bytes.Repeat(p.Encode(big), 3)[:2*len(p.Encode(big))+1]
		}, readBuffer},
		"half a message": {0, func(p *wstest.Peer) []byte {
			return append(p.Encode(wstest.Text("x").Part()), bytes.Repeat(p.Encode(wstest.Cont([]byte("x"), false)), 5000)...)
		}, readBuffer},
		"a length of 2^63-1": {0, func(p *wstest.Peer) []byte {
			return append(p.EncodeHeader(wstest.Binary(nil), 1<<63-1), make([]byte, 30<<10)...)
		}, readBuffer},
		"a full window": {0, func(p *wstest.Peer) []byte {
			return bytes.Repeat(p.Encode(wstest.Binary(nil)), wsstream.DefaultReadWindow/6)
		}, wsstream.DefaultReadWindow + readBuffer},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before := heap()
				var victims []*victim
				for range n {
					v := attackedOver(t, 4<<10, nil)
					flooded := v.floods(tc.sends(v.peer), 1)
					for range tc.pulls {
						_, err := v.conn.Readable().Pull(t.Context())
						require.NoError(t, err)
					}
					require.NoError(t, <-flooded)
					victims = append(victims, v)
				}
				<-time.After(time.Hour)
				require.Less(t, heap()-before, n*(tc.held+slack))
				runtime.KeepAlive(victims)
			})
		})
	}
}

func TestPeersThatCloseAndNeverHangUpLeaveNothing(t *testing.T) {
	for name, bad := range map[string]wstest.Frame{
		"a Close":  wstest.Close(1000, ""),
		"a breach": {Fin: true, Op: 3},
	} {
		for _, reads := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, the peer reads: %v", name, reads), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const n = 100
					var far []*memnet.Conn
					goroutines, before := runtime.NumGoroutine(), heap()
					start := time.Now()
					for range n {
						a, b := memnet.Pipe(4 << 10)
						far = append(far, b)
						peer := wstest.NewPeer(t, b, wstest.AsClient)
						accepted := make(chan *wsstream.Conn, 1)
						go func() { // ends with the handshake
							conn, _ := wsstream.AcceptConn(t.Context(), a, nil)
							accepted <- conn
						}()
						peer.DialHandshake("/")
						conn := <-accepted
						if !reads { // what waits in front of our Close fills the transport
							ok, err := conn.Writable().TryWrite(wsstream.Binary(make([]byte, 8<<10)))
							require.True(t, ok, "%v", err)
						}
						peer.Send(bad)
					}
					<-time.After(wsstream.DefaultCloseTimeout + time.Second)
					took(t, wsstream.DefaultCloseTimeout+time.Second, start, "no call was made meanwhile")
					synctest.Wait()
					require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+2, "none of a connection's")
					for _, nc := range far {
						require.Error(t, nc.End(), "the transport is closed")
					}
					require.Less(t, heap()-before, n*(16<<10), "the peers and the transport themselves")
					runtime.KeepAlive(far)
				})
			})
		}
	}
}

func TestShutdownOfManyHostilePeersTakesCloseTimeout(t *testing.T) {
	const n = 300
	synctest.Test(t, func(t *testing.T) {
		var a wsstream.Acceptor
		var far []*memnet.Conn
		refused := make(chan error, n)
		for i := range n {
			near, b := memnet.Pipe(4 << 10)
			far = append(far, b)
			if i%3 == 0 { // still in its handshake
				_, err := b.Write([]byte("GET / HTTP/1.1\r\n"))
				require.NoError(t, err)
				go func() { // ends with Shutdown
					_, err := a.AcceptConn(t.Context(), near)
					refused <- err
				}()
				continue
			}
			peer := wstest.NewPeer(t, b, wstest.AsClient)
			accepted := make(chan *wsstream.Conn, 1)
			go func() { // ends with the handshake
				conn, _ := a.AcceptConn(t.Context(), near)
				accepted <- conn
			}()
			peer.DialHandshake("/")
			conn := <-accepted
			if i%3 == 1 { // behind output that the peer does not read
				ok, err := conn.Writable().TryWrite(wsstream.Binary(make([]byte, 100_000)))
				require.True(t, ok, "%v", err)
			}
		}
		synctest.Wait()
		start, goroutines := time.Now(), runtime.NumGoroutine()
		done := make(chan error, 1)
		go func() { done <- a.Shutdown(t.Context()) }()
		synctest.Wait()
		require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+2*n+10, "a reader, a flusher")
		require.NoError(t, <-done)
		took(t, wsstream.DefaultCloseTimeout, start, "for all of them together")
		for _, nc := range far {
			require.NoError(t, nc.Close())
		}
		for range n / 3 {
			require.Error(t, <-refused)
		}
		synctest.Wait()
		require.Less(t, runtime.NumGoroutine(), 20, "nothing is left")
	})
}

func TestMessageThatIsRefusedIsNotHeldUntilThePeerAnswers(t *testing.T) {
	const n, size = 3, 900 << 10
	for name, sends := range map[string]func(v *victim) []byte{
		"a bomb": func(v *victim) []byte { return fragments(v, bombBytes(2), 1000) },
		"too large": func(v *victim) []byte {
			part := v.peer.Encode(wstest.Cont(make([]byte, 50<<10), false))
			return append(v.peer.Encode(wstest.Binary(nil).Part()), bytes.Repeat(part, 30)...)
		},
		"no UTF-8": func(v *victim) []byte {
			return v.peer.Encode(wstest.Text(strings.Repeat("x", size) + "\xff"))
		},
		"text that ends in a character": func(v *victim) []byte {
			begin := v.peer.Encode(wstest.Text(strings.Repeat("x", size) + "\xc3").Part())
			return append(begin, v.peer.Encode(wstest.Cont(nil, true))...)
		},
		"a message inside another": func(v *victim) []byte {
			begin := v.peer.Encode(wstest.Text(strings.Repeat("x", size)).Part())
			return append(begin, v.peer.Encode(wstest.Text("x"))...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before := heap()
				pulled := make(chan error, n)
				for range n {
					v := attackedOver(t, 16<<10, &compressing, offer)
					v.drains()
					sent := v.floods(sends(v), 1)
					go func() { // ends with the connection
						_, err := v.conn.Readable().Pull(v.conn.Context())
						pulled <- err
					}()
					require.NoError(t, <-sent, "it is read to its end")
				}
				<-time.After(time.Second)
				require.Less(t, heap()-before, n*(readBuffer+128<<10))
				for range n {
					require.ErrorContains(t, <-pulled, "we closed with 10")
				}
			})
		})
	}
}

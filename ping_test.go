package wsstream_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// A trip is what a Ping on another goroutine returned.
type trip struct {
	took time.Duration
	err  error
}

func goPing(ctx context.Context, e *end) <-chan trip {
	c := make(chan trip, 1)
	go func() {
		took, err := e.conn.Ping(ctx)
		c <- trip{took, err}
	}()
	return c
}

// TestPingReturnsTheRoundTrip: it makes no difference whether a Pull waits.
func TestPingReturnsTheRoundTrip(t *testing.T) {
	const away = 30 * time.Millisecond
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		for _, pulling := range []bool{false, true, false} {
			ctx, cancel := context.WithCancel(t.Context())
			pull := goDo(func() (wsstream.Message, error) {
				if !pulling {
					return wsstream.Message{}, nil
				}
				return e.conn.Readable().Pull(ctx)
			})
			ping := goPing(t.Context(), e)
			pong := e.wantPing(t)
			<-time.After(away)
			e.peer.Send(pong)
			got := <-ping
			require.NoError(t, got.err)
			require.GreaterOrEqual(t, got.took, away/2) // the two clocks differ
			if e.mem {
				require.Equal(t, away, got.took)
			}
			cancel()
			<-pull
		}
		e.alive(t)
	})
}

func TestPingDoesNotWaitForTheBackgroundReadersTimer(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		for _, before := range []func(){
			func() {},                 // it has just opened
			func() { e.alive(t) },     // no goroutine reads for the next 10 ms
			func() { e.conn.Stats() }, // the same
		} {
			before()
			ping := goPing(t.Context(), e)
			e.peer.Send(e.wantPing(t))
			require.Equal(t, trip{0, nil}, <-ping)
		}
	})
}

func TestPingIsAnsweredWithin10msOfOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pair := wstest.Pair(t, nil)
		for _, c := range []*wsstream.Conn{pair.Client, pair.Server, pair.Client} {
			took, err := c.Ping(t.Context())
			require.NoError(t, err)
			require.LessOrEqual(t, took, 10*time.Millisecond)
		}
	})
}

func TestPingFailsAfterOurClose(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		start := time.Now()
		_, err := e.conn.Ping(t.Context())
		require.Equal(t, wsstream.ErrClosed, err)
		require.Zero(t, time.Since(start))
	})
}

func TestPingConcurrently(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 10 {
					if _, err := e.conn.Ping(patient(t)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			for {
				f, err := e.peer.Next()
				if err != nil || f.Op != wstest.OpPing {
					return // our Close
				}
				f.Op = wstest.OpPong
				_ = e.peer.Write(f)
			}
		}()
		wg.Wait()
		e.conn.CloseNow()
		<-answered
	})
}

func TestPongAnswersEarlierPings(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		first := goPing(t.Context(), e)
		e.wantPing(t)
		<-time.After(3 * time.Second)
		second := goPing(t.Context(), e)
		pong := e.wantPing(t)
		<-time.After(time.Second)
		e.peer.Send(pong)
		require.Equal(t, trip{4 * time.Second, nil}, <-first)
		require.Equal(t, trip{time.Second, nil}, <-second)
	})
}

func TestPongDoesNotAnswerLaterPings(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		first := goPing(t.Context(), e)
		pong1 := e.wantPing(t)
		second := goPing(t.Context(), e)
		pong2 := e.wantPing(t)
		e.peer.Send(pong1)
		require.NoError(t, (<-first).err)
		synctest.Wait()
		require.Empty(t, second)
		e.peer.Send(pong2)
		require.NoError(t, (<-second).err)
	})
}

func TestPingsThatHaveNotLeftAreOne(t *testing.T) {
	inBubble(t, config{MaxFrameSize: 1 << 10, Limit: 1 << 10}, func(t *testing.T, e *end) {
		e.stuff(t, true)
		synctest.Wait() // a frame has begun
		pings := []<-chan trip{goPing(t.Context(), e), goPing(t.Context(), e), goPing(t.Context(), e)}
		synctest.Wait()
		n := 0
		for last := false; !last; {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if last = f.Fin && f.Op.IsData(); f.Op == wstest.OpPing {
				n++
				f.Op = wstest.OpPong
				e.peer.Send(f)
			}
		}
		require.Equal(t, 1, n)
		for _, p := range pings {
			require.NoError(t, (<-p).err)
		}
	})
}

// A slowReturn is a transport whose Write returns long after the peer has the bytes.
type slowReturn struct {
	net.Conn
	late atomic.Bool
	let  chan struct{}
}

func (c *slowReturn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if c.late.Load() {
		<-c.let
	}
	return n, err
}

// A Ping must not be answered before it was called.
func TestPingIsNotAnsweredByThePongOfAPingThatHadBegunToLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		late := &slowReturn{Conn: near, let: make(chan struct{})}
		conn := wsstream.Dial(t.Context(), "ws://server.test/", &wsstream.DialOptions{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return late, nil },
		})
		defer conn.CloseNow()
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ServeHandshake()
		e := &end{conn: conn, peer: peer, mem: true}
		synctest.Wait()
		late.late.Store(true)
		first := goPing(t.Context(), e)
		pong := e.wantPing(t)
		synctest.Wait()
		second := goPing(t.Context(), e)
		synctest.Wait()
		peer.Send(pong)
		require.NoError(t, (<-first).err)
		synctest.Wait()
		require.Empty(t, second)
		late.late.Store(false)
		late.let <- struct{}{}
		peer.Send(e.wantPing(t))
		require.NoError(t, (<-second).err)
	})
}

func TestPongThatWasNotAskedForIsIgnored(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Pong(""), wstest.Pong("12345678"))
		ping := goPing(t.Context(), e)
		pong := e.wantPing(t)
		for _, d := range []int64{-1, 1, 1000} {
			var other [8]byte
			binary.BigEndian.PutUint64(other[:], binary.BigEndian.Uint64(pong.Payload)+uint64(d))
			e.peer.Send(wstest.Pong(string(other[:])))
		}
		e.peer.Send(wstest.Pong(""), wstest.Pong(string(pong.Payload)+"x"), wstest.Ping("read?"))
		e.peer.Want("they have been read", wstest.Pong("read?"))
		require.Empty(t, ping)
		e.peer.Send(pong)
		require.NoError(t, (<-ping).err)
		e.peer.Send(pong)
		e.alive(t)
	})
}

func TestPingWhoseContextEndsChangesNothing(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		over, cancelled := withCause(t)
		cancelled(errWhy)
		_, err := e.conn.Ping(over)
		require.Equal(t, errWhy, err)
		if e.mem {
			e.peer.WantIdle("nothing was sent")
		}

		ctx, cancel := withCause(t)
		ping := goPing(ctx, e)
		pong := e.wantPing(t)
		cancel(errWhy)
		require.Equal(t, trip{0, errWhy}, <-ping)
		e.peer.Send(pong)
		e.alive(t)
	})
}

func TestPingReturnsTheErrorOfTheEnd(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ping := goPing(t.Context(), e)
		e.wantPing(t)
		e.peer.Close()
		_, end := e.closed(t)
		require.Error(t, end)
		require.Equal(t, trip{0, end}, <-ping)
		_, err := e.conn.Ping(t.Context())
		require.Equal(t, end, err)
	})
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ping := goPing(t.Context(), e)
		e.wantPing(t)
		e.peer.Send(wstest.Close(1000, ""))
		e.peer.Want("the answer", wstest.Close(1000, ""))
		e.peer.Close()
		require.Equal(t, trip{0, wsstream.ErrClosed}, <-ping)
		_, err := e.conn.Ping(t.Context())
		require.Equal(t, wsstream.ErrClosed, err)
	})
}

func TestPingWaitsForTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		conn := dialOver(t, near, nil)
		e := &end{conn: conn, peer: wstest.NewPeer(t, far, wstest.AsServer)}
		ping := goPing(t.Context(), e)
		e.peer.ServeHandshake()
		e.peer.Send(e.wantPing(t))
		require.NoError(t, (<-ping).err)
	})
	var d dialled
	conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{NetDial: d.dial})
	err := notOpened(t, conn)
	_, pinged := conn.Ping(t.Context())
	require.Equal(t, err, pinged)
}

func TestPongBehindAFullWindowWaitsForAPull(t *testing.T) {
	inBubble(t, config{ReadWindow: 256}, func(t *testing.T, e *end) {
		ping := goPing(t.Context(), e)
		pong := e.wantPing(t)
		e.peer.Send(wstest.Binary(make([]byte, 300)), pong)
		<-time.After(time.Hour)
		require.Empty(t, ping)
		require.Len(t, e.pull(t), 300)
		require.Equal(t, trip{time.Hour, nil}, <-ping)
	})
}

func TestOnPingAndOnPongGetEachPayload(t *testing.T) {
	var got []string // by one goroutine at a time, and the test waits for them
	note := func(what string) func([]byte) {
		return func(p []byte) { got = append(got, what+string(p)) }
	}
	long := string(bytes.Repeat([]byte("p"), 125))
	inBubble(t, config{OnPing: note("ping "), OnPong: note("pong ")}, func(t *testing.T, e *end) {
		got = nil
		e.peer.Send(wstest.Ping("a"), wstest.Text("x"), wstest.Pong("b"), wstest.Ping(""),
			wstest.Ping(long), wstest.Pong(""))
		require.Equal(t, "x", e.pull(t))
		ping := goPing(t.Context(), e)
		for pong := (wstest.Frame{}); pong.Op != wstest.OpPong || len(pong.Payload) != 8; {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if pong = f; f.Op == wstest.OpPing {
				pong.Op = wstest.OpPong
				e.peer.Send(pong)
			}
		}
		require.NoError(t, (<-ping).err)
		synctest.Wait()
		require.Equal(t, []string{"ping a", "pong b", "ping ", "ping " + long, "pong "}, got[:5])
		require.Len(t, got, 6)
		require.Len(t, got[5], len("pong ")+8, "the answer to our own")
	})
}

func TestOnPingMayCallTheConn(t *testing.T) {
	for name, call := range map[string]func(c *wsstream.Conn){
		"TryWrite": func(c *wsstream.Conn) {
			_, _ = c.Writable().TryWrite(wsstream.Text("from the hook"))
		},
		"Close":    func(c *wsstream.Conn) { _ = c.Close(wsstream.CloseInfo{Code: 1000}) },
		"CloseNow": func(c *wsstream.Conn) { c.CloseNow() },
		"the rest": func(c *wsstream.Conn) { c.Writable().DesiredSize(); c.URL(); c.Closed().Peek() },
	} {
		for _, pulling := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				var conn *wsstream.Conn
				called := make(chan struct{})
				hook := func([]byte) {
					call(conn)
					close(called)
				}
				onEveryPath(t, config{OnPing: func(p []byte) { hook(p) }}, func(t *testing.T, e *end) {
					conn, called = e.conn, make(chan struct{})
					if pulling {
						goPull(t, e)
					}
					e.peer.Send(wstest.Ping("x"))
					select {
					case <-called:
					case <-patient(t).Done():
						require.Fail(t, "it hangs")
					}
					e.conn.CloseNow()
					<-e.conn.Closed().Done()
				})
			})
		}
	}
}

func TestFloodOfEmptyFramesFailsWith1008(t *testing.T) {
	empty := wstest.Cont(nil, false)
	for name, tc := range map[string]struct {
		begin, then []wstest.Frame
		read        func(e *end) error
	}{
		"pings": {then: []wstest.Frame{wstest.Ping("")}},
		"pongs": {then: []wstest.Frame{wstest.Pong("x")}},
		"empty fragments": {
			begin: []wstest.Frame{wstest.Text("").Part()},
			then:  []wstest.Frame{empty},
		},
		"both": {
			begin: []wstest.Frame{wstest.Text("x").Part()},
			then:  []wstest.Frame{wstest.Ping("a"), empty},
		},
		"empty fragments to a Pull": {
			[]wstest.Frame{wstest.Text("x").Part()},
			[]wstest.Frame{empty},
			func(e *end) error { _, err := e.conn.Readable().Pull(context.Background()); return err },
		},
		"empty fragments to a MessageReader": {
			begin: []wstest.Frame{wstest.Text("x").Part()},
			then:  []wstest.Frame{empty},
			read: func(e *end) error {
				m, err := e.conn.Readable().NextMessage(context.Background())
				for err == nil {
					_, err = m.Read(make([]byte, 10))
				}
				return err
			},
		},
		"pings after Discard": {nil, []wstest.Frame{wstest.Ping("x")}, func(e *end) error {
			e.conn.Readable().Discard()
			_, err := e.conn.Closed().Wait(context.Background())
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := config{ReadWindow: 1 << 20, CloseTimeout: 20 * time.Second}
			onEveryPath(t, c, func(t *testing.T, e *end) {
				read := make(chan error, 1)
				if tc.read != nil {
					go func() { read <- tc.read(e) }()
				}
				frames := tc.begin
				for len(frames) < maxRow+10 {
					frames = append(frames, tc.then...)
				}
				sent := make(chan error, 1)
				go func() { sent <- e.peer.Write(frames...) }()
				f := wstest.Ping("")
				for f.Op != wstest.OpClose {
					var err error
					f, err = e.peer.Next()
					require.NoError(t, err)
				}
				// 1008.
				require.Contains(t, string(f.Payload), "\x03\xf0received more than 16384 frames in a row")
				require.NoError(t, <-sent)
				e.peer.Close()
				_, err := e.closed(t)
				unclean(1006, "16384 frames in a row", "1008")(t, e, err)
				if tc.read != nil {
					theEnd(t, e, <-read)
				}
			})
		})
	}
}

func TestFloodOfEmptyFramesPassesIfSlowOrBetweenMessages(t *testing.T) {
	inBubble(t, config{ReadWindow: 1 << 20}, func(t *testing.T, e *end) {
		nothing := bytes.Repeat(e.peer.Encode(wstest.Pong("")), maxRow)
		for range 3 {
			e.peer.SendRaw(nothing)
			<-time.After(1100 * time.Millisecond)
		}
		for range 3 {
			e.peer.SendRaw(nothing)
			e.alive(t)
		}
		e.peer.Send(wstest.Text("a").Part())
		for range 3 {
			e.peer.SendRaw(bytes.Repeat(e.peer.Encode(wstest.Cont(nil, false)), maxRow))
			e.peer.Send(wstest.Cont([]byte("b"), false))
		}
		e.peer.Send(wstest.Cont(nil, true))
		require.Equal(t, "abbb", e.pull(t))
	})
}

// Autobahn 2.10 and 2.11.
func TestPongForEveryPingInOrder(t *testing.T) {
	var pings, pongs []wstest.Frame
	for i := range 10 {
		pings = append(pings, wstest.Ping(fmt.Sprint("payload-", i)))
		pongs = append(pongs, wstest.Pong(fmt.Sprint("payload-", i)))
	}
	for _, pulling := range []bool{false, true} {
		for _, chop := range []int{1, 7, 1 << 10} {
			t.Run(fmt.Sprint("pulling ", pulling, ", chopped in ", chop), func(t *testing.T) {
				onEveryPath(t, config{}, func(t *testing.T, e *end) {
					if pulling {
						goPull(t, e)
					}
					var wire []byte
					for _, f := range pings {
						wire = append(wire, e.peer.Encode(f)...)
					}
					for part := range slices.Chunk(wire, chop) {
						e.peer.SendRaw(part)
					}
					e.peer.Want("an answer to each, in order", pongs...)
					require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
					e.peer.WantClose("and nothing more", 1000)
				})
			})
		}
	}
}

// TestPongOvertakesQueuedFramesAndTheNewestStays: where the peer reads no pongs the newest
// replaces the older ones.
func TestPongOvertakesQueuedFramesAndTheNewestStays(t *testing.T) {
	const frame = 1 << 10
	const reserve = 4 << 10 // bytes of pongs that are kept
	for _, n := range []int{3, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := config{WriteWindow: 256, MaxFrameSize: frame, Limit: 4 << 10}
			inBubble(t, c, func(t *testing.T, e *end) {
				size := e.stuff(t, true)
				sent, kept := []string(nil), 0
				for i := range n {
					sent = append(sent, fmt.Sprintf("%0100d", i))
					e.peer.Send(wstest.Ping(sent[i]))
				}
				e.notice()
				data, pongs, before := 0, []string(nil), 0
				for fin := false; !fin; {
					f, err := e.peer.Next()
					require.NoError(t, err)
					if f.Op == wstest.OpPong {
						pongs, before, kept = append(pongs, string(f.Payload)), data, kept+len(f.Payload)
						continue
					}
					require.True(t, f.Op.IsData(), "%v", f)
					data, fin = data+len(f.Payload), f.Fin
				}
				require.Equal(t, size, data)
				require.Less(t, before, size/2, "they did not wait behind the message")
				require.LessOrEqual(t, kept, 2*reserve)
				require.NotEmpty(t, pongs)
				require.Equal(t, sent[n-len(pongs):], pongs, "the newest, in order")
			})
		})
	}
}

func TestPongNeverStandsInsideAFrame(t *testing.T) {
	c := config{WriteWindow: 256, MaxFrameSize: -1, Limit: 16 << 10}
	onEveryPath(t, c, func(t *testing.T, e *end) {
		size := e.stuff(t, true) // one frame, which leaves in many pieces
		e.peer.Send(wstest.Ping("meanwhile"))
		e.notice()
		f, err := e.peer.Next()
		require.NoError(t, err)
		require.True(t, f.Fin)
		require.Equal(t, wstest.OpBinary, f.Op)
		require.Equal(t, make([]byte, size), f.Payload)
		e.peer.Want("the pong behind it", wstest.Pong("meanwhile"))
	})
}

func TestPongPassesBetweenTheFramesOfAStalledMessage(t *testing.T) {
	const frame = 4 << 10
	c := config{MaxFrameSize: frame, WriteWindow: 2 * frame, Limit: frame}
	inBubble(t, c, func(t *testing.T, e *end) {
		payload := bytes.Repeat([]byte("payload "), 1<<17) // 1 MiB
		wrote := goWrite(t, e, wsstream.Binary(payload))
		e.peer.Send(wstest.Ping("are you there?"))
		<-time.After(time.Second) // the Write is stalled, and the input is read in the background
		var got []byte
		answered := -1 // at which frame
		for n := 0; len(got) < len(payload); n++ {
			f, err := e.peer.Next() // fails the test where a frame is cut into
			require.NoError(t, err)
			if f.String() == wstest.Pong("are you there?").String() {
				require.Negative(t, answered, "answered twice")
				answered = n
				continue
			}
			got = append(got, f.Payload...)
		}
		require.NoError(t, (<-wrote).err)
		require.True(t, bytes.Equal(payload, got))
		require.GreaterOrEqual(t, answered, 0, "never answered")
		require.Less(t, answered, 8, "of 256 frames: it waited for the message")
	})
}

func TestPongIsSentBehindUnreadMessagesWhileThereIsCredit(t *testing.T) {
	onEveryPath(t, config{ReadWindow: 4096}, func(t *testing.T, e *end) {
		for range 7 {
			e.peer.Send(wstest.Binary(make([]byte, 500)), wstest.Ping("behind it"))
			e.peer.Want("an answer, and no call pulls", wstest.Pong("behind it"))
		}
		for range 7 {
			require.Len(t, e.pull(t), 500)
		}
	})
}

func TestPingUsesCreditOnlyBehindUnreadData(t *testing.T) {
	inBubble(t, config{ReadWindow: 256}, func(t *testing.T, e *end) {
		size := int64(len(e.peer.Encode(wstest.Ping("ping"))))
		held := func() int64 {
			synctest.Wait()
			return e.conn.Stats().Received.Held
		}
		for range 1000 {
			e.peer.Send(wstest.Ping("ping"))
			e.peer.Want("an answer, and no call pulls", wstest.Pong("ping"))
			require.Zero(t, held(), "it is let go of when it is answered")
		}
		e.peer.Send(wstest.Binary(make([]byte, 100)))
		before := held()
		for n := int64(1); before+n*size <= 256; n++ {
			e.peer.Send(wstest.Ping("ping"))
			e.peer.Want("an answer from behind a message", wstest.Pong("ping"))
			require.Equal(t, before+n*size, held())
		}
		e.peer.Send(wstest.Ping("ping"))
		e.peer.WantIdle("the window is full")
		require.Len(t, e.pull(t), 100)
		e.peer.Want("an answer now that there is room", wstest.Pong("ping"))
		require.Zero(t, held(), "the message was all that lay in front of the pings")
	})
}

package wsstream_test

import (
	"io"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// TestKeepalivePingsASilentPeer: its pongs keep the connection open.
func TestKeepalivePingsASilentPeer(t *testing.T) {
	const interval = 50 * time.Millisecond
	c := config{PingInterval: interval, PongTimeout: 10 * time.Second}
	onEveryPath(t, c, func(t *testing.T, e *end) {
		start := time.Now()
		for range 5 {
			e.peer.Send(e.wantPing(t))
		}
		took := time.Since(start)
		require.GreaterOrEqual(t, took, 5*interval-20*time.Millisecond) // since before we looked
		if e.mem {
			require.LessOrEqual(t, took, 5*interval)
		}
		require.False(t, ended(e))
	})
}

func TestKeepaliveIsOffByDefault(t *testing.T) {
	inBubble(t, config{PongTimeout: time.Second}, func(t *testing.T, e *end) {
		<-time.After(24 * time.Hour)
		e.peer.WantIdle("no pings unless asked for")
		e.alive(t)
	})
}

func TestKeepalivePingsWhileOneDirectionIsSilent(t *testing.T) {
	for name, say := range map[string]func(t *testing.T, e *end){
		"it alone speaks": func(t *testing.T, e *end) { e.peer.Send(wstest.Text("x")); e.pull(t) },
		"we alone speak": func(t *testing.T, e *end) {
			require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
			e.peer.Want("what we say", wstest.Text("x"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, config{PingInterval: 10 * time.Second}, func(t *testing.T, e *end) {
				start := time.Now()
				for range 9 {
					<-time.After(time.Second)
					say(t, e)
				}
				e.wantPing(t)
				require.Equal(t, 10*time.Second, time.Since(start))
			})
		})
	}
	t.Run("both speak", func(t *testing.T) {
		inBubble(t, config{PingInterval: 10 * time.Second}, func(t *testing.T, e *end) {
			for range 100 {
				<-time.After(5 * time.Second)
				e.alive(t)
			}
			e.peer.WantIdle("no ping")
		})
	})
}

// TestPongTimeoutClosesWith1008: the error names the option.
func TestPongTimeoutClosesWith1008(t *testing.T) {
	const interval, timeout = 50 * time.Millisecond, 100 * time.Millisecond
	onEveryPath(t, config{PingInterval: interval, PongTimeout: timeout}, func(t *testing.T, e *end) {
		pull := goPull(t, e)
		e.wantPing(t)
		pinged := time.Now()
		require.Contains(t, e.peer.WantClose("it did not answer", 1008), "PongTimeout of 100ms")
		if e.mem {
			require.Equal(t, timeout, time.Since(pinged))
		}
		e.peer.Close()
		_, err := e.closed(t)
		unclean(1006, "PongTimeout of 100ms", "1008")(t, e, err)
		theEnd(t, e, (<-pull).err)
	})
}

func TestPongTimeoutAndCloseTimeoutLimitADeadPeer(t *testing.T) {
	c := config{
		PingInterval: 20 * time.Second,
		PongTimeout:  10 * time.Second,
		CloseTimeout: 5 * time.Second,
	}
	inBubble(t, c, func(t *testing.T, e *end) {
		start := time.Now()
		e.net.(*memnet.Conn).Stall(true)
		_, err := e.closed24h(t)
		unclean(1006, "PongTimeout")(t, e, err)
		require.Equal(t, 35*time.Second, time.Since(start))
	})
}

// closed24h is closed for what takes a bubble's time.
func (e *end) closed24h(t *testing.T) (wsstream.CloseInfo, error) {
	t.Helper()
	select {
	case <-e.conn.Closed().Done():
	case <-time.After(24 * time.Hour):
		require.Fail(t, "it has not ended")
	}
	return e.closed(t)
}

func TestPongTimeoutIs20sByDefault(t *testing.T) {
	inBubble(t, config{PingInterval: time.Minute}, func(t *testing.T, e *end) {
		e.wantPing(t)
		pinged := time.Now()
		require.Contains(t, e.peer.WantClose("it did not answer", 1008), "PongTimeout of 20s")
		require.Equal(t, wsstream.DefaultPongTimeout, time.Since(pinged))
	})
}

func TestPongTimeoutOfLessThanZeroIsNone(t *testing.T) {
	const interval, n = 30 * time.Millisecond, 10
	onEveryPath(t, config{PingInterval: interval, PongTimeout: -1}, func(t *testing.T, e *end) {
		start := time.Now()
		for range n {
			e.wantPing(t)
		}
		took := time.Since(start)
		require.GreaterOrEqual(t, took, (n-1)*interval, "once each time")
		if e.mem {
			require.Equal(t, n*interval, took)
		}
		e.peer.Send(wstest.Text("alive?"))
		require.Equal(t, "alive?", e.pull(t))
	})
}

func TestPongTimeoutIsPutOffByAnyByte(t *testing.T) {
	for name, send := range map[string]func(e *end){
		"a message":       func(e *end) { e.peer.Send(wstest.Text("x")) },
		"a ping":          func(e *end) { e.peer.Send(wstest.Ping("x")) },
		"another pong":    func(e *end) { e.peer.Send(wstest.Pong("x")) },
		"half of a frame": func(e *end) { e.peer.SendRaw(e.peer.Encode(wstest.Pong("x"))[:1]) },
	} {
		t.Run(name, func(t *testing.T) {
			c := config{PingInterval: 20 * time.Second, PongTimeout: 10 * time.Second}
			inBubble(t, c, func(t *testing.T, e *end) {
				e.wantPing(t)
				<-time.After(9 * time.Second)
				send(e)
				<-time.After(10 * time.Second)
				require.False(t, ended(e))
				require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("alive")))
			})
		})
	}
}

// TestKeepaliveDoesNotCutAPausedReader: A window that is full, because no call pulls, must not
// cut the connection.
func TestKeepaliveDoesNotCutAPausedReader(t *testing.T) {
	const n = 200
	stalled := func(t *testing.T, e *end) {
		flood := make(chan error, 1)
		go func() {
			for range n - 1 {
				if err := e.peer.Write(wstest.Binary(make([]byte, 1000))); err != nil {
					flood <- err
					return
				}
			}
			flood <- e.peer.Write(wstest.Binary(make([]byte, 1000)))
		}()
		if e.mem {
			<-time.After(24 * time.Hour)
			e.peer.WantIdle("no ping while no call reads")
		} else {
			<-time.After(time.Second)
		}
		require.False(t, ended(e))
		for range n {
			require.Len(t, e.pull(t), 1000)
		}
		require.NoError(t, <-flood)
	}
	inBubble(
		t,
		config{
			ReadWindow:   256,
			Limit:        4 << 10,
			PingInterval: 20 * time.Second,
			PongTimeout:  10 * time.Second,
		},
		stalled,
	)
	for role, client := range map[string]bool{"client": true, "server": false} {
		t.Run("tcp/"+role, func(t *testing.T) {
			t.Parallel()
			c := config{
				ReadWindow:   256,
				Limit:        64 << 10,
				PingInterval: 50 * time.Millisecond,
				PongTimeout:  500 * time.Millisecond,
			}
			stalled(t, overTCP(t, c, client))
		})
	}
}

func TestPongTimeoutRunsOnlyWhileWeRead(t *testing.T) {
	c := config{
		ReadWindow:   256,
		MaxFrameSize: 1 << 10,
		Limit:        4 << 10,
		PingInterval: 20 * time.Second,
		PongTimeout:  10 * time.Second,
	}
	inBubble(t, c, func(t *testing.T, e *end) {
		e.stuff(t, true)
		<-time.After(21 * time.Second) // a ping is due, and stands behind a frame
		e.peer.Send(wstest.Binary(make([]byte, 300)))
		<-time.After(time.Minute) // no call reads
		var pong wstest.Frame
		for pong.Op != wstest.OpPong {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if pong = f; f.Op == wstest.OpPing {
				pong.Op = wstest.OpPong
			}
		}
		e.wantRest(t)
		<-time.After(time.Minute) // the answer would lie in the kernel
		require.False(t, ended(e))
		require.Len(t, e.pull(t), 300)
		<-time.After(9 * time.Second) // of ten that it has
		e.peer.Send(pong)
		e.alive(t)
	})
}

// wantRest reads the rest of a message.
func (e *end) wantRest(t *testing.T) {
	t.Helper()
	for {
		f, err := e.peer.Next()
		require.NoError(t, err)
		if f.Fin && f.Op.IsData() {
			return
		}
	}
}

// TestPongTimeoutStartsOnceThePingHasLeft: A ping behind a large message on a slow line does not
// cut it.
func TestPongTimeoutStartsOnceThePingHasLeft(t *testing.T) {
	c := config{
		MaxFrameSize: -1,
		Limit:        1 << 10,
		PingInterval: 20 * time.Second,
		PongTimeout:  10 * time.Second,
	}
	inBubble(t, c, func(t *testing.T, e *end) {
		const size = 200 << 10 // several pieces of one frame
		start := time.Now()
		e.net.(*memnet.Conn).Drip(200, time.Second)
		wrote := goWrite(t, e, wsstream.Binary(make([]byte, size)))
		f, err := e.peer.Next()
		require.NoError(t, err)
		require.Len(t, f.Payload, size)
		require.Greater(t, time.Since(start), 5*time.Minute)
		e.peer.Send(e.wantPing(t)) // right behind it, and not before
		require.NoError(t, (<-wrote).err)
		<-time.After(15 * time.Second)
		require.False(t, ended(e))
	})
}

func TestKeepalivePingPassesBetweenTheFramesOfAMessage(t *testing.T) {
	c := config{
		WriteWindow:  256,
		MaxFrameSize: 1 << 10,
		Limit:        4 << 10,
		PingInterval: 20 * time.Second,
		PongTimeout:  10 * time.Second,
	}
	inBubble(t, c, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		<-time.After(time.Hour) // the peer reads nothing, and one ping waits
		require.False(t, ended(e))
		data, pings, before := 0, 0, 0
		for data < size {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if f.Op == wstest.OpPing {
				pings, before = pings+1, data
				continue
			}
			data += len(f.Payload)
		}
		require.Equal(t, 1, pings)
		require.Less(t, before, size/2, "it did not wait behind the message")
	})
}

func TestKeepalivePingsInTimeAfterALatePong(t *testing.T) {
	c := config{PingInterval: 10 * time.Second, PongTimeout: time.Hour}
	inBubble(t, c, func(t *testing.T, e *end) {
		pong := e.wantPing(t)
		pinged := time.Now()
		<-time.After(15 * time.Second)
		e.peer.Send(pong)
		e.wantPing(t)
		require.Equal(t, 20*time.Second, time.Since(pinged))
	})
}

// TestKeepaliveStopsOnceAConnCloses: from then on CloseTimeout alone counts.
func TestKeepaliveStopsOnceAConnCloses(t *testing.T) {
	c := config{
		CloseTimeout: time.Hour, WriteStallTimeout: time.Minute, IdleTimeout: time.Minute,
		PingInterval: time.Minute, PongTimeout: time.Minute, Limit: 1 << 10,
	}
	inBubble(t, c, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		<-time.After(59 * time.Minute)
		require.Equal(t, size, e.wantData(t))
		e.peer.Want("our Close", wstest.Close(1000, ""))
		e.peer.Send(wstest.Close(1000, ""))
		e.peer.Close()
		_, err := e.closed(t)
		require.NoError(t, err)
	})
}

func TestKeepaliveSendsNoPingBehindOurClose(t *testing.T) {
	c := config{PingInterval: time.Second, CloseTimeout: time.Hour}
	inBubble(t, c, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		e.peer.Want("our Close", wstest.Close(1000, ""))
		<-time.After(time.Minute)
		e.peer.WantIdle("nothing behind it")
		require.False(t, ended(e))
	})
}

func TestIdleTimeoutClosesWith1001(t *testing.T) {
	const idle = 200 * time.Millisecond
	onEveryPath(t, config{IdleTimeout: idle}, func(t *testing.T, e *end) {
		start := time.Now()
		pull := goPull(t, e)
		require.Contains(t, e.peer.WantClose("nothing was said", 1001), "IdleTimeout of 200ms")
		require.GreaterOrEqual(t, time.Since(start), idle-20*time.Millisecond)
		if e.mem {
			require.LessOrEqual(t, time.Since(start), idle)
		}
		e.peer.Send(wstest.Close(1001, ""))
		e.peer.Close()
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, 1001, info.Code)
		end := (<-pull).err
		told(1001, "")(t, e, end)
		require.ErrorContains(t, end, "IdleTimeout of 200ms")
		require.Equal(t, end, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
	})
}

func TestIdleTimeoutIsPutOffByAnyPartOfAMessage(t *testing.T) {
	for name, say := range map[string]func(t *testing.T, e *end){
		"received":           func(t *testing.T, e *end) { e.peer.Send(wstest.Text("x")); e.pull(t) },
		"received and empty": func(t *testing.T, e *end) { e.peer.Send(wstest.Text("")); e.pull(t) },
		"received and dropped": func(_ *testing.T, e *end) {
			e.conn.Readable().Discard()
			e.peer.Send(wstest.Text("x"))
		},
		"sent": func(t *testing.T, e *end) {
			require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("")))
		},
		"received a part": part(wstest.Text("x").Part()),
		"received a part of a large frame": func(t *testing.T, e *end) {
			if e.part++; e.part == 1 {
				go func() { _, _ = e.conn.Readable().Pull(t.Context()) }()
				e.peer.SendRaw(e.peer.EncodeHeader(wstest.Binary(nil), 500<<10))
			}
			e.peer.SendRaw(make([]byte, 40<<10))
		},
		"received a part of many": part(wstest.Text("").Part(), wstest.Cont([]byte("x"), false)),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, config{IdleTimeout: time.Minute}, func(t *testing.T, e *end) {
				for range 10 {
					<-time.After(59 * time.Second)
					say(t, e)
				}
				said := time.Now()
				e.wantIdleEnd(t, said, time.Minute)
			})
		})
	}
}

// part sends what begins a message, and then a byte of it each time, to a Pull that waits.
func part(begin ...wstest.Frame) func(t *testing.T, e *end) {
	return func(t *testing.T, e *end) {
		if e.part++; e.part == 1 {
			go func() { _, _ = e.conn.Readable().Pull(t.Context()) }()
			e.peer.Send(begin...)
		} else {
			e.peer.Send(wstest.Cont([]byte("y"), false))
		}
	}
}

// wantIdleEnd waits for us to close, so long after the connection was last in use. (A pull is noted
// when the reading goes on behind it: 10 ms later where no call pulls again.)
func (e *end) wantIdleEnd(t *testing.T, used time.Time, idle time.Duration) {
	t.Helper()
	select {
	case <-e.conn.Writable().Done():
	case <-time.After(24 * time.Hour):
		require.Fail(t, "it was never idle")
	}
	require.WithinRange(t, time.Now(), used.Add(idle), used.Add(idle+10*time.Millisecond))
}

func TestIdleTimeoutIsNotPutOffByPings(t *testing.T) {
	c := config{IdleTimeout: time.Minute, PingInterval: 7 * time.Second}
	inBubble(t, c, func(t *testing.T, e *end) {
		start := time.Now()
		for {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if f.Op == wstest.OpClose {
				break
			}
			if f.Op == wstest.OpPing {
				f.Op = wstest.OpPong
				e.peer.Send(f, wstest.Ping("yours"))
			}
		}
		require.WithinRange(t, time.Now(), start.Add(time.Minute),
			start.Add(time.Minute+10*time.Millisecond))
	})
}

func TestIdleTimeoutWaitsForUnreadAndUnsentData(t *testing.T) {
	for name, hold := range map[string]func(t *testing.T, e *end) (release func()){
		"unread": func(t *testing.T, e *end) func() {
			e.peer.Send(wstest.Text("unread"))
			return func() { require.Equal(t, "unread", e.pull(t)) }
		},
		"a full window unread": func(t *testing.T, e *end) func() {
			e.peer.Send(wstest.Binary(make([]byte, 300)))
			return func() { require.Len(t, e.pull(t), 300) }
		},
		"unsent": func(t *testing.T, e *end) func() {
			size := e.stuff(t, true)
			return func() { require.Equal(t, size, e.wantData(t)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := config{ReadWindow: 256, Limit: 1 << 10, IdleTimeout: time.Minute}
			inBubble(t, c, func(t *testing.T, e *end) {
				<-time.After(30 * time.Second)
				release := hold(t, e)
				<-time.After(time.Hour)
				require.False(t, ended(e))
				release()
				released := time.Now()
				e.wantIdleEnd(t, released, time.Minute)
			})
		})
	}
}

// TestWriteStallTimeoutCutsAPeerThatTakesNothing: the error names the option.
func TestWriteStallTimeoutCutsAPeerThatTakesNothing(t *testing.T) {
	const stall = 400 * time.Millisecond
	c := config{Limit: 4 << 10, WriteStallTimeout: stall, CloseTimeout: 100 * time.Millisecond}
	onEveryPath(t, c, func(t *testing.T, e *end) {
		start := time.Now()
		write := goWrite(t, e, wsstream.Binary(make([]byte, 8<<20)))
		_, err := e.closed(t)
		unclean(1006, "WriteStallTimeout of 400ms", "1008")(t, e, err)
		took := time.Since(start)
		require.GreaterOrEqual(t, took, stall+100*time.Millisecond)
		if e.mem {
			require.Equal(t, stall+100*time.Millisecond, took)
		}
		theEnd(t, e, (<-write).err)
	})
}

func TestWriteStallTimeoutStartsWithTheFirstByteNotTaken(t *testing.T) {
	const limit = 1 << 10
	c := config{Limit: limit, WriteStallTimeout: time.Minute, CloseTimeout: time.Second}
	inBubble(t, c, func(t *testing.T, e *end) {
		header := 4
		if e.client {
			header = 8
		}
		require.NoError(t,
			e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, limit-header))))
		<-time.After(time.Hour) // the transport is full, and nothing waits
		require.False(t, ended(e))
		start := time.Now()
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
		_, err := e.closed24h(t)
		unclean(1006, "WriteStallTimeout")(t, e, err)
		require.Equal(t, time.Minute+time.Second, time.Since(start))
	})
}

func TestWriteStallTimeoutIsToldToAPeerThatComesBack(t *testing.T) {
	c := config{Limit: 4 << 10, MaxFrameSize: 1 << 10, WriteStallTimeout: time.Minute}
	inBubble(t, c, func(t *testing.T, e *end) {
		e.stuff(t, true)
		<-time.After(time.Minute + time.Second)
		e.wantFailure(t, 1008)
	})
}

func TestWriteStallTimeoutDoesNotCutASlowPeer(t *testing.T) {
	inBubble(t, config{Limit: 256, WriteStallTimeout: time.Minute}, func(t *testing.T, e *end) {
		const size = 1 << 20
		e.net.(*memnet.Conn).Drip(75, time.Second) // a little more than 4 KiB a minute
		write := goErr(func() error {
			return e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, size)))
		})
		require.Equal(t, size, e.readSlowly(t))
		require.NoError(t, (<-write).err)
		require.False(t, ended(e))
	})
}

// readSlowly reads one message of ours, however long that takes, and returns its length.
func (e *end) readSlowly(t *testing.T) (size int) {
	t.Helper()
	for {
		h, err := ws.ReadHeader(e.far)
		require.NoError(t, err)
		n, err := io.CopyN(io.Discard, e.far, h.Length)
		require.NoError(t, err)
		if size += int(n); h.Fin {
			return size
		}
	}
}

func TestWriteStallTimeoutNeedsSomethingToSend(t *testing.T) {
	inBubble(t, config{WriteStallTimeout: time.Second, IdleTimeout: -1}, func(t *testing.T, e *end) {
		for range 10 {
			<-time.After(time.Hour)
			e.alive(t)
		}
	})
}

func TestWriteStallTimeoutIgnoresAFullReadWindow(t *testing.T) {
	c := config{ReadWindow: 256, Limit: 256, WriteStallTimeout: time.Second}
	inBubble(t, c, func(t *testing.T, e *end) {
		flood := make(chan error, 1)
		go func() { flood <- e.peer.Write(wstest.Binary(make([]byte, 10_000))) }()
		<-time.After(24 * time.Hour)
		require.Len(t, e.pull(t), 10_000)
		require.NoError(t, <-flood)
	})
}

// TestKeepaliveTimeoutsAreOffByDefault: without the options a stall may last for ten days.
func TestKeepaliveTimeoutsAreOffByDefault(t *testing.T) {
	inBubble(t, config{Limit: 256}, func(t *testing.T, e *end) {
		write := goErr(func() error {
			return e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 1<<20)))
		})
		<-time.After(240 * time.Hour)
		require.Equal(t, 1<<20, e.wantData(t))
		require.NoError(t, (<-write).err)
	})
}

// TestReadStallTimeoutClosesWith1008: nothing is pulled from a full ReadWindow.
func TestReadStallTimeoutClosesWith1008(t *testing.T) {
	const limit = 200 * time.Millisecond
	c := config{ReadWindow: 1000, ReadStallTimeout: limit, CloseTimeout: 50 * time.Millisecond}
	onEveryPath(t, c, func(t *testing.T, e *end) {
		start := time.Now()
		flooded := flood(e, 3, 800)
		_, err := e.closed(t)
		unclean(1006, "ReadStallTimeout of 200ms", "1008")(t, e, err)
		require.GreaterOrEqual(t, time.Since(start), limit)
		if e.mem {
			require.Less(t, time.Since(start), limit+100*time.Millisecond)
		}
		<-flooded
	})
}

func TestReadStallTimeoutIsPutOffByPulls(t *testing.T) {
	const n = 50
	for name, pull := range map[string]func(t *testing.T, e *end){
		"Pull": func(t *testing.T, e *end) { require.Len(t, e.pull(t), 400) },
		"a MessageReader": func(t *testing.T, e *end) {
			m, err := e.conn.Readable().NextMessage(t.Context())
			require.NoError(t, err)
			for range 4 { // each puts it off
				<-time.After(40 * time.Second)
				_, err = io.ReadFull(m, make([]byte, 100))
				require.NoError(t, err)
			}
			_, err = m.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := config{ReadWindow: 1000, Limit: 100, ReadStallTimeout: time.Minute}
			inBubble(t, c, func(t *testing.T, e *end) {
				flooded := flood(e, n, 400)
				for range n {
					<-time.After(50 * time.Second)
					require.Equal(t, int64(0), e.conn.Stats().Sent.Messages)
					pull(t, e)
				}
				require.NoError(t, <-flooded)
				<-time.After(time.Hour)
				require.False(t, ended(e), "an empty window is no stall")
			})
		})
	}
	c := config{ReadWindow: 1000, Limit: 100, ReadStallTimeout: time.Minute}
	inBubble(t, c, func(t *testing.T, e *end) {
		go flood(e, n, 400)
		for range 100 {
			<-time.After(time.Second)
			e.conn.Stats() // pulls nothing
		}
		require.True(t, ended(e))
	})
}

package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
	"github.com/wsstream/wsstream/internal/latch"
)

// Interleavings that no stress finds for sure: each test stands where one call has come to, and
// lets another pass.

var errClosed = errors.New("closed")

// A testOwner takes no note of anything.
type testOwner struct{}

func (testOwner) Ended(CloseInfo, error, error) {}
func (testOwner) Owns(context.Context) bool     { return false }

var testErrors = Errors{
	Closed:  errClosed,
	Busy:    errors.New("busy"),
	Unclean: func(_ CloseInfo, err error) error { return err },
	Coded:   func(_ CloseInfo, err error) error { return err },
}

// forced runs f in a bubble with a client's Conn that has got input, and with the peer's end of its
// transport.
func forced(t *testing.T, input []byte, f func(t *testing.T, c *Conn, peer net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := New(near, Config{
			Client:      true,
			ReadWindow:  256,
			WriteWindow: 256,
			Errors:      &testErrors,
			Owner:       testOwner{},
			Ends:        new(Ends),
		})
		t.Cleanup(func() {
			c.CloseNow()
			<-c.Done()
			_ = far.Close()
		})
		c.Start(input)
		f(t, c, far)
	})
}

// neverIdle has no tick start the background reader of c.
func neverIdle(t *testing.T, c *Conn) {
	require.NoError(t, c.lockRead(t.Context()))
	defer c.unlockRead()
	if tick := c.background.timer.Load(); tick != nil && !tick.Stop() {
		for c.background.armed.Load() { // it has come, and found the gate held
			runtime.Gosched()
		}
	}
	c.background.armed.Store(true)
}

// begun has a Reader read the first byte of the next message.
func begun(t *testing.T, c *Conn) *Reader {
	t.Helper()
	r := new(Reader)
	require.NoError(t, c.Next(t.Context(), r))
	_, err := io.ReadFull(r, make([]byte, 1))
	require.NoError(t, err)
	return r
}

func TestAPullThatComesInTheMiddleOfACloseGetsNoTail(t *testing.T) {
	forced(t, []byte("\x81\x03abc\x81\x01z"), func(t *testing.T, c *Conn, _ net.Conn) {
		r := begun(t, c)
		r.closed.Store(true) // so far Close has come
		c.reads.skipped.Store(r.nth)
		_, data, err := c.Pull(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, "z", string(data))
	})
}

func TestACloseThatMeetsTheEndOfItsMessageSkipsNoOther(t *testing.T) {
	forced(t, []byte("\x81\x01a\x81\x01y\x81\x01z"), func(t *testing.T, c *Conn, _ net.Conn) {
		r := begun(t, c)
		require.NoError(t, c.lockRead(t.Context()))
		_, whole := r.take(make([]byte, 1)) // so far Read has come
		require.True(t, whole)
		require.NoError(t, r.Close())
		c.unlockRead()
		_, data, err := c.Pull(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, "y", string(data))
	})
}

func TestACloseReachesAReadThatIsAboutToPark(t *testing.T) {
	forced(t, []byte("\x81\x03a"), func(t *testing.T, c *Conn, _ net.Conn) {
		r := begun(t, c)
		require.NoError(t, c.lockRead(t.Context()))
		n, whole := r.take(make([]byte, 1)) // so far Read has come
		require.Zero(t, n)
		require.False(t, whole)
		require.NoError(t, r.Close())
		back := make(chan error, 1)
		go func() {
			defer c.unlockRead()
			_, err := c.waitForInput(t.Context(), nil)
			back <- err
		}()
		synctest.Wait()
		require.Len(t, back, 1, "it waits for the peer")
		require.NoError(t, <-back)
	})
}

func TestADiscardThatMeetsAHeldReadGateIsSeenToWhenItIsGivenUp(t *testing.T) {
	full := append([]byte{0x82, 126, 1, 0}, make([]byte, 256)...)
	forced(t, full, func(t *testing.T, c *Conn, peer net.Conn) {
		require.NoError(t, c.lockRead(t.Context()))
		require.False(t, c.wantsInput(), "the window is full")
		c.Discard()
		c.unlockRead()
		start := time.Now()
		_, err := peer.Write(ws.MustCompileFrame(ws.NewPingFrame(nil)))
		require.NoError(t, err)
		h, err := ws.ReadHeader(peer)
		require.NoError(t, err)
		require.Equal(t, ws.OpPong, h.OpCode)
		require.Zero(t, time.Since(start), "it took the idle timer")
	})
}

func TestAPullThatGetsItsTurnAfterACancelGetsNoMessage(t *testing.T) {
	forced(t, []byte("\x81\x02ab\x81\x02cd"), func(t *testing.T, c *Conn, _ net.Conn) {
		require.True(t, c.readGate.TryLock(), "somebody else has the turn")
		c.Cancel(CloseInfo{})
		var data []byte
		var err error
		go func() { _, data, err = c.Pull(t.Context(), nil) }() // ends with the wait for the turn
		synctest.Wait()
		c.unlockRead()
		synctest.Wait()
		require.Equal(t, io.EOF, err)
		require.Empty(t, data)
	})
}

func TestAMessageThatIsNotAdmittedIsNotOwed(t *testing.T) {
	forced(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
		require.NoError(t, c.writeWindow.Take(t.Context(), 10)) // so far a Write has come
		c.peerClosed(CloseInfo{Code: 1000}, false)
		require.False(t, c.admit(&piece{op: ws.OpBinary, rest: make([]byte, 4), fin: true}, 10))
		require.Equal(t, 256, c.writeWindow.Credit())
		require.NoError(t, c.writeEnd(), "our answer has not left")
		go func() { _, _ = io.Copy(io.Discard, peer) }() // ends with peer
		<-c.end.streams.Write.Done()
		require.Equal(t, errClosed, c.writeEnd(), "nothing stands in the way of an end in order")
		c.CloseNow()
		<-c.Done()
		err := c.End()
		require.NoError(t, err)
	})
}

func TestTheMasksPhaseDoesNotGrow(t *testing.T) {
	// An int of 32 bits would wrap around in the middle of a frame of 2 GiB.
	in := inbox{state: ws.StateServerSide}
	feed(t, &in, ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame(make([]byte, 100)))), 100)
	require.True(t, in.toPayload())
	for in.left > 0 {
		got, err := in.takePayload(nil, 7)
		require.NoError(t, err)
		require.Equal(t, make([]byte, len(got)), got)
		require.Less(t, in.mask.phase, uint8(4))
	}
}

func TestATimerThatTheReaderNeedsIsNotPutOffForTheKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := New(near, Config{
			PingInterval: time.Hour, Errors: &testErrors, Owner: testOwner{},
			Ends: new(Ends),
		})
		defer func() {
			c.CloseNow()
			<-c.Done()
			_ = far.Close()
		}()
		c.background.timer.Load().Stop() // so far unlockRead has come: it has armed the timer
		c.background.armed.Store(true)
		c.readGate.Unlock()
		c.mu.Lock()
		c.dueByLocked(time.Now().Add(time.Minute))
		c.mu.Unlock()
		<-time.After(idleWait)
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		require.Equal(t, inBackground, c.wait.kind)
	})
}

func TestWithoutOptionsThereIsNoKeepalive(t *testing.T) {
	require.Nil(t, newKeepalive(nil, &Config{PongTimeout: time.Second}))
	require.Nil(t, newKeepalive(nil, &Config{PingInterval: -1, IdleTimeout: -1, StallTimeout: -1}))
}

func TestStatsAskedForBeforeTheStartDoNotWait(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := New(near, Config{Owner: testOwner{}, Errors: &testErrors,
		Ends: new(Ends)})
	received, _ := c.Stats()
	require.Zero(t, received.Messages)
	c.Start(nil)
	c.CloseNow()
	<-c.Done()
}

func TestAHookMayAskForWhatWasReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		var c *Conn
		var told tally
		cfg := Config{
			ReadWindow: 256, WriteWindow: 256, Client: true, Errors: &testErrors, Owner: testOwner{},
			Ends: new(Ends),
		}
		cfg.Hooks = &Hooks{OnPong: func([]byte) {
			c.mu.Lock()
			held := c.wait.kind == notWaiting && !c.wait.inHook // then it would ask for ever
			c.mu.Unlock()
			require.False(t, held)
			told = c.receivedSoFar()
		}}
		c = New(near, cfg)
		defer func() {
			c.CloseNow()
			<-c.Done()
			_ = far.Close()
		}()
		c.Start([]byte("\x81\x01a"))
		_, _, err := c.Pull(t.Context(), nil)
		require.NoError(t, err)
		_, err = far.Write([]byte("\x8a\x00\x81\x01b"))
		require.NoError(t, err)
		_, _, err = c.Pull(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, int64(1), told.messages)
		require.False(t, c.wait.inHook)
	})
}

func TestPongsReplaceEachOtherWhileTheFlusherIsOnItsWay(t *testing.T) {
	forced(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, peer) }()
		c.mu.Lock()
		c.send.flusher = true // so far the start of a flusher has come
		c.mu.Unlock()
		wrote, err := c.TryWrite(ws.OpBinary, make([]byte, batch), false)
		require.NoError(t, err)
		require.True(t, wrote)
		for range 3 {
			c.answerPing(nil)
		}
		c.mu.Lock()
		chunks := 0
		for x := c.send.out.head; x != nil; x = x.next {
			chunks++
		}
		c.mu.Unlock()
		require.Equal(t, 1, chunks, "no pong has overtaken the message yet")
		c.flush()
	})
}

func TestAReaderKeepsNoMemoryOfWhatAPullHadAssembled(t *testing.T) {
	forced(t, []byte("\x81\x03ab"), func(t *testing.T, c *Conn, peer net.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		pulled := make(chan error, 1)
		go func() {
			_, _, err := c.Pull(ctx, nil)
			pulled <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-pulled, context.Canceled)
		require.Equal(t, "ab", string(c.recv.assembled))
		r := new(Reader)
		require.NoError(t, c.Next(t.Context(), r))
		_, err := io.ReadFull(r, make([]byte, 2))
		require.NoError(t, err)
		require.Nil(t, c.recv.assembled)
		_, err = peer.Write([]byte("c"))
		require.NoError(t, err)
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "c", string(rest))
	})
}

// cutInABlock is a compressed message, its frame's header included, that ends inside a block: 'a',
// 258 copies of it, and no end. All of its input is in the inflater before all of its output is
// out.
func cutInABlock() []byte {
	var bits uint64
	for i, bit := range "0" + "10" + "10010001" + "11000101" + "00000" {
		bits |= uint64(bit-'0') << i
	}
	return []byte{0xc2, 3, byte(bits), byte(bits >> 8), byte(bits >> 16)}
}

// What looks at the input may find that a rule is broken, and then takes mu. So nothing that holds
// mu looks at it.
func TestWhatHoldsMuLooksAtNoInput(t *testing.T) {
	withMu := map[string]func(c *Conn){
		"Close":    func(c *Conn) { c.Close(CloseInfo{Code: 1000}) },
		"Abort":    func(c *Conn) { c.Abort(CloseInfo{}, errClosed) },
		"Cancel":   func(c *Conn) { c.Cancel(CloseInfo{}) },
		"Discard":  func(c *Conn) { c.Discard() },
		"CloseNow": func(c *Conn) { c.CloseNow() },
		"Ping": func(c *Conn) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			_, _ = c.Ping(ctx)
		},
		"a write's error": func(c *Conn) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.outputFailedLocked(errClosed)
		},
		"a time that is over": func(c *Conn) { c.tooLate() },
		"wake": func(c *Conn) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.requestReader()
		},
		"Reader.Close":  func(c *Conn) { _ = (&Reader{c: c, nth: c.reads.current.Load()}).Close() },
		"Stats":         func(c *Conn) { c.Stats() },
		"the idle tick": func(c *Conn) { c.timerFired() },
	}
	for name, call := range withMu {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			go func() { _, _ = io.Copy(io.Discard, far) }() // ends with far
			c := New(near, Config{
				Client:       true,
				ReadWindow:   1 << 16,
				WriteWindow:  1 << 16,
				MaxMessage:   1 << 20,
				CloseTimeout: time.Second,
				Deflate:      &Deflate{Ours: deflate.Sender{Bits: 15}, Peer: deflate.Sender{Bits: 15}},
				Errors:       &testErrors,
				Owner:        testOwner{},
				Ends:         new(Ends),
			})
			c.Start(cutInABlock())
			r := begun(t, c)
			r.closed.Store(
				true,
			) // so far Close has come: what is left of the message is to be skipped, and fails
			c.reads.skipped.Store(r.nth)
			done := make(chan struct{})
			go func() { // ends with the calls
				defer close(done)
				call(c)
				c.CloseNow()
				<-c.Done()
			}()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatal("a goroutine waits for mu, which it holds")
			}
		})
	}
}

func TestWhatWasAssembledOfAMessageIsSkippedWithIt(t *testing.T) {
	for name, next := range map[string]func(c *Conn) (string, error){
		"Pull": func(c *Conn) (string, error) {
			_, data, err := c.Pull(context.Background(), nil)
			return string(data), err
		},
		"Next": func(c *Conn) (string, error) {
			r := new(Reader)
			if err := c.Next(context.Background(), r); err != nil {
				return "", err
			}
			data, err := io.ReadAll(r)
			return string(data), err
		},
	} {
		for _, last := range []string{"\x80\x00", "\x80\x03END"} {
			t.Run(name, func(t *testing.T) {
				forced(t, []byte("\x02\x04SKIP\x00\x03PED"), func(t *testing.T, c *Conn, peer net.Conn) {
					for range 2 { // the second assembles nothing more
						ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
						defer cancel()
						_, _, err := c.Pull(ctx, nil)
						require.ErrorIs(t, err, context.DeadlineExceeded)
						require.Equal(t, "SKIPPED", string(c.recv.assembled))
					}
					r := new(Reader)
					require.NoError(t, c.Next(t.Context(), r))
					r.closed.Store(true) // so far Close has come when another call reads
					c.reads.skipped.Store(r.nth)
					var data string
					var err error
					go func() { data, err = next(c) }() // ends with the message
					synctest.Wait()
					_, werr := peer.Write([]byte(last + "\x02\x02ne\x80\x02xt"))
					require.NoError(t, werr)
					synctest.Wait()
					require.NoError(t, err)
					require.Equal(t, "next", data)
				})
			})
		}
	}
}

func TestStatsWaitForARunningPullAndDoNotSpin(t *testing.T) {
	for name, goesOn := range map[string]func(t *testing.T, c *Conn){
		"it gives the gate up": func(_ *testing.T, c *Conn) { c.unlockRead() },
		"it waits for the transport": func(t *testing.T, c *Conn) {
			go func() { // ends with the connection
				defer c.unlockRead()
				_, _ = c.waitForInput(t.Context(), nil)
			}()
		},
		"it waits for the end": func(t *testing.T, c *Conn) {
			go func() { // ends with the connection
				defer c.unlockRead()
				_ = c.awaitEnd(t.Context())
			}()
		},
		"the background reader takes over":   func(_ *testing.T, c *Conn) { go c.runBackground() },
		"the background reader has no cause": func(_ *testing.T, c *Conn) { c.recv.eof = true; c.readInBackground() },
		"another pull has the turn": func(t *testing.T, c *Conn) {
			go func() { _, _, _ = c.Pull(t.Context(), nil) }() // ends with the connection
			synctest.Wait()
			c.unlockRead()
		},
		"it tells a hook": func(t *testing.T, c *Conn) {
			told := make(chan struct{})
			c.hooks = &Hooks{OnPing: func([]byte) { <-told }}
			go func() { // ends when it is told
				c.callHook(control{op: ws.OpPing})
				c.unlockRead()
			}()
			synctest.Wait()
			t.Cleanup(func() { close(told) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			forced(t, nil, func(t *testing.T, c *Conn, _ net.Conn) {
				require.NoError(t, c.lockRead(t.Context()))
				c.recv.received.add(7) // so far a Pull has come
				told := make(chan Flow, 10)
				for range cap(told) {
					go func() { // ends with the answer
						received, _ := c.Stats()
						told <- received
					}()
				}
				synctest.Wait() // never returns while one spins
				require.Empty(t, told)
				start := time.Now()
				goesOn(t, c)
				for range cap(told) {
					require.EqualValues(t, 7, (<-told).Bytes)
				}
				require.Zero(t, time.Since(start))
				require.Nil(t, c.reads.statsAsked.Load())
			})
		})
	}
}

func TestAWakeThatMeetsTheAnswerToStatsIsNotLost(t *testing.T) {
	near, far := net.Pipe() // in no bubble: a goroutine that waits for mu would stop it
	defer far.Close()
	c := New(near, Config{ReadWindow: 256, Errors: &testErrors, Owner: testOwner{}, Ends: new(Ends)})
	c.Start(nil)
	defer func() {
		c.CloseNow()
		<-c.Done()
	}()
	neverIdle(t, c)
	c.reads.statsAsked.Store(new(latch.Latch))
	c.mu.Lock()
	go c.answerStats() // it waits for mu, with the gate
	for c.readGate.Free() {
		runtime.Gosched()
	}
	c.requestReader()
	c.mu.Unlock()
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.wait.kind == inBackground
	}, 10*time.Second, time.Millisecond)
}

// A late context ends when the connection's end is known to pulls, and before they look at it
// again.
type late struct {
	context.Context
	c *Conn
}

func (l late) Err() error {
	if l.c.reads.final.Load() != nil {
		return context.Canceled
	}
	return nil
}

func TestAMessageThatTheEndCutsIsNotWholeToAReadWhoseContextEndsThen(t *testing.T) {
	forced(t, []byte("\x01\x03abc\x88\x00"), func(t *testing.T, c *Conn, peer net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, peer) }() // ends with the connection
		r := new(Reader)
		require.NoError(t, c.Next(late{t.Context(), c}, r))
		n, err := r.Read(make([]byte, 3))
		require.NoError(t, err)
		require.Equal(t, 3, n)
		_, err = r.Read(make([]byte, 1))
		require.Error(t, err)
		require.NotEqual(t, io.EOF, err, "the message looks whole")
	})
}

func TestNothingIsHeldAfterTheEndOfWhatCanNeverBePulled(t *testing.T) {
	pull := func(t *testing.T, c *Conn) {
		_, _, err := c.Pull(t.Context(), nil)
		require.Error(t, err)
	}
	for name, test := range map[string]struct {
		input string
		end   func(t *testing.T, c *Conn)
	}{
		"half a header":              {"\x81", pull},
		"half a long header":         {"\x82\x7e\x01", pull},
		"half a control frame":       {"\x89\x02a", pull},
		"half a message":             {"\x81\x03ab", pull},
		"a message without an end":   {"\x01\x02ab\x00\x02cd", pull},
		"half a header, cut by us":   {"\x81", func(_ *testing.T, c *Conn) { c.CloseNow() }},
		"half a message, cut by us":  {"\x81\x03ab", func(_ *testing.T, c *Conn) { c.CloseNow() }},
		"half a message, discarded":  {"\x81\x03ab", func(_ *testing.T, c *Conn) { c.Discard() }},
		"half a header, and nothing": {"\x81", func(*testing.T, *Conn) {}},
		"what a Pull had assembled": {"\x01\x02ab", func(t *testing.T, c *Conn) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, _, err := c.Pull(ctx, nil)
			require.Equal(t, context.DeadlineExceeded, err)
			pull(t, c)
		}},
		"what a Pull has assembled whose context ends then": {"\x01\x02ab", func(t *testing.T, c *Conn) {
			_, _, err := c.Pull(late{t.Context(), c}, nil)
			require.Error(t, err)
		}},
		"what a Reader has begun": {"\x01\x02ab", func(t *testing.T, c *Conn) {
			r := begun(t, c)
			_, err := io.ReadAll(r)
			require.Error(t, err)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			forced(t, []byte(test.input), func(t *testing.T, c *Conn, peer net.Conn) {
				go func() { _, _ = io.Copy(io.Discard, peer) }() // ends with the connection
				time.AfterFunc(time.Second, func() { _ = peer.Close() })
				test.end(t, c)
				<-c.Done()
				synctest.Wait()
				received, _ := c.Stats()
				require.Zero(t, received.Held)
				require.Nil(t, c.recv.in.head, "it holds a chunk")
			})
		})
	}
}

func TestAWriteThatWasAcceptedIsCountedThoughTheTransportStuckInIt(t *testing.T) {
	forced(t, nil, func(t *testing.T, c *Conn, _ net.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		written := make(chan error)
		go func() { written <- c.Write(ctx, ws.OpBinary, make([]byte, 3*maxPiece), false) }()
		synctest.Wait()
		c.mu.Lock()
		c.outputFailedLocked(errors.New("it takes nothing"))
		c.mu.Unlock()
		cancel()
		require.NoError(t, <-written)
		_, sent := c.Stats()
		require.EqualValues(t, 1, sent.Messages)
		require.EqualValues(t, 3*maxPiece, sent.Bytes)
	})
}

func TestTheAnswerToWhatIsGoodIsNotDroppedForABreach(t *testing.T) {
	c, far := socketPair(t, Config{}, 0)
	neverIdle(t, c) // so that this goroutine may be slow
	_, err := far.Write([]byte("\x81\x84\x00\x00\x00\x00good" + "\x83\x80\x00\x00\x00\x00"))
	require.NoError(t, err)
	_, data, err := c.Pull(t.Context(), nil)
	require.NoError(t, err)
	for range 3 { // the second is gathered: so far the flusher's start has come
		require.NoError(t, c.Write(t.Context(), ws.OpText, data, false))
	}
	go func() { _, _, _ = c.Pull(t.Context(), nil) }() // ends with the connection
	for range 3 {
		f := readFrame(t, far)
		require.Equal(t, "good", string(f.Payload))
	}
	f := readFrame(t, far)
	require.Equal(t, ws.OpClose, f.Header.OpCode)
}

// readFrame reads a frame that must come.
func readFrame(t *testing.T, far io.Reader) ws.Frame {
	t.Helper()
	h, err := ws.ReadHeader(far)
	require.NoError(t, err)
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	_, err = io.ReadFull(far, f.Payload)
	require.NoError(t, err)
	return f
}

func TestAPullThatWaitedThroughTheEndDropsHalfAHeader(t *testing.T) {
	forced(t, []byte("\x81"), func(t *testing.T, c *Conn, _ net.Conn) {
		require.NoError(t, c.lockRead(t.Context()))
		pulled := make(chan error)
		go func() {
			_, _, err := c.Pull(t.Context(), nil)
			pulled <- err
		}()
		synctest.Wait()
		c.CloseNow()
		c.background.requested.Store(false) // a background reader has come, and has made way for the Pull
		c.background.armed.Store(true)      // the end has stopped the timer
		c.unlockRead()
		require.Error(t, <-pulled)
		received, _ := c.Stats()
		require.Zero(t, received.Held)
	})
}

func TestAMachineThatStoodStillCutsNoConnection(t *testing.T) {
	forced(t, nil, func(t *testing.T, c *Conn, _ net.Conn) {
		go func() { _, _, _ = c.Pull(t.Context(), nil) }() // ends with the connection
		synctest.Wait()
		c.mu.Lock()
		c.wait.recalled = true // and it has not yet come back
		c.wait.recalls++
		nth := c.wait.recalls
		c.mu.Unlock()
		c.checkBack(nth, 1) // the look comes before the goroutine does
		require.False(t, c.end.done.Closed())
		c.checkBack(nth, 0)
		<-c.Done()
	})
}

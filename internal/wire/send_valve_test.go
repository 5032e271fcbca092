//go:build unix

package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// A valve is a transport with a prompt, in memory, that takes what it is told to, to the byte.
type valve struct {
	net.Conn        // nil: what is not below is not called
	onRecall func() // called once, by who has been brought back from a wait, before the Conn knows; nil for none

	mu     sync.Mutex
	moved  sync.Cond
	room   int // bytes that it takes
	closed bool
	poked  [2]bool // the deadline of reads, and of writes, is in the past
	wire   []byte
}

// valved returns a server's Conn on a valve that is shut.
func valved(t *testing.T, cfg Config) (*Conn, *valve) {
	v := &valve{}
	v.moved.L = &v.mu
	cfg.WriteWindow, cfg.ReadWindow, cfg.MaxFrame = 64<<10, 64<<10, 64<<10
	cfg.Errors, cfg.Ends = &testErrors, new(Ends)
	cfg.Owner = testOwner{}
	c := New(v, cfg)
	c.pollable, c.nonblocking = v, v
	c.Start(nil)
	t.Cleanup(c.CloseNow)
	return c, v
}

// let lets n more bytes through, and returns all that came so far once nobody moves any more.
func (v *valve) let(n int) []byte {
	v.set(func() { v.room += n })
	synctest.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.wire
}

func (v *valve) set(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
	v.moved.Broadcast()
}

func (v *valve) read([]byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for !v.closed && !v.poked[0] {
		v.moved.Wait()
	}
	if v.poked[0] {
		return 0, os.ErrDeadlineExceeded
	}
	return 0, io.EOF
}

func (v *valve) write(first, last *chunk, wait bool) (n int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for wait && v.room == 0 && !v.closed && !v.poked[1] {
		v.moved.Wait()
	}
	switch {
	case v.closed:
		return 0, net.ErrClosed
	case v.poked[1]:
		if f := v.onRecall; f != nil {
			v.onRecall = nil
			v.mu.Unlock()
			f()
			v.mu.Lock()
		}
		return 0, os.ErrDeadlineExceeded
	}
	for c := first; ; c = c.next {
		b := c.buf[c.taken:]
		b = b[:min(len(b), v.room)]
		v.wire = append(v.wire, b...)
		v.room -= len(b)
		if n += len(b); c == last {
			return n, nil
		}
	}
}

func (v *valve) SetReadDeadline(t time.Time) error {
	v.set(func() { v.poked[0] = !t.IsZero() })
	return nil
}

func (v *valve) SetWriteDeadline(t time.Time) error {
	v.set(func() { v.poked[1] = !t.IsZero() })
	return nil
}

func (v *valve) SetDeadline(time.Time) error { return nil }

func (v *valve) Close() error {
	v.set(func() { v.closed = true })
	return nil
}

const all = 1 << 30

func TestWhoWaitsForRoomComesBackAtOnce(t *testing.T) {
	const size = 3 << 20
	for name, test := range map[string]struct {
		event  func(c *Conn, cancel func())
		wrote  bool      // the Write has returned
		second ws.OpCode // of the frames that leave then
	}{
		"for its context":    {func(_ *Conn, cancel func()) { cancel() }, true, ws.OpContinuation},
		"for Close":          {func(c *Conn, _ func()) { c.Close(CloseInfo{}) }, true, ws.OpContinuation},
		"for a pong":         {func(c *Conn, _ func()) { c.answerPing([]byte("p")) }, false, ws.OpPong},
		"for a ping of ours": {func(c *Conn, _ func()) { go c.Ping(context.Background()) }, false, ws.OpPing},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, v := valved(t, Config{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				data := pattern(size, 0)
				wrote := goWrite(ctx, c, data)
				v.let(100)
				require.Equal(t, onCall, c.send.stalled().kind)
				test.event(c, cancel)
				synctest.Wait()
				require.False(t, v.poked[1], "no deadline stands")
				require.Equal(t, test.wrote, len(wrote) == 1)
				got := frames(t, v.let(all))
				require.Equal(t, test.second, got[1].Header.OpCode)
				require.NoError(t, <-wrote)
				var sent []byte
				for _, f := range got {
					if !f.Header.OpCode.IsControl() {
						sent = append(sent, f.Payload...)
					}
				}
				require.True(t, bytes.Equal(data, sent))
				held, _, _ := c.writeWindow.Usage()
				require.Zero(t, held)
				c.CloseNow()
			})
		})
	}
}

func TestAnAbortAfterAWriteDropsWhatTheFlusherWaitsWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		wrote := goWrite(t.Context(), c, pattern(1<<20, 0))
		v.let(100)
		c.Close(CloseInfo{}) // has the rest copied
		require.NoError(t, <-wrote)
		synctest.Wait()
		require.Equal(t, inBackground, c.send.stalled().kind)
		c.Abort(CloseInfo{}, errors.New("cause"))
		synctest.Wait()
		require.Equal(t, 64<<10+10-100, c.send.out.held(), "what has begun")
		got := frames(t, v.let(all))
		require.Len(t, got, 2)
		require.Equal(t, ws.OpClose, got[1].Header.OpCode)
		c.CloseNow()
	})
}

func TestNothingStandsBehindTheCloseOfAnAbortThoughThereIsRoomAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		cause := errors.New("cause")
		wrote := goWrite(t.Context(), c, pattern(3<<20, 0))
		v.let(100)
		v.onRecall = func() { v.set(func() { v.room = all }) }
		c.Abort(CloseInfo{}, cause)
		require.Equal(t, cause, <-wrote)
		got := frames(t, v.let(0))
		require.Len(t, got, 2, "the frame that had begun, and the Close")
		require.Equal(t, ws.OpClose, got[1].Header.OpCode)
		c.CloseNow()
	})
}

func TestTheCloseFollowsAWriteThatFoundRoomWhenItWasCalledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		wrote := goWrite(t.Context(), c, pattern(3<<20, 0))
		v.let(100)
		v.onRecall = func() { v.set(func() { v.room = all }) }
		c.Close(CloseInfo{})
		require.NoError(t, <-wrote)
		got := frames(t, v.let(0))
		require.Equal(t, ws.OpClose, got[len(got)-1].Header.OpCode)
		c.CloseNow()
	})
}

func TestAWriteThatWaitsForRoomWhereItsMessageLiesIsStalled(t *testing.T) {
	for _, front := range []int{0, 20 << 10} { // the Write waits, or takes the baton first
		synctest.Test(t, func(t *testing.T) {
			c, v := valved(t, Config{})
			if front > 0 {
				_, err := c.TryWrite(ws.OpBinary, make([]byte, front), false)
				require.NoError(t, err)
				synctest.Wait()
			}
			wrote := goWrite(t.Context(), c, make([]byte, 3<<20))
			<-time.After(3 * time.Second)
			synctest.Wait()
			c.mu.Lock()
			who := c.send.stalled().kind
			c.mu.Unlock()
			require.Equal(t, onCall, who)
			_, sent := c.Stats()
			require.Equal(t, 3*time.Second, sent.Stalled)
			v.let(all)
			require.NoError(t, <-wrote)
			<-time.After(time.Second)
			_, sent = c.Stats()
			require.Equal(t, 3*time.Second, sent.Stalled)
			require.Zero(t, sent.Held)
			c.CloseNow()
		})
	}
}

// flushing returns a Conn whose flusher waits, with credit left, and calls f when a Write has
// called it back.
func flushing(t *testing.T, f func(c *Conn)) (*Conn, *valve) {
	c, v := valved(t, Config{})
	ok, err := c.TryWrite(ws.OpText, make([]byte, 20<<10), false)
	require.NoError(t, err)
	require.True(t, ok)
	v.let(100)
	require.Equal(t, inBackground, c.send.stalled().kind)
	v.onRecall = func() { f(c) }
	return c, v
}

func TestWhatAFlusherHasLeftIsSentThoughWhoTookItsBatonMayNotWrite(t *testing.T) {
	for _, size := range []int{64 << 10, 1 << 20} { // with no turn, and with one
		synctest.Test(t, func(t *testing.T) {
			c, v := flushing(t, func(c *Conn) { c.Close(CloseInfo{}) })
			require.Equal(t, errClosed, c.Write(t.Context(), ws.OpBinary, make([]byte, size), false))
			got := frames(t, v.let(all))
			require.Len(t, got, 2)
			require.Equal(t, ws.OpClose, got[1].Header.OpCode)
			held, _, _ := c.writeWindow.Usage()
			require.Zero(t, held)
			c.CloseNow()
		})
	}
}

func TestAWriteThatWaitsForTheBatonIsNotOvertakenByOneThatComesLater(t *testing.T) {
	for _, size := range []int{1, 64 << 10} { // of the later one
		synctest.Test(t, func(t *testing.T) {
			var later <-chan error
			c, v := flushing(t, func(c *Conn) {
				later = goWrite(t.Context(), c, make([]byte, size))
				<-time.After(10 * time.Millisecond)
			})
			wrote := goWrite(t.Context(), c, make([]byte, 60<<10))
			<-time.After(time.Second)
			got, _, _ := messages(t, v.let(all))
			require.NoError(t, <-wrote)
			require.NoError(t, <-later)
			require.Len(t, got, 3)
			require.Len(t, got[1], 60<<10)
			require.Len(t, got[2], size)
			c.CloseNow()
		})
	}
}

func TestWaitingWritesLeaveInTheOrderTheyCame(t *testing.T) {
	for _, procs := range []int{1, 2, 8} {
		was := runtime.GOMAXPROCS(procs)
		for seed := range uint64(20) {
			synctest.Test(t, func(t *testing.T) { writeInOrder(t, seed) })
		}
		runtime.GOMAXPROCS(was)
	}
}

// writeInOrder has Writes of many sizes come one after the other, each when all before it wait or
// are done, while the transport takes a little now and then and other things call the flusher back.
func writeInOrder(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	c, v := valved(t, Config{})
	sizes := []int{8, 5 << 10, 32 << 10, 60 << 10, 64 << 10, 150 << 10}
	var wrote []<-chan error
	later := func() { // a Write of which all that matters is its number
		data := make([]byte, sizes[random.IntN(len(sizes))])
		binary.BigEndian.PutUint64(data, uint64(len(wrote)))
		wrote = append(wrote, goWrite(t.Context(), c, data))
	}
	for range 30 {
		switch random.IntN(4) {
		case 0:
			v.let(random.IntN(100 << 10))
		case 1:
			c.answerPing([]byte("p"))
		case 2:
			v.set(func() { v.onRecall = func() { <-time.After(10 * time.Millisecond) } })
		}
		later()
		if random.IntN(2) == 0 {
			<-time.After(time.Millisecond)
		} else {
			synctest.Wait()
		}
	}
	v.set(func() { v.onRecall = nil })
	for _, w := range wrote {
		for len(w) == 0 {
			v.let(64 << 10)
			<-time.After(10 * time.Millisecond) // of whoever was called back
		}
		require.NoError(t, <-w)
	}
	got, _, _ := messages(t, v.let(all))
	require.Len(t, got, len(wrote))
	for i, m := range got {
		require.EqualValues(t, i, binary.BigEndian.Uint64(m))
	}
	c.CloseNow()
}

func TestAPeerThatPingsAndTakesNothingIsAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{StallTimeout: time.Minute})
		wrote := goWrite(t.Context(), c, make([]byte, 3<<20))
		v.let(100)
		for range 9 {
			c.answerPing(nil) // calls the Write back
			<-time.After(10 * time.Second)
		}
		c.mu.Lock()
		broken := c.end.facts().broken
		c.mu.Unlock()
		require.ErrorContains(t, broken, "WriteStallTimeout")
		c.CloseNow()
		<-wrote
	})
}

//go:build unix

package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// crammed returns a server's Conn on a socket that takes little, and the peer's end.
func crammed(t *testing.T, cfg Config) (*Conn, net.Conn) { return socketPair(t, cfg, 32<<10) }

// socketPair returns a server's Conn and the peer's end; limit bounds what the kernel holds of
// either where it is not 0.
func socketPair(t *testing.T, cfg Config, limit int) (*Conn, net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	near, err := l.Accept()
	require.NoError(t, err)
	if limit > 0 {
		require.NoError(t, near.(*net.TCPConn).SetWriteBuffer(limit))
		require.NoError(t, far.(*net.TCPConn).SetReadBuffer(limit))
	}
	return started(t, cfg, near, far), far
}

// started returns a Conn with windows of 64 KiB on near, and closes both ends when the test is
// over.
func started(t *testing.T, cfg Config, near, far net.Conn) *Conn {
	cfg.WriteWindow, cfg.ReadWindow = 64<<10, 64<<10
	cfg.Errors, cfg.Ends = &testErrors, new(Ends)
	cfg.Owner = testOwner{}
	c := New(near, cfg)
	t.Cleanup(func() {
		c.CloseNow()
		<-c.Done()
		_ = far.Close()
	})
	c.Start(nil)
	return c
}

// goWrite writes on a goroutine of its own.
func goWrite(ctx context.Context, c *Conn, data []byte) <-chan error {
	wrote := make(chan error, 1)
	go func() { wrote <- c.Write(ctx, ws.OpBinary, data, false) }()
	return wrote
}

// untilStalled waits until a goroutine of that kind waits for room.
func untilStalled(t *testing.T, c *Conn, kind waiter) {
	t.Helper()
	require.True(t, stallsWithin(c, kind, 30*time.Second))
}

// stallsWithin reports whether a goroutine of that kind comes to wait for room in time.
func stallsWithin(c *Conn, kind waiter, limit time.Duration) bool {
	for begin := time.Now(); time.Since(begin) < limit; runtime.Gosched() {
		c.mu.Lock()
		now := c.send.stalled().kind
		c.mu.Unlock()
		if now == kind {
			return true
		}
	}
	return false
}

// pattern returns n bytes that are not like those of another seed.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7) ^ byte(i>>13) ^ seed
	}
	return b
}

// messages joins frames, and tells where pongs stood: how many bytes of messages were in front.
func messages(t *testing.T, wire []byte) (all [][]byte, pongs []int, closed bool) {
	t.Helper()
	n := 0
	for _, f := range frames(t, wire) {
		switch f.Header.OpCode {
		case ws.OpPong:
			pongs = append(pongs, n)
		case ws.OpClose:
			closed = true
		case ws.OpContinuation:
			all[len(all)-1] = append(all[len(all)-1], f.Payload...)
		default:
			all = append(all, f.Payload)
		}
		n += len(f.Payload)
	}
	return all, pongs, closed
}

// receive reads from the peer's end until the Conn has nothing left to send.
func receive(t *testing.T, c *Conn, far net.Conn) []byte {
	t.Helper()
	var wire bytes.Buffer
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(&wire, far)
		read <- err
	}()
	c.Close(CloseInfo{Code: 1000})
	for sent := false; !sent; runtime.Gosched() {
		require.NoError(t, t.Context().Err())
		c.mu.Lock()
		sent = c.end.facts().closeLeft
		c.mu.Unlock()
	}
	require.NoError(t, c.nc.(*net.TCPConn).CloseWrite())
	require.NoError(t, <-read)
	return wire.Bytes()
}

// frameLimits are a limit that makes many frames of a message, and none.
var frameLimits = []int{64 << 10, 0}

func TestALongWriteWaitsForRoomWhereItsMessageLies(t *testing.T) {
	for _, limit := range frameLimits {
		c, far := crammed(t, Config{MaxFrame: limit})
		data := pattern(1<<20, 0)
		wrote := goWrite(t.Context(), c, data)
		untilStalled(t, c, onCall)
		c.mu.Lock()
		require.False(t, c.send.flusher, "it waits itself")
		require.NotZero(t, c.send.out.lent)
		require.True(t, limit == 0 || c.send.out.lent <= maxLent)
		c.mu.Unlock()

		var wire bytes.Buffer
		for len(wrote) == 0 && wire.Len() < 1<<20-1000 {
			_, err := io.CopyN(&wire, far, 1000)
			require.NoError(t, err)
		}
		require.NoError(t, <-wrote)
		clear(data) // it is the caller's again
		require.GreaterOrEqual(t, c.Credit(), 0)
		wire.Write(receive(t, c, far))
		all, _, _ := messages(t, wire.Bytes())
		require.Len(t, all, 1)
		require.True(t, bytes.Equal(pattern(1<<20, 0), all[0]))
	}
}

func TestAWriteWhoseContextEndsWhileItWaitsForRoomIsSentWhole(t *testing.T) {
	for _, limit := range frameLimits {
		c, far := crammed(t, Config{MaxFrame: limit})
		for seed := range byte(3) { // with the same window: those that follow must take the baton from the flusher
			ctx, cancel := context.WithCancel(t.Context())
			data := pattern(3<<20, seed)
			wrote := goWrite(ctx, c, data)
			if seed == 0 {
				untilStalled(t, c, onCall)
				cancel()
				require.NoError(t, <-wrote)
				clear(data)
				untilStalled(t, c, inBackground)
			} else { // the window is overdrawn, and none of it is admitted
				cancel()
				require.ErrorIs(t, <-wrote, context.Canceled)
			}
		}
		all, _, closed := messages(t, receive(t, c, far))
		require.True(t, closed)
		require.Len(t, all, 1)
		require.True(t, bytes.Equal(pattern(3<<20, 0), all[0]))
	}
}

func TestALongWriteTakesTheBatonFromAFlusherThatWaitsForRoom(t *testing.T) {
	for range 10 { // a kernel that finds some room at that moment keeps the flusher awake
		if longWriteTakesTheBaton(t) {
			return
		}
	}
	require.Fail(t, "no Write has taken the baton")
}

func longWriteTakesTheBaton(t *testing.T) bool {
	c, far := crammed(t, Config{MaxFrame: 64 << 10})
	begin := time.Now()
	for stalled := false; !stalled; { // until the flusher waits, with credit left
		require.Less(t, time.Since(begin), 30*time.Second)
		c.mu.Lock()
		held, kind := c.send.out.held(), c.send.stalled().kind
		c.mu.Unlock()
		if held < 32<<10 {
			_, err := c.TryWrite(ws.OpBinary, pattern(4<<10, 1), false)
			require.NoError(t, err)
			continue
		}
		stalled = kind == inBackground || stallsWithin(c, inBackground, time.Millisecond)
	}
	wrote := goWrite(t.Context(), c, pattern(1<<20, 2))
	if !stallsWithin(c, onCall, 2*time.Second) {
		c.CloseNow()
		<-wrote
		return false
	}
	c.answerPing([]byte("p"))
	c.mu.Lock()
	require.False(t, c.send.flusher)
	c.mu.Unlock()

	all, pongs, _ := messages(t, receive(t, c, far))
	require.NoError(t, <-wrote)
	for _, m := range all[:len(all)-1] {
		require.True(t, bytes.Equal(pattern(4<<10, 1), m))
	}
	require.True(t, bytes.Equal(pattern(1<<20, 2), all[len(all)-1]))
	require.Len(t, pongs, 1)
	// Under load the kernel may take some frames more before the Write waits.
	require.Less(t, pongs[0], (len(all)-1)*4<<10+512<<10, "it overtakes what has not begun")
	return true
}

func TestAnAbortEndsAWriteThatWaitsForRoomAndFinishesTheFrameThatHasBegun(t *testing.T) {
	c, far := crammed(t, Config{MaxFrame: 64 << 10})
	data := pattern(1<<20, 0)
	wrote := goWrite(t.Context(), c, data)
	begun := make([]byte, 1)
	_, err := io.ReadFull(far, begun)
	require.NoError(t, err)
	untilStalled(t, c, onCall)
	cause := errors.New("cause")
	c.Abort(CloseInfo{Code: 1000}, cause)
	require.Equal(t, cause, <-wrote)
	clear(data)
	all, _, closed := messages(t, append(begun, receive(t, c, far)...))
	require.True(t, closed)
	require.Len(t, all, 1)
	require.Less(t, len(all[0]), 1<<20)
	require.Zero(t, len(all[0])%(64<<10), "whole frames")
	require.True(t, bytes.Equal(pattern(1<<20, 0)[:len(all[0])], all[0]))
}

func TestACloseLetsAWriteThatWaitsForRoomGoAndSendsWhatItHadBefore(t *testing.T) {
	c, far := crammed(t, Config{MaxFrame: 64 << 10})
	data := pattern(3<<20, 0)
	wrote := goWrite(t.Context(), c, data)
	untilStalled(t, c, onCall)
	c.Close(CloseInfo{Code: 1000})
	require.NoError(t, <-wrote)
	clear(data)
	all, _, closed := messages(t, receive(t, c, far))
	require.True(t, closed)
	require.Len(t, all, 1)
	require.True(t, bytes.Equal(pattern(3<<20, 0), all[0]))
}

func TestWritesOfManyGoroutinesLeaveWholeWhateverTheyAreLongFor(t *testing.T) {
	c, far := crammed(t, Config{MaxFrame: 64 << 10})
	const writers, each = 8, 20
	sizes := []int{10, 5 << 10, 40 << 10, 64 << 10, 200 << 10, 700 << 10}
	wrote := make(chan error, writers)
	for w := range writers {
		go func() {
			var err error
			for i := 0; i < each && err == nil; i++ {
				data := pattern(sizes[(w+i)%len(sizes)], byte(w))
				ctx, cancel := context.WithCancel(t.Context())
				if i%3 == 0 {
					time.AfterFunc(time.Duration(i)*time.Millisecond, cancel) // some end while it waits
				}
				if err = c.Write(ctx, ws.OpBinary, data, false); errors.Is(err, context.Canceled) {
					err = nil
				}
				clear(data)
				cancel()
			}
			wrote <- err
		}()
	}
	done := make(chan []byte)
	go func() {
		var wire bytes.Buffer
		_, _ = io.Copy(&wire, far)
		done <- wire.Bytes()
	}()
	for range writers {
		require.NoError(t, <-wrote)
	}
	require.NoError(t, c.Flush(t.Context()))
	require.NoError(t, c.nc.(*net.TCPConn).CloseWrite())
	all, _, _ := messages(t, <-done)
	require.Greater(t, len(all), writers*each/2)
	for _, m := range all {
		require.True(t, bytes.Equal(pattern(len(m), m[0]), m), "%d bytes", len(m))
	}
}

func TestAStallIsSeenThoughEveryWriteHasAContextThatEndsBefore(t *testing.T) {
	const limit = 200 * time.Millisecond
	c, _ := crammed(t, Config{MaxFrame: 64 << 10, StallTimeout: limit, CloseTimeout: time.Millisecond})
	for c.writeEnd() == nil {
		require.NoError(t, t.Context().Err())
		ctx, cancel := context.WithTimeout(t.Context(), limit/10)
		_ = c.Write(ctx, ws.OpBinary, pattern(100<<10, 0), false)
		cancel()
	}
	<-c.Done()
	err := c.End()
	require.ErrorContains(t, err, "WriteStallTimeout")
}

func TestAStallIsSeenInTheMiddleOfALongWriteOfWhichTheKernelHasTakenAllItWasOffered(t *testing.T) {
	c, _ := socketPair(
		t,
		Config{MaxFrame: lendFrom, StallTimeout: 200 * time.Millisecond, CloseTimeout: time.Millisecond},
		0,
	)
	require.ErrorContains(t, <-goWrite(t.Context(), c, make([]byte, 64<<20)), "WriteStallTimeout")
}

// lostBehind returns a Conn whose peer fills its read window and more, and is gone then as gone
// does it.
func lostBehind(t *testing.T, cfg Config, gone func(far *net.TCPConn)) *Conn {
	cfg.CloseTimeout = 50 * time.Millisecond
	c, far := socketPair(t, cfg, 0)
	_, err := far.Write(
		bytes.Repeat(append([]byte{0x82, 0x80 | 100, 0, 0, 0, 0}, make([]byte, 100)...), 1000),
	)
	require.NoError(t, err)
	for full := false; !full; runtime.Gosched() {
		require.NoError(t, t.Context().Err())
		full = c.recv.window.Credit() <= 0
	}
	gone(far.(*net.TCPConn))
	return c
}

func reset(far *net.TCPConn) {
	_ = far.SetLinger(0)
	_ = far.Close()
}

const lookAfter = 100 * time.Millisecond

// watching is each option that looks at a peer, alone.
var watching = map[string]Config{
	"PingInterval and PongTimeout": {PingInterval: lookAfter, PongTimeout: lookAfter},
	"PingInterval":                 {PingInterval: lookAfter, PongTimeout: 0},
	"IdleTimeout":                  {IdleTimeout: lookAfter},
	"WriteStallTimeout":            {StallTimeout: lookAfter},
	"ReadStallTimeout":             {ReadTimeout: lookAfter},
}

func TestAPeerThatIsLostBehindAFullWindowIsNoticed(t *testing.T) {
	for name, cfg := range watching {
		t.Run(name, func(t *testing.T) {
			c := lostBehind(t, cfg, reset)
			<-c.Done()
			err := c.End()
			require.ErrorIs(t, err, syscall.ECONNRESET)
			n := 0
			for ; ; n++ {
				if _, _, err = c.Pull(t.Context(), nil); err != nil {
					break
				}
			}
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.Equal(t, (64<<10)/106, n, "what had come can still be pulled")
		})
	}
}

func TestAFINBehindAFullWindowIsNoLoss(t *testing.T) {
	for name, cfg := range watching {
		if cfg.ReadTimeout > 0 {
			continue // it is for this, too
		}
		t.Run(name, func(t *testing.T) {
			c := lostBehind(t, cfg, func(far *net.TCPConn) { _ = far.CloseWrite() })
			<-time.After(5 * lookAfter)
			require.False(t, c.end.done.Closed())
			for range 1000 {
				_, _, err := c.Pull(t.Context(), nil)
				require.NoError(t, err)
			}
			_, _, err := c.Pull(t.Context(), nil)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		})
	}
}

func TestAProgramThatPullsSlowlyGetsAllThatALostPeerHadSent(t *testing.T) {
	c := lostBehind(t, Config{PingInterval: lookAfter, PongTimeout: lookAfter}, reset)
	for i := range 1000 {
		if i%50 == 0 {
			<-time.After(lookAfter / 4)
		}
		_, _, err := c.Pull(t.Context(), nil)
		require.NoError(t, err)
	}
	_, _, err := c.Pull(t.Context(), nil)
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

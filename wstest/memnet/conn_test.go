package memnet

import (
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A call is a Read or a Write that runs beside the test.
type call struct {
	t    *testing.T
	done chan struct{} // closed when it has returned; then the rest is set
	n    int
	err  error
	got  []byte
}

func read(t *testing.T, c net.Conn, size int) *call {
	x := &call{t: t, done: make(chan struct{}), got: make([]byte, size)}
	go func() {
		defer close(x.done)
		x.n, x.err = c.Read(x.got)
	}()
	return x
}

func write(t *testing.T, c net.Conn, p []byte) *call {
	x := &call{t: t, done: make(chan struct{})}
	go func() {
		defer close(x.done)
		x.n, x.err = c.Write(p)
	}()
	return x
}

func (x *call) parked(what string) {
	x.t.Helper()
	synctest.Wait()
	select {
	case <-x.done:
		require.Failf(x.t, "the call returned", "%s: %d, %v", what, x.n, x.err)
	default:
	}
}

func (x *call) returns() {
	x.t.Helper()
	synctest.Wait()
	select {
	case <-x.done:
	default:
		require.Fail(x.t, "the call is still parked")
	}
}

func (x *call) fails(with error, n int) {
	x.t.Helper()
	x.returns()
	require.ErrorIs(x.t, x.err, with)
	require.Equal(x.t, n, x.n)
}

func (x *call) reads(s string) {
	x.t.Helper()
	x.returns()
	require.NoError(x.t, x.err)
	require.Equal(x.t, s, string(x.got[:x.n]))
}

func (x *call) wrote(n int) {
	x.t.Helper()
	x.returns()
	require.NoError(x.t, x.err)
	require.Equal(x.t, n, x.n)
}

func mustWrite(t *testing.T, c net.Conn, s string) {
	t.Helper()
	write(t, c, []byte(s)).wrote(len(s))
}

// test runs f in a bubble with both ends of a pair whose directions hold 8 bytes.
func test(t *testing.T, f func(t *testing.T, a, b *Conn)) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(8)
		defer a.Close()
		defer b.Close()
		f(t, a, b)
	})
}

func TestConnCarriesBytesBothWays(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		r := read(t, b, 8)
		r.parked("nothing was written")
		mustWrite(t, a, "there")
		r.reads("there")
		mustWrite(t, b, "back")
		require.Equal(t, 4, a.Buffered())
		read(t, a, 3).reads("bac")
		read(t, a, 3).reads("k")
		require.Zero(t, a.Buffered())
	})
}

func TestWriteWaitsWhileTheBufferIsFull(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		w := write(t, a, []byte("0123456789abcdefXYZ"))
		w.parked("8 of 19 bytes fit")
		require.Equal(t, 8, b.Buffered())
		read(t, b, 4).reads("0123")
		w.parked("12 of 19 bytes fit")
		require.Equal(t, 8, b.Buffered())
		read(t, b, 8).reads("456789ab")
		read(t, b, 8).reads("cdefXYZ")
		w.wrote(19)
		mustWrite(t, b, "free") // the other direction has a buffer of its own
	})
}

func TestPipeLimitIs64KiBByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(0)
		defer b.Close()
		defer a.Close()
		w := write(t, a, make([]byte, 64<<10))
		w.wrote(64 << 10)
		w = write(t, a, []byte{0})
		w.parked("the buffer is full")
		read(t, b, 1).reads("\x00")
		w.wrote(1)
	})
}

func TestWritesLeaveWholeAndInOrder(t *testing.T) {
	for range 100 { // whether the second could overtake is the scheduler's choice
		test(t, func(t *testing.T, a, b *Conn) {
			first := write(t, a, []byte("AAAAAAAAAAAA"))
			first.parked("no room")
			_, err := b.Read(make([]byte, 4))
			require.NoError(t, err)
			// It comes when there is room, and the first has not run yet.
			second := write(t, a, []byte("BBBBBBBB"))
			second.parked("no room")
			read(t, b, 8).reads("AAAAAAAA")
			first.wrote(12)
			second.wrote(8)
			read(t, b, 8).reads("BBBBBBBB")
		})
	}
}

func TestWriteBehindAnotherObeysItsDeadline(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		first := write(t, a, make([]byte, 10))
		first.parked("full")
		second := write(t, a, make([]byte, 10))
		second.parked("behind the first")
		require.NoError(t, a.SetWriteDeadline(time.Now()))
		first.fails(os.ErrDeadlineExceeded, 8)
		second.fails(os.ErrDeadlineExceeded, 0)
	})
}

func TestCloseGivesThePeerWhatIsBufferedThenEOF(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		mustWrite(t, a, "last")
		require.NoError(t, b.End())
		require.NoError(t, a.Close())
		require.Equal(t, io.EOF, b.End())
		read(t, b, 2).reads("la")
		read(t, b, 8).reads("st")
		for range 2 {
			r := read(t, b, 8)
			r.fails(io.EOF, 0)
			require.Equal(t, io.EOF, r.err, "EOF is bare")
		}
		write(t, b, []byte("x")).fails(syscall.EPIPE, 0)
	})
}

func TestCloseWakesThePeer(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		r, w := read(t, b, 1), write(t, b, make([]byte, 9))
		r.parked("nothing to read")
		w.parked("no room")
		require.NoError(t, a.Close())
		r.fails(io.EOF, 0)
		w.fails(syscall.EPIPE, 8)
	})
}

func TestCloseWakesItsOwnCallsWithErrClosed(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		require.False(t, a.Closed())
		r, w := read(t, a, 1), write(t, a, make([]byte, 9))
		r.parked("nothing to read")
		w.parked("no room")
		require.NoError(t, a.Close())
		r.fails(net.ErrClosed, 0)
		w.fails(net.ErrClosed, 8)
		require.True(t, a.Closed())
		require.False(t, b.Closed())
	})
}

func TestCloseFailsEveryLaterCall(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		mustWrite(t, b, "lost")
		require.NoError(t, a.Close())
		for what, err := range map[string]error{
			"Close":       a.Close(),
			"CloseWrite":  a.CloseWrite(),
			"SetDeadline": a.SetDeadline(time.Time{}),
			"End":         a.End(),
			"Read":        second(a.Read(make([]byte, 1))),
			"Write":       second(a.Write(make([]byte, 1))),
		} {
			require.ErrorIs(t, err, net.ErrClosed, what)
			require.IsType(t, &net.OpError{}, err, what)
		}
		require.Zero(t, a.Buffered())
	})
}

func second(_ int, err error) error { return err }

func TestCloseWriteEndsOneDirection(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		w := write(t, a, make([]byte, 9))
		w.parked("no room")
		require.NoError(t, a.CloseWrite())
		w.fails(syscall.EPIPE, 8)
		write(t, a, []byte("x")).fails(syscall.EPIPE, 0)
		read(t, b, 9).reads(strings.Repeat("\x00", 8))
		read(t, b, 9).fails(io.EOF, 0)
		mustWrite(t, b, "on")
		read(t, a, 8).reads("on")
		require.NoError(t, a.CloseWrite())
	})
}

func TestDeadlineWakesAReadThatWaits(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		start := time.Now()
		require.NoError(t, a.SetReadDeadline(start.Add(time.Minute)))
		_, err := a.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
		ne, ok := err.(net.Error)
		require.True(t, ok && ne.Timeout())
		require.True(t, ne.Temporary()) //nolint:staticcheck // callers still ask: as TCP answers
	})
}

func TestDeadlineInThePastWakesAReadImmediately(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		r := read(t, a, 8)
		r.parked("nothing to read")
		require.NoError(t, a.SetReadDeadline(time.Unix(1, 0)))
		r.fails(os.ErrDeadlineExceeded, 0)
	})
}

func TestDeadlineFailsAReadEvenIfThereAreBytes(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		mustWrite(t, b, "kept")
		require.NoError(t, a.SetDeadline(time.Now()))
		read(t, a, 8).fails(os.ErrDeadlineExceeded, 0)
		write(t, a, []byte("x")).fails(os.ErrDeadlineExceeded, 0)
		require.NoError(t, a.SetDeadline(time.Time{}))
		read(t, a, 8).reads("kept")
		mustWrite(t, a, "x")
	})
}

func TestDeadlineOfAWriteTellsHowMuchWasSent(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		p := []byte("0123456789abcdef")
		require.NoError(t, a.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := a.Write(p)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 8, n)
		require.NoError(t, a.SetWriteDeadline(time.Time{}))
		w := write(t, a, p[n:])
		read(t, b, 8).reads("01234567")
		w.wrote(8)
		read(t, b, 8).reads("89abcdef")
	})
}

func TestDeadlineCanBeMoved(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		start := time.Now()
		require.NoError(t, a.SetReadDeadline(start.Add(time.Second)))
		r := read(t, a, 8)
		r.parked("before the deadline")
		require.NoError(t, a.SetReadDeadline(start.Add(time.Hour)))
		<-time.After(time.Minute)
		r.parked("the old deadline has passed")
		<-time.After(time.Hour)
		r.fails(os.ErrDeadlineExceeded, 0)

		require.NoError(t, a.SetReadDeadline(time.Now().Add(time.Second)))
		r = read(t, a, 8)
		require.NoError(t, a.SetReadDeadline(time.Time{}))
		<-time.After(time.Hour)
		r.parked("the deadline was cleared")
	})
}

func TestDeadlineOfReadsLeavesWritesAlone(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		require.NoError(t, a.SetReadDeadline(time.Now()))
		mustWrite(t, a, "x")
		require.NoError(t, b.SetWriteDeadline(time.Now()))
		read(t, b, 1).reads("x")
	})
}

func TestDeadlineOutsideABubble(t *testing.T) {
	a, b := Pipe(0)
	defer a.Close()
	defer b.Close()
	soon := time.Now().Add(time.Millisecond).Round(0) // without a monotonic clock
	require.NoError(t, a.SetReadDeadline(soon))
	_, err := a.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestConnAddresses(t *testing.T) {
	a, b := Pipe(0)
	require.Equal(t, a.LocalAddr(), b.RemoteAddr())
	require.Equal(t, b.LocalAddr(), a.RemoteAddr())
	require.NotEqual(t, a.LocalAddr(), b.LocalAddr())
	require.NoError(t, a.Close())
	require.EqualError(t, a.Close(), "close mem mem:a->mem:b: use of closed network connection")
}

func TestDeadlinesFromEverywhereLoseNoByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(7)
		a.Drip(3, time.Microsecond) // so that the clock runs
		want := make([]byte, 10_000)
		for i := range want {
			want[i] = byte(i ^ i>>8)
		}
		stop := make(chan struct{})
		var pokes, rest sync.WaitGroup
		pokes.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Microsecond):
					a.SetWriteDeadline(time.Now().Add(time.Duration(i%3-1) * time.Microsecond))
					b.SetReadDeadline(time.Now().Add(time.Duration(i%5-2) * time.Microsecond))
				}
			}
		})
		rest.Go(func() {
			for p := want; len(p) > 0; {
				n, err := a.Write(p[:min(len(p), 50)])
				p = p[n:]
				if err != nil {
					<-time.After(time.Microsecond)
				}
			}
			a.CloseWrite()
		})
		var got []byte
		timeouts := 0
		for p := make([]byte, 5); ; {
			n, err := b.Read(p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				timeouts++
				<-time.After(time.Microsecond)
			}
		}
		rest.Wait()
		close(stop)
		pokes.Wait()
		require.NotZero(t, timeouts)
		require.True(t, bytes.Equal(want, got), "the stream was changed")
	})
}

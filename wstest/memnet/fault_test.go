package memnet

import (
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStallHoldsBackBytesAndTheEnd(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		mustWrite(t, a, "0123")
		a.Stall(true)
		r := read(t, b, 8)
		r.parked("stalled")
		w := write(t, a, []byte("456789"))
		w.parked("the buffer is full")
		require.Equal(t, 8, b.Buffered())
		mustWrite(t, b, "x") // the other direction runs
		read(t, a, 1).reads("x")
		a.Stall(false)
		r.reads("01234567")
		w.wrote(6)

		read(t, b, 8).reads("89")
		a.Stall(true)
		r = read(t, b, 8)
		require.NoError(t, a.Close())
		r.parked("the end is held back too")
		require.Equal(t, io.EOF, b.End())
		a.Stall(false)
		r.fails(io.EOF, 0)
	})
}

func TestStallLeavesDeadlinesAlone(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		a.Stall(true)
		mustWrite(t, a, "x")
		require.NoError(t, b.SetReadDeadline(time.Now().Add(time.Second)))
		_, err := b.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})
}

func TestDripLetsBytesThroughAtEachTick(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		a.Drip(3, time.Second)
		<-time.After(time.Hour + time.Second/2) // an idle drip does not tick
		mustWrite(t, a, "01234567")
		for _, s := range []string{"012", "345", "67"} {
			r := read(t, b, 8)
			<-time.After(time.Second - 1)
			r.parked("before the tick")
			<-time.After(1)
			r.reads(s)
		}
		mustWrite(t, a, "abcd")
		require.NoError(t, a.Close())
		<-time.After(time.Second)
		read(t, b, 8).reads("abc")
		<-time.After(time.Second)
		read(t, b, 8).reads("d")
		read(t, b, 8).fails(io.EOF, 0)
	})
}

func TestDripEndsByLettingAllThrough(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		a.Drip(1, time.Hour)
		mustWrite(t, a, "0123")
		r := read(t, b, 8)
		r.parked("before the tick")
		a.Drip(0, 0)
		r.reads("0123")
		mustWrite(t, a, "45")
		read(t, b, 8).reads("45")
	})
}

func TestStallStopsADrip(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		a.Drip(1, time.Second)
		mustWrite(t, a, "0123")
		a.Stall(true)
		<-time.After(time.Hour)
		a.Stall(false)
		r := read(t, b, 8)
		r.parked("no tick has passed since the stall")
		<-time.After(time.Second)
		r.reads("0")
	})
}

func TestChunkLimitsEachRead(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		a.Chunk(1)
		mustWrite(t, a, "012345")
		read(t, b, 8).reads("0")
		read(t, b, 8).reads("1")
		a.Chunk(2)
		read(t, b, 8).reads("23")
		a.Chunk(0)
		read(t, b, 8).reads("45")
	})
}

func TestCutLosesEverythingAtBothEnds(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		mustWrite(t, a, "lost")
		mustWrite(t, b, "lost")
		w := write(t, a, make([]byte, 5))
		w.parked("no room")
		a.Stall(true)
		r := read(t, b, 8)
		r.parked("stalled")
		b.Cut()
		w.fails(syscall.ECONNRESET, 4)
		r.fails(syscall.ECONNRESET, 0)
		for _, c := range []*Conn{a, b} {
			read(t, c, 8).fails(syscall.ECONNRESET, 0)
			write(t, c, []byte("x")).fails(syscall.ECONNRESET, 0)
			require.Zero(t, c.Buffered())
			require.ErrorIs(t, c.End(), syscall.ECONNRESET)
			require.ErrorIs(t, c.CloseWrite(), syscall.ENOTCONN)
			require.NoError(t, c.Close())
		}
	})
}

func TestCutAfterKeepsWhatHadLeft(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		mustWrite(t, a, "01")
		mustWrite(t, b, "lost")
		a.CutAfter(3)
		mustWrite(t, a, "2")
		w := write(t, a, []byte("345678"))
		w.fails(syscall.ECONNRESET, 2)
		read(t, a, 8).fails(syscall.ECONNRESET, 0)
		write(t, b, []byte("x")).fails(syscall.ECONNRESET, 0)
		require.Equal(t, 5, b.Buffered())
		read(t, b, 8).reads("01234")
		read(t, b, 8).fails(syscall.ECONNRESET, 0)
	})
}

func TestCutAfterTheLastByteOfAWriteIsNoErrorOfIt(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		a.CutAfter(4)
		mustWrite(t, a, "0123")
		write(t, a, []byte("4")).fails(syscall.ECONNRESET, 0)
		read(t, b, 8).reads("0123")
	})
}

func TestCutAfterEndsAWriteThatWaitsForRoom(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		w := write(t, a, make([]byte, 20))
		w.parked("no room")
		a.CutAfter(2)
		w.parked("nothing has left since")
		read(t, b, 4).reads("\x00\x00\x00\x00")
		w.fails(syscall.ECONNRESET, 10)
		require.Equal(t, 6, b.Buffered())
	})
}

func TestCutAfterZeroCutsNowAndLessTakesItBack(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		a.CutAfter(1)
		a.CutAfter(-1)
		mustWrite(t, a, "0123")
		r := read(t, a, 1)
		r.parked("nothing to read")
		a.CutAfter(0)
		r.fails(syscall.ECONNRESET, 0)
		read(t, b, 8).reads("0123")
		read(t, b, 8).fails(syscall.ECONNRESET, 0)
	})
}

func TestCutLeavesAClosedEndClosed(t *testing.T) {
	test(t, func(t *testing.T, a, b *Conn) {
		require.NoError(t, a.Close())
		b.Cut()
		read(t, a, 1).fails(net.ErrClosed, 0)
		read(t, b, 1).fails(syscall.ECONNRESET, 0)
	})
}

func TestFaultsUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(16)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 1000 {
				<-time.After(time.Millisecond)
				a.Stall(i%3 == 0)
				a.Drip(i%5, time.Millisecond)
				a.Chunk(i % 4)
			}
			a.Stall(false)
			a.Drip(0, 0)
		}()
		const total = 4000
		go func() {
			for i := range total {
				a.Write([]byte{byte(i)})
			}
			<-done
			a.Close()
		}()
		got, err := io.ReadAll(b)
		require.NoError(t, err)
		require.Len(t, got, total)
		for i := range got {
			require.Equal(t, byte(i), got[i])
		}
	})
}

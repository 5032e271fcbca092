package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
)

func TestLendSendsTheWholeFrameHoweverMuchIsTaken(t *testing.T) {
	data := make([]byte, lendFrom)
	for i := range data {
		data[i] = byte(i * 7)
	}
	const header = 4
	const whole = header + lendFrom
	for _, taken := range []int{0, 1, header, header + 1, header + lendFrom/2, whole - 1, whole} {
		for _, behind := range []bool{false, true} {
			f, o := newFramer(false, 0), outbox{}
			callers := bytes.Clone(data)
			p := piece{op: ws.OpBinary, rest: callers, fin: true}
			o.lend(&f, &p)
			require.True(t, p.done())
			require.Equal(t, whole, o.held())
			last, size := o.vector()
			require.Same(t, o.tail, last)
			require.Equal(t, whole, size)

			all := append(bytes.Clone(o.head.buf), last.buf...)
			wire := all[:taken:taken]
			o.took(min(taken, header))
			if taken > header {
				o.took(taken - header)
			}
			if behind { // another call writes while the transport has the frame
				o.encode(&f, &piece{op: ws.OpText, rest: []byte("behind"), fin: true})
			}
			o.takeBack()
			clear(callers) // the memory is the caller's again
			require.Equal(t, taken == 0 || taken == whole, between(&o), "taken %d", taken)

			wire = append(wire, leave(&o, 10_000)...)
			got := frames(t, wire)
			require.True(t, bytes.Equal(data, got[0].Payload), "taken %d", taken)
			if behind {
				require.Len(t, got, 2)
				require.Equal(t, "behind", string(got[1].Payload))
			}
			require.Zero(t, o.held())
			require.Nil(t, o.tail)
		}
	}
}

func TestLendDropsAFrameThatIsNotBegun(t *testing.T) {
	f, o := newFramer(false, 0), outbox{}
	p := piece{op: ws.OpBinary, rest: make([]byte, lendFrom), fin: true}
	o.lend(&f, &p)
	require.Equal(t, 4+lendFrom, o.dropUnbegun())
	o.takeBack()
	require.Nil(t, o.head)
	require.Zero(t, o.held())
}

func TestLendLetsNothingIntoAFrameThatWasTakenBack(t *testing.T) {
	f, o := newFramer(false, 0), outbox{}
	data := bytes.Repeat([]byte("data"), maxPiece)
	p := piece{op: ws.OpBinary, rest: data, fin: true}
	o.lend(&f, &p)
	wire := bytes.Clone(o.head.buf)
	o.took(len(wire))
	o.takeBack()
	require.True(t, o.insertFirst(f.control(ws.OpPong, nil)))
	got := frames(t, append(wire, leave(&o, 1<<20)...))
	require.Len(t, got, 2)
	require.True(t, bytes.Equal(data, got[0].Payload))
	require.Equal(t, ws.OpPong, got[1].Header.OpCode)
}

func TestLendTakesWhatOneSystemCallTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := valved(t, Config{})
		require.False(t, c.lends(&piece{rest: make([]byte, lendFrom-1)}))
		require.True(t, c.lends(&piece{rest: make([]byte, lendFrom)}))

		c.mu.Lock()
		defer c.mu.Unlock()
		out := &c.send.out
		p := piece{op: ws.OpBinary, rest: make([]byte, 5<<20), fin: true}
		c.lendLocked(&p, 0)
		last, size := out.vector()
		require.Same(t, out.tail, last)
		require.Equal(t, 15*(64<<10+10), size)
		c.writeWindow.Give(out.clear())
	})
}

func TestLendSendsOnlyFullFramesBeforeTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{Deflate: &Deflate{Ours: deflate.Sender{Bits: 12}, Level: 1}})
		v.set(func() { v.room = all })
		data := make([]byte, 300_000)
		_, _ = rand.NewChaCha8([32]byte{}).Read(data)
		require.NoError(t, c.Write(t.Context(), ws.OpBinary, data, true))
		got := frames(t, v.let(0))
		require.Len(t, got, 5)
		for _, f := range got[:4] {
			require.Len(t, f.Payload, 64<<10)
			require.False(t, f.Header.Fin)
		}
		require.True(t, got[4].Header.Fin)
	})
}

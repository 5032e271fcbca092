package wire

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// framed returns the bytes of f, masked as a client's if masked is set.
func framed(t *testing.T, f ws.Frame, masked bool) []byte {
	t.Helper()
	if masked {
		f = ws.MaskFrameWith(f, [4]byte{0x5a, 0x17, 0xc3, 0x8e})
	}
	b, err := ws.CompileFrame(f)
	require.NoError(t, err)
	return b
}

// sides are the two ends that can have an inbox.
var sides = []struct {
	name   string
	state  ws.State
	masked bool // the frames that come
}{
	{"client", ws.StateClientSide, false},
	{"server", ws.StateServerSide, true},
}

// feed puts b into the inbox, at most n bytes in one step, and scans after each step. It returns
// the control frames.
func feed(t *testing.T, in *inbox, b []byte, n int) (controls []string) {
	t.Helper()
	for len(b) > 0 {
		m := copy(in.space(smallChunk, n), b)
		in.arrived(m)
		b = b[m:]
		for {
			c, err := in.scan()
			require.NoError(t, err)
			if c.op == 0 {
				break
			}
			controls = append(controls, string(rune('0'+c.op))+string(c.payload))
		}
	}
	return controls
}

// drain takes all whole messages, at most limit bytes in one step.
func drain(t *testing.T, in *inbox, limit int) (messages []string) {
	t.Helper()
	var data []byte
	for in.toPayload() {
		var err error
		data, err = in.takePayload(data, limit)
		require.NoError(t, err)
		if in.messageEnded() {
			messages = append(messages, string(data))
			data = data[:0]
			in.endMessage()
		} else if in.left > 0 && !in.hasScanned() {
			break
		}
	}
	return messages
}

// leave returns all bytes of the outbox. It takes at most n in one step.
func leave(o *outbox, n int) []byte {
	var wire []byte
	for o.head != nil {
		b := o.head.buf[o.head.taken:]
		b = b[:min(n, len(b))]
		wire = append(wire, b...)
		o.took(len(b))
	}
	return wire
}

// between reports whether what has left ends between two frames.
func between(o *outbox) bool { return !o.mid && !o.firstBegun() }

// frames parses the frames that have left, and unmasks them.
func frames(t *testing.T, wire []byte) (all []ws.Frame) {
	t.Helper()
	for r := bytes.NewReader(wire); r.Len() > 0; {
		h, err := ws.ReadHeader(r)
		require.NoError(t, err)
		payload := make([]byte, h.Length)
		_, err = io.ReadFull(r, payload)
		require.NoError(t, err)
		if h.Masked {
			ws.Cipher(payload, h.Mask, 0)
		}
		all = append(all, ws.Frame{Header: h, Payload: payload})
	}
	return all
}

// messages joins the frames of each message. For each pong it returns how many payload bytes were
// before it. closed reports whether there is a Close frame.
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

// readFrame reads the next frame.
func readFrame(t *testing.T, far io.Reader) ws.Frame {
	t.Helper()
	h, err := ws.ReadHeader(far)
	require.NoError(t, err)
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	_, err = io.ReadFull(far, f.Payload)
	require.NoError(t, err)
	return f
}

// pattern returns n bytes that differ from those of another seed.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7) ^ byte(i>>13) ^ seed
	}
	return b
}

// drip writes b to nc, a random number of bytes in one call.
func drip(nc net.Conn, rnd *rand.Rand, b []byte) {
	for len(b) > 0 {
		n := min(len(b), 1+rnd.IntN(1+rnd.IntN(100_000)))
		if _, err := nc.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
	}
}

// A oneByte reads one byte in each call.
type oneByte struct{ r io.Reader }

func (o *oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

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

// framed returns a frame on the wire, as a client sends it if masked.
func framed(t *testing.T, f ws.Frame, masked bool) []byte {
	t.Helper()
	if masked {
		f = ws.MaskFrameWith(f, [4]byte{0x5a, 0x17, 0xc3, 0x8e})
	}
	b, err := ws.CompileFrame(f)
	require.NoError(t, err)
	return b
}

// sides are the two ends that an inbox can be of.
var sides = []struct {
	name   string
	state  ws.State
	masked bool // what comes
}{
	{"client", ws.StateClientSide, false},
	{"server", ws.StateServerSide, true},
}

// feed puts b into the inbox in pieces of at most n bytes, scans each, and returns the control
// frames.
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

// drain takes all whole messages.
func drain(t *testing.T, in *inbox, piece int) (messages []string) {
	t.Helper()
	var data []byte
	for in.toPayload() {
		var err error
		data, err = in.takePayload(data, piece)
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

// leave takes all that is in the outbox, n bytes at a time.
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

// between reports whether the transport is between two frames.
func between(o *outbox) bool { return !o.mid && !o.firstBegun() }

// frames parses what has left.
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

// pattern returns n bytes that are not like those of another seed.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7) ^ byte(i>>13) ^ seed
	}
	return b
}

// drip writes b to nc in pieces of random length.
func drip(nc net.Conn, rnd *rand.Rand, b []byte) {
	for len(b) > 0 {
		n := min(len(b), 1+rnd.IntN(1+rnd.IntN(100_000)))
		if _, err := nc.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
	}
}

type oneByte struct{ r io.Reader }

func (o *oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

package wstest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gobwas/ws"
)

// A Frame is one frame, as a test writes it. The mask is not part of it: a [Peer] masks the frames
// that it sends, and unmasks those that it receives, as its [Role] demands.
//
// RFC 6455, section 5.2.
type Frame struct {
	Fin     bool   // the frame is the last of its message
	Rsv     byte   // the reserved bits: RSV1 is 4, RSV2 is 2, RSV3 is 1
	Op      Op     // what the frame is
	Payload []byte // without its mask

	// WrongMask sends the frame with the mask of the other role: masked by a server, or unmasked by
	// a client. RFC 6455, section 5.1, forbids that. It is false in frames that were received.
	WrongMask bool
}

// Text returns a whole text message in one frame.
func Text(s string) Frame { return Frame{Fin: true, Op: OpText, Payload: []byte(s)} }

// Binary returns a whole binary message in one frame.
func Binary(b []byte) Frame { return Frame{Fin: true, Op: OpBinary, Payload: b} }

// Ping returns a ping.
func Ping(s string) Frame { return Frame{Fin: true, Op: OpPing, Payload: []byte(s)} }

// Pong returns a pong.
func Pong(s string) Frame { return Frame{Fin: true, Op: OpPong, Payload: []byte(s)} }

// Close returns a Close with any code and reason, also with a code that must not be sent.
func Close(code uint16, reason string) Frame {
	return Frame{Fin: true, Op: OpClose, Payload: ws.NewCloseFrameBody(ws.StatusCode(code), reason)}
}

// CloseEmpty returns a Close without code and reason. Its receiver reports the code 1005.
func CloseEmpty() Frame { return Frame{Fin: true, Op: OpClose} }

// Cont returns a continuation. If fin is true, it is the last of its message.
func Cont(b []byte, fin bool) Frame { return Frame{Fin: fin, Op: OpContinuation, Payload: b} }

// Part returns f as the first fragment of a message that [Cont] continues.
func (f Frame) Part() Frame {
	f.Fin = false
	return f
}

// code returns the code of a Close frame, and 1005 if it has none.
func (f Frame) code() uint16 {
	if len(f.Payload) < 2 {
		return uint16(ws.StatusNoStatusRcvd)
	}
	code, _ := ws.ParseCloseFrameData(f.Payload)
	return uint16(code)
}

func (f Frame) equal(g Frame) bool {
	return f.Fin == g.Fin && f.Rsv == g.Rsv && f.Op == g.Op && bytes.Equal(f.Payload, g.Payload)
}

// String shows a frame on one line: `text "hello"`, `ping ""`, `close 1000 "bye"`,
// `binary (not the last) 3 bytes 010203`.
func (f Frame) String() string {
	var b strings.Builder
	b.WriteString(f.Op.String())
	var marks []string
	if !f.Fin {
		marks = append(marks, "not the last")
	}
	if f.Rsv != 0 {
		marks = append(marks, fmt.Sprintf("rsv %03b", f.Rsv))
	}
	if f.WrongMask {
		marks = append(marks, "wrongly masked")
	}
	if len(marks) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(marks, ", "))
	}
	switch {
	case f.Op == OpClose && len(f.Payload) == 0:
		b.WriteString(" without a code")
	case f.Op == OpClose && len(f.Payload) >= 2:
		fmt.Fprintf(&b, " %d %s", f.code(), quote(f.Payload[2:]))
	case f.Op == OpText || f.Op.IsControl():
		fmt.Fprintf(&b, " %s", quote(f.Payload))
	default:
		fmt.Fprintf(&b, " %d bytes", len(f.Payload))
		if len(f.Payload) > 0 {
			fmt.Fprintf(&b, " %x", f.Payload[:min(len(f.Payload), shown)])
		}
		if len(f.Payload) > shown {
			b.WriteString("…")
		}
	}
	return b.String()
}

// shown is how many bytes of a payload a failure prints.
const shown = 64

func quote(p []byte) string {
	if len(p) <= shown {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%q… (%d bytes)", p[:shown], len(p))
}

// differs says where got differs from want, for payloads that are too long to compare by eye.
func differs(got, want Frame) string {
	if max(len(got.Payload), len(want.Payload)) <= shown || bytes.Equal(got.Payload, want.Payload) {
		return ""
	}
	i := 0
	for i < min(len(got.Payload), len(want.Payload)) && got.Payload[i] == want.Payload[i] {
		i++
	}
	return fmt.Sprintf(
		"\nthe payloads have %d and %d bytes and differ from byte %d on: got %x, want %x",
		len(got.Payload), len(want.Payload), i,
		got.Payload[i:min(i+8, len(got.Payload))], want.Payload[i:min(i+8, len(want.Payload))])
}

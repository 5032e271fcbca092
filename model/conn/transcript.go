package conn

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// A message is one message of a transcript.
type message struct {
	text       bool
	compressed bool
	data       []byte // inflated; what has come of it
	declared   uint64 // payload bytes on the wire, those of a frame that has begun included
	whole      bool
	bad        string // the rule that the payload breaks; "" for none
	begin, end int    // where it is in the stream
	frames     int
	largest    int // payload bytes of its longest frame
}

func (m *message) String() string {
	return fmt.Sprintf("%d bytes (text %v, compressed %v, whole %v, bad %q) %.20q at %d to %d",
		len(m.data), m.text, m.compressed, m.whole, m.bad, m.data, m.begin, m.end)
}

// A control is a control frame of a transcript.
type control struct {
	op      byte
	payload string
	begin   int // where it is in the stream
	end     int
}

// A transcript is what a stream of frames says.
type transcript struct {
	messages []message // the last may not be whole, and those from the first bad one on may be wrong
	controls []control // pings and pongs
	empties  int       // the longest run of frames without data

	closed     bool // a Close has come: nothing follows
	code       int  // of the Close; 1005 for none
	reason     string
	torn       bool // the Close is between the frames of a message
	broken     string
	brokenCode int
	stop       int // where the Close ends, or the frame begins that breaks a rule
	rest       int // bytes behind the last whole frame
	end        int // bytes that were read
}

// A reading says how to read a stream.
type reading struct {
	fromClient bool
	inflate    *inflater // nil: no compression
}

// read reads a stream up to the Close, the first broken rule of a header, or the end.
//
// RFC 6455, sections 5 and 7.
func (r reading) read(b []byte) (t transcript) {
	t.end = len(b)
	var open *message
	var payload []byte
	at, run := 0, 0
	for !t.closed && t.broken == "" {
		h, ok := parse(b[at:])
		if !ok {
			break
		}
		if t.broken = h.broken(r.fromClient, r.inflate != nil, open != nil); t.broken != "" {
			t.brokenCode, t.stop = 1002, at
			break
		}
		whole := h.take(b[at:])
		next := at + h.size + len(h.payload)
		if h.op >= opClose && !whole {
			break
		}
		if run++; h.op < opClose && (h.fin || h.length > 0) {
			run = 0
		}
		t.empties = max(t.empties, run)
		switch {
		case h.op == opClose:
			t.close(h.payload, open != nil, at, next)
		case h.op > opClose:
			t.controls = append(t.controls, control{h.op, string(h.payload), at, next})
		default:
			if open == nil {
				t.messages = append(t.messages, message{
					text: h.op == opText, compressed: h.rsv != 0, begin: at,
				})
				open, payload = &t.messages[len(t.messages)-1], nil
			}
			payload = append(payload, h.payload...)
			open.declared += h.length
			open.end, open.whole = next, h.fin && whole
			open.frames++
			open.largest = max(open.largest, len(h.payload))
			if open.whole {
				r.payload(open, payload)
				open = nil
			}
		}
		if !whole {
			break
		}
		at = next
	}
	if open != nil {
		r.payload(open, payload)
	}
	t.rest = len(b) - at
	return t
}

// payload sets what the payload of a message says, as far as it has come.
func (r reading) payload(m *message, payload []byte) {
	m.data, m.bad = payload, ""
	if m.compressed {
		out, err := r.inflate.inflate(payload, m.whole)
		if m.data = out; err != nil {
			m.bad = "deflate: " + err.Error()
			return
		}
	}
	if m.text && !goodText(m.data, m.whole) {
		m.bad = "text"
	}
}

// goodText reports whether b is UTF-8, or the start of it.
func goodText(b []byte, whole bool) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return !whole && !utf8.FullRune(b)
		}
		b = b[n:]
	}
	return true
}

func (t *transcript) close(body []byte, torn bool, at, next int) {
	t.stop = next
	switch code := 1005; {
	case len(body) == 1:
		t.broken, t.brokenCode = "the body of a Close has one byte", 1002
	case len(body) > 1:
		if code = int(binary.BigEndian.Uint16(body)); !sendable(code) {
			t.broken, t.brokenCode = "the code of a Close", 1002
		} else if !utf8.Valid(body[2:]) {
			t.broken, t.brokenCode = "the reason of a Close", 1007
		}
		t.reason = string(body[2:])
		fallthrough
	default:
		t.code, t.closed, t.torn = code, t.broken == "", torn
	}
	if t.broken != "" {
		t.stop = at
	}
}

// sendable reports whether a Close frame may have the code.
//
// RFC 6455, section 7.4.
func sendable(code int) bool {
	return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006 ||
		code >= 3000 && code <= 4999
}

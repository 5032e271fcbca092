package frame

import "encoding/binary"

// A Walker walks over frames as they come in blocks cut anywhere. The zero value stands before the
// first frame.
type Walker struct {
	// Start, if it is set, is called for each frame of data with what of its payload is in the block
	// at hand.
	Start func(payload []byte)

	// Closed is set by a Close frame.
	Closed bool

	// Size is the length of the last frame's payload, in bytes.
	Size int

	head [14]byte // a header that the end of a block cut
	have int      // bytes of it
	rest int      // bytes of the payload that are still to come
	ends bool     // the frame at hand ends a message
}

// Walk goes over the next block and returns how many messages end in it.
func (w *Walker) Walk(p []byte) (messages int) {
	for {
		if w.rest > len(p) {
			w.rest -= len(p)
			return messages
		}
		p = p[w.rest:]
		w.rest = 0
		if w.ends {
			w.ends = false
			messages++
		}
		if len(p) == 0 {
			return messages
		}
		size := w.header(p)
		if size < 0 {
			return messages
		}
		p = p[size:]
		if w.Start != nil && !w.Closed {
			w.Start(p[:min(w.rest, len(p))])
		}
	}
}

// header takes the next frame's header from the kept bytes and the start of p. It returns how many
// bytes of p it took. If p ends before the header does, header keeps all of p and returns -1.
func (w *Walker) header(p []byte) int {
	h := p
	if w.have > 0 || len(p) < len(w.head) {
		kept := w.have
		w.have += copy(w.head[kept:], p)
		h = w.head[:w.have]
		size := w.parse(h)
		if size < 0 {
			return -1
		}
		w.have = 0
		return size - kept
	}
	return w.parse(h)
}

// parse returns the length of the header that h starts with, -1 if h does not hold all of it.
func (w *Walker) parse(h []byte) int {
	if len(h) < 2 {
		return -1
	}
	size, n := 2, int(h[1]&^masked)
	switch n {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	if h[1]&masked != 0 {
		size += 4
	}
	if len(h) < size {
		return -1
	}
	switch n {
	case 126:
		n = int(binary.BigEndian.Uint16(h[2:]))
	case 127:
		n = int(binary.BigEndian.Uint64(h[2:]))
	}
	op := h[0] & 0xf
	w.rest, w.Size = n, n
	w.ends = h[0]&fin != 0 && op&isControl == 0
	w.Closed = w.Closed || op == Close
	return size
}

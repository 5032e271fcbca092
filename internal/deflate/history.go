package deflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	minMatch = 4
	maxMatch = 258
)

// A search is how hard copies are searched for.
type search struct {
	chain int // how many places are compared
	lazy  int // a copy shorter than this is compared with one that starts a byte later
	nice  int // a copy of this length is good enough
	dense int // of a longer copy, only the last bytes are put in the index
}

// searches are those of the levels.
var searches = [...]search{
	1: {1, 0, 32, 8},
	2: {2, 0, 32, 16},
	3: {4, 8, 32, 16},
	4: {8, 16, 64, 258},
	5: {12, 16, 64, 258},
	6: {24, 32, 128, 258},
	7: {64, 64, 258, 258},
	8: {128, 128, 258, 258},
	9: {1024, 258, 258, 258},
}

// A history is what copies may refer to: the bytes before, and an index of them by hash. A place is the count of the
// bytes before it, modulo 1<<16. Places in the index are hints: what is too far away, or not the same, is passed over.
// Therefore nothing in it need be cleared or moved when old bytes go.
type history struct {
	window int // the furthest that a copy may reach back
	room   int // bytes that fit behind the window
	buf    []byte
	base   int // bytes that have gone from the front of buf
	from   int // the first byte of buf that no token stands for
	next   int // the first byte of buf that is not in the index

	shift uint // of a hash
	head  []uint16
	prev  []uint16 // by place, modulo window: the place before it with the same hash
}

func newHistory(windowBits int) *history {
	window := 1 << windowBits
	h := &history{
		window: window,
		room:   min(max(window, 4<<10), 16<<10),
		head:   make([]uint16, min(max(window, 1<<10), 16<<10)),
		prev:   make([]uint16, window),
	}
	h.reset(windowBits)
	return h
}

// reset forgets all. A message of fewer than 1<<n bytes needs no larger index.
func (h *history) reset(n int) {
	n = min(max(n, 8), bits.Len(uint(len(h.head)-1)))
	h.buf, h.base, h.from, h.next = h.buf[:0], 0, 0, 0
	h.shift = uint(32 - n)
	clear(h.head[:1<<n]) // so that what we write depends on nothing else
}

func (h *history) size() int { return cap(h.buf) + 2*cap(h.head) + 2*cap(h.prev) }

// add takes as much of p as there is room for. All that was there must have its tokens.
func (h *history) add(p []byte) int {
	whole := h.window + h.room
	if gone := len(h.buf) - h.window; gone > 0 && len(h.buf)+len(p) > whole {
		h.buf = h.buf[:copy(h.buf, h.buf[gone:])]
		h.base += gone
		h.from -= gone
		h.next -= gone
	}
	n := min(len(p), whole-len(h.buf))
	if need := len(h.buf) + n; need > cap(h.buf) {
		buf := make([]byte, len(h.buf), min(whole, max(need, 2*cap(h.buf))))
		copy(buf, h.buf)
		h.buf = buf
	}
	h.buf = append(h.buf, p[:n]...)
	return n
}

// hash is where in the index the four bytes that x holds are found.
func (h *history) hash(x uint32) uint32 { return x * 2654435761 >> (h.shift & 31) }

// index puts the places up to i, which is not among them, in the index.
func (h *history) index(i int) {
	at, i := h.next, min(i, len(h.buf)-minMatch+1)
	if at >= i {
		return
	}
	buf, head, prev, mask := h.buf[:i+minMatch-1], h.head, h.prev, h.window-1
	for ; at < i; at++ {
		place := h.base + at
		x := h.hash(binary.LittleEndian.Uint32(buf[at:]))
		prev[place&mask] = head[x]
		head[x] = uint16(place)
	}
	h.next = at
}

// find returns the longest copy for place i of buf that is longer than best, and puts the places up to i in the index.
// There must be minMatch bytes.
func (h *history) find(s search, i, best int) (length, distance int) {
	if h.next < i {
		h.index(i)
	}
	buf, prev, place := h.buf, h.prev, h.base+i
	want := buf[i:min(i+maxMatch, len(buf))]
	first := binary.LittleEndian.Uint32(want)
	x := h.hash(first)
	at := h.head[x]
	prev[place&(len(prev)-1)] = at
	h.head[x] = uint16(place)
	h.next = i + 1
	if len(want) <= best {
		return 0, 0
	}
	nice, most := min(s.nice, len(want)), min(i, h.window)
	last := 0
	for chain := s.chain; chain > 0; chain-- {
		d := int(uint16(place) - at)
		if d <= last || d > most {
			break
		}
		last = d
		from := buf[i-d:]
		if from[best] == want[best] && binary.LittleEndian.Uint32(from) == first {
			if n := minMatch + matchLen(from[minMatch:], want[minMatch:]); n > best {
				best, length, distance = n, n, d
				if n >= nice {
					break
				}
			}
		}
		at = prev[int(at)&(len(prev)-1)]
	}
	return length, distance
}

// matchLen is how many bytes of want stand at the start of p, which is longer.
func matchLen(p, want []byte) int {
	n := 0
	for ; n+8 <= len(want); n += 8 {
		if x := binary.LittleEndian.Uint64(p[n:]) ^ binary.LittleEndian.Uint64(want[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)>>3
		}
	}
	for ; n < len(want) && p[n] == want[n]; n++ {
	}
	return n
}

// left is how many bytes no token stands for yet.
func (h *history) left() int { return len(h.buf) - h.from }

// skip is tokens for what the peer has already.
func (h *history) skip() {
	h.from = len(h.buf)
	h.index(h.from)
}

// tokens gives e tokens for what is left, until it is full.
func (h *history) tokens(e *encoder, s search) {
	missed := h.from // since when nothing was found
	for h.left() > 0 && !e.full() {
		i := h.from
		length, distance := 0, 0
		if h.left() >= minMatch {
			length, distance = h.find(s, i, minMatch-1)
		}
		if length == 0 {
			h.from += min(1+(i-missed)>>6, h.left(), e.room()) // where nothing is found, look in fewer places
			e.literals(h.buf[i:h.from])
			continue
		}
		for length < s.lazy && e.room() > 1 && h.left() > minMatch {
			l, d := h.find(s, i+1, length)
			if l == 0 {
				break
			}
			e.literals(h.buf[i : i+1])
			i++
			length, distance = l, d
		}
		e.copy(length, distance)
		h.from = i + length
		if length > s.dense {
			h.next = h.from - 4
		}
		missed = h.from
	}
	h.index(h.from)
}

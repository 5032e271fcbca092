package deflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	minMatch = 4
	maxMatch = 258
	minSpan  = 4 << 10
)

// A search is how hard copies are searched for.
type search struct {
	chain int // how many places are compared
	lazy  int // a copy shorter than this is compared with one that starts a byte later
	nice  int // a copy of this length is good enough
}

// searches are those of the levels.
var searches = [...]search{
	1: {1, 0, 32},
	2: {2, 0, 32},
	3: {4, 8, 32},
	4: {8, 16, 64},
	5: {12, 16, 64},
	6: {24, 32, 128},
	7: {64, 64, 258},
	8: {128, 128, 258},
	9: {1024, 258, 258},
}

// A history is what copies may refer to: the bytes before, and an index of them by hash. Places are indices into buf; 0
// stands for none. A place in the index is a hint: the bytes there are compared.
type history struct {
	window int    // the furthest that a copy may reach back
	span   int    // bytes that are remembered, at least window
	buf    []byte // 2*span bytes at most
	from   int    // the first byte of buf that no token stands for
	next   int    // the first byte of buf that is not in the index
	shift  uint   // of a hash
	head   []uint16
	prev   []uint16 // by place, modulo span: the place before it with the same hash
}

func newHistory(windowBits int) *history {
	window := 1 << windowBits
	span := max(window, minSpan)
	h := &history{window: window, span: span, prev: make([]uint16, span), head: make([]uint16, min(span, 16<<10))}
	h.reset(bits.Len(uint(len(h.head) - 1)))
	return h
}

// reset forgets all. A message of fewer than 1<<n bytes needs no larger index.
func (h *history) reset(n int) {
	n = min(max(n, 8), bits.Len(uint(len(h.head)-1)))
	h.buf, h.from, h.next = h.buf[:0], 0, 1
	h.shift = uint(32 - n)
	clear(h.head[:1<<n])
}

func (h *history) size() int { return cap(h.buf) + 2*cap(h.head) + 2*cap(h.prev) }

// add takes as much of p as there is room for.
func (h *history) add(p []byte) int {
	if len(h.buf) == 2*h.span {
		h.slide()
	}
	n := min(len(p), 2*h.span-len(h.buf))
	if need := len(h.buf) + n; need > cap(h.buf) {
		buf := make([]byte, len(h.buf), min(2*h.span, max(need, 2*cap(h.buf))))
		copy(buf, h.buf)
		h.buf = buf
	}
	h.buf = append(h.buf, p[:n]...)
	return n
}

// slide forgets the older half.
func (h *history) slide() {
	h.buf = h.buf[:copy(h.buf, h.buf[h.span:])]
	h.from -= h.span
	h.next -= h.span
	for _, places := range [...][]uint16{h.head, h.prev} {
		for i, at := range places {
			places[i] = uint16(max(int(at)-h.span, 0))
		}
	}
}

func (h *history) hash(i int) uint32 {
	return binary.LittleEndian.Uint32(h.buf[i:]) * 2654435761 >> (h.shift & 31)
}

// index puts the places up to i, which is not among them, in the index.
func (h *history) index(i int) {
	i = min(i, len(h.buf)-minMatch+1)
	mask := h.span - 1
	for at := h.next; at < i; at++ {
		x := h.hash(at)
		h.prev[at&mask] = h.head[x]
		h.head[x] = uint16(at)
		h.next = at + 1
	}
}

// find returns the longest copy for place i that is longer than best, up to i in the index.
func (h *history) find(s search, i, best int) (length, distance int) {
	h.index(i)
	limit := min(maxMatch, len(h.buf)-i)
	if limit <= best {
		return 0, 0
	}
	buf := h.buf
	want := buf[i : i+limit]
	nice := min(s.nice, limit)
	mask := h.span - 1
	first := binary.LittleEndian.Uint32(want)
	at := int(h.head[h.hash(i)])
	for range s.chain {
		if at == 0 || i-at > h.window {
			break
		}
		if buf[at+best] == want[best] && binary.LittleEndian.Uint32(buf[at:]) == first {
			if n := matchLen(buf[at:], want); n > best {
				best, length, distance = n, n, i-at
				if n >= nice {
					break
				}
			}
		}
		before := int(h.prev[at&mask])
		if before >= at {
			break
		}
		at = before
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
		for length < s.lazy && e.room() > 1 {
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
		missed = h.from
	}
	h.index(h.from)
}

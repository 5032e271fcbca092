package deflate

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

const (
	maxTokens = 16 << 10 // of a block
	maxStored = 1<<16 - 1
)

// A bitWriter holds the bits that do not fill a byte yet.
type bitWriter struct {
	bits uint64
	n    uint // less than 8 between two calls
}

// put writes n bits of v, n ≤ 48, to dst[o:], where there must be room for 8 bytes, and returns where to go on.
func (w *bitWriter) put(dst []byte, o int, v uint64, n uint) int {
	w.bits |= v << (w.n & 63)
	w.n += n
	binary.LittleEndian.PutUint64(dst[o:], w.bits)
	o += int(w.n >> 3)
	w.bits >>= w.n &^ 7 & 63
	w.n &= 7
	return o
}

// align begins a block without compression: its length is what follows.
func (w *bitWriter) align(dst []byte) []byte {
	dst = append(dst, byte(w.bits))
	if w.n > 8-3 {
		dst = append(dst, 0)
	}
	*w = bitWriter{}
	return dst
}

// A code is what is written for a symbol: its bits and how many.
type code struct {
	bits uint16
	n    uint8
}

// An encoder gathers the tokens of a block and writes it. RFC 1951, section 3.2.
type encoder struct {
	token [maxTokens]uint32 // a literal, or isCopy | (length-3)<<16 | distance-1
	n     int
	size  int // bytes that the tokens stand for
	extra int // bits beside the codes

	litFreq  [litCodes]uint16
	distFreq [len(distances)]uint16
	lit      [litCodes]code
	dist     [len(distances)]code

	nlit, ndist, nheader int // codes that are told
	header               []headerSymbol
	headerFreq           [len(headerOrder)]uint16
	headerCode           [len(headerOrder)]code

	used, sorted [litCodes]uint32 // of makeCodes: symbols with how often they occur
	told         [litCodes + len(distances)]uint8
}

// A headerSymbol is one of the symbols that tell the lengths of codes, and its extra bits.
type headerSymbol struct{ symbol, extra uint8 }

const isCopy = 1 << 24

var encoders = sync.Pool{New: func() any { return new(encoder) }}

func (e *encoder) full() bool { return e.n == maxTokens }
func (e *encoder) room() int  { return maxTokens - e.n }

func (e *encoder) literals(p []byte) {
	for _, b := range p {
		e.token[e.n] = uint32(b)
		e.n++
		e.litFreq[b]++
	}
	e.size += len(p)
}

func (e *encoder) copy(length, distance int) {
	e.token[e.n] = isCopy | uint32(length-3)<<16 | uint32(distance-1)
	e.n++
	e.size += length
	l, d := lengthSymbol[length-3], distanceSymbol(uint32(distance-1))
	e.litFreq[endBlock+1+int(l)]++
	e.distFreq[d]++
	e.extra += int(lengths[l].bits) + int(distances[d].bits)
}

// lengthSymbol is the symbol, from 257 on, of a length, from 3 on.
var lengthSymbol = func() (t [maxMatch - 2]uint8) {
	for s, x := range lengths {
		for n := range 1 << x.bits {
			if i := int(x.base) - 3 + n; i < len(t) {
				t[i] = uint8(s) // the last one has a symbol of its own, too
			}
		}
	}
	return t
}()

// distanceSymbol is the symbol of the distance d+1.
func distanceSymbol(d uint32) uint32 {
	if d < 4 {
		return d
	}
	n := uint32(bits.Len32(d)) - 1
	return 2*n + d>>(n-1)&1
}

// block writes what was gathered, which stands for raw, in the shortest way, and begins a new block.
func (e *encoder) block(dst []byte, w *bitWriter, raw []byte) []byte {
	e.litFreq[endBlock] = 1
	e.nlit = e.makeCodes(e.lit[:], e.litFreq[:], maxCode)
	if e.ndist = e.makeCodes(e.dist[:], e.distFreq[:], maxCode); e.ndist == 0 {
		e.dist[0], e.ndist = code{n: 1}, 1 // not used, but not every peer can do without any
	}
	own, plain := e.makeHeader(), 3
	for s, f := range e.litFreq[:e.nlit] {
		own += int(f) * int(e.lit[s].n)
		plain += int(f) * int(fixed.litCode[s].n)
	}
	for s, f := range e.distFreq[:e.ndist] {
		own += int(f) * int(e.dist[s].n)
		plain += int(f) * 5
	}
	own += e.extra
	plain += e.extra
	switch stored := 40 + 8*len(raw); {
	case stored <= min(own, plain) && len(raw) <= maxStored:
		dst = w.align(dst)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(raw)))
		dst = binary.LittleEndian.AppendUint16(dst, ^uint16(len(raw)))
		dst = append(dst, raw...)
	case plain <= own:
		dst = slices.Grow(dst, plain/8+16)
		o := w.put(dst[:cap(dst)], len(dst), 1<<1, 3)
		dst = e.writeTokens(dst[:cap(dst)], o, w, &fixed.litCode, &fixed.distCode)
	default:
		dst = slices.Grow(dst, own/8+16)
		o := e.writeHeader(dst[:cap(dst)], len(dst), w)
		dst = e.writeTokens(dst[:cap(dst)], o, w, &e.lit, &e.dist)
	}
	e.n, e.size, e.extra = 0, 0, 0
	clear(e.litFreq[:])
	clear(e.distFreq[:])
	return dst
}

// writeTokens writes to dst[o:], where there is room, and returns dst up to what it wrote.
func (e *encoder) writeTokens(dst []byte, o int, w *bitWriter, lit *[litCodes]code, dist *[len(distances)]code) []byte {
	b := *w
	for _, t := range e.token[:e.n] {
		if t < isCopy {
			c := lit[t]
			o = b.put(dst, o, uint64(c.bits), uint(c.n))
			continue
		}
		length, distance := t>>16&0xff, t&0x7fff
		s := lengthSymbol[length]
		c, x := lit[endBlock+1+int(s)], lengths[s]
		v, n := uint64(c.bits), uint(c.n)
		v |= uint64(length+3-uint32(x.base)) << n
		n += uint(x.bits)

		ds := distanceSymbol(distance)
		c, x = dist[ds], distances[ds]
		v |= uint64(c.bits) << n
		n += uint(c.n)
		v |= uint64(distance+1-uint32(x.base)) << n
		n += uint(x.bits)
		o = b.put(dst, o, v, n)
	}
	c := lit[endBlock]
	o = b.put(dst, o, uint64(c.bits), uint(c.n))
	*w = b
	return dst[:o]
}

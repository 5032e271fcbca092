package deflate

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"
)

// A step is the part of a message that is read next.
type step uint8

const (
	blockHeader   step = iota // what kind of block it is
	storedHeader              // the length of a block without compression
	storedData                // its bytes
	dynamicHeader             // how many codes the block brings
	headerLengths             // the lengths of the code of their lengths
	codeLengths               // their lengths
	symbols                   // the block
)

// An inflate is the state of a message between two reads. A symbol is read whole or not at all, so
// the message can stop anywhere.
//
// RFC 1951, section 3.2.
type inflate struct {
	bits  uint64 // those that were read and not used, the next one lowest; 0 above nbits
	nbits uint
	step  step
	final bool // the block is the last of its stream
	ends  int  // blocks that have ended in this run

	stored           int // bytes left of a block without compression
	length, distance int // bytes left of a copy

	nlit, ndist, nheader int // codes that the block brings
	n                    int // lengths of codes that were read
	lengths              [litCodes + 32]uint8

	lit, dist       *decoder // the block's
	ownLit, ownDist decoder

	spare []byte // the window of a message without takeover
}

var inflates = sync.Pool{New: func() any { return new(inflate) }}

func (s *inflate) release() {
	s.bits, s.nbits, s.step, s.final, s.length = 0, 0, blockHeader, false, 0
	inflates.Put(s)
}

// ended reports whether a message may end here. A sender ends a message with an empty block, whose
// last four bytes it takes off: a message may end before those bytes. It may also end between two
// blocks, because some peers leave that block out or leave all of it in.
//
// RFC 7692, section 7.2.1.
func (s *inflate) ended() bool {
	return s.nbits == 0 && (s.step == storedHeader || s.step == blockHeader)
}

// run inflates until src is used up (nil), until room is (ErrRoom), or until the data is bad. It
// returns how much of src was used.
func (s *inflate) run(w *window, dst, src []byte, room int) (out []byte, used int, err error) {
	in := input{s, src, 0}
	s.ends = 0
	out = dst
	for more := true; more; {
		switch s.step {
		case blockHeader:
			more, err = in.blockHeader()
		case storedHeader:
			more, err = in.storedHeader()
		case storedData:
			out, more, err = in.storedData(out, room-(len(out)-len(dst)))
		case dynamicHeader:
			more, err = in.dynamicHeader()
		case headerLengths:
			more, err = in.headerLengths()
		case codeLengths:
			more, err = in.codeLengths()
		case symbols:
			out, more, err = in.symbols(w, len(dst), out, room)
		}
		if err != nil {
			return out, in.i, err
		}
	}
	return out, in.i, nil
}

// An input is a part of a message under way. Each method reads the next item whole, and reports
// whether all of it was there.
type input struct {
	*inflate
	src []byte
	i   int // bytes of src that were used
}

// need reads until there are n bits, n ≤ 48, or until the input ends.
func (in *input) need(n uint) bool {
	for in.nbits < n && in.i < len(in.src) {
		in.bits |= uint64(in.src[in.i]) << in.nbits
		in.nbits += 8
		in.i++
	}
	return in.nbits >= n
}

func (in *input) take(n uint) int {
	v := in.bits & (1<<n - 1)
	in.bits >>= n
	in.nbits -= n
	return int(v)
}

// endOfBlock goes on to the next block. A final block is padded to whole bytes and ends its stream.
// The blocks behind it have the same window.
//
// RFC 7692, section 7.2.3.4.
func (in *input) endOfBlock() {
	if in.final {
		in.take(in.nbits & 7)
	}
	in.step = blockHeader
	in.ends++
}

func (in *input) blockHeader() (bool, error) {
	if !in.need(3) {
		return false, nil
	}
	in.final = in.take(1) == 1
	switch in.take(2) {
	case 0:
		in.take(in.nbits & 7)
		in.step = storedHeader
	case 1:
		in.lit, in.dist = &fixed.lit, &fixed.dist
		in.step = symbols
	case 2:
		in.step = dynamicHeader
	default:
		return false, ErrCorrupt
	}
	return true, nil
}

func (in *input) storedHeader() (bool, error) {
	if !in.need(32) {
		return false, nil
	}
	in.stored = in.take(16)
	if in.take(16) != in.stored^0xffff {
		return false, ErrCorrupt
	}
	in.step = storedData
	return true, nil
}

func (in *input) storedData(out []byte, room int) ([]byte, bool, error) {
	for in.stored > 0 && in.nbits > 0 && room > 0 {
		out = append(out, byte(in.take(8)))
		in.stored--
		room--
	}
	if in.nbits == 0 {
		n := min(in.stored, len(in.src)-in.i, room)
		out = append(out, in.src[in.i:in.i+n]...)
		in.i += n
		in.stored -= n
		room -= n
	}
	if in.stored == 0 {
		in.endOfBlock()
		return out, true, nil
	}
	if room <= 0 && (in.nbits > 0 || in.i < len(in.src)) {
		return out, false, ErrRoom
	}
	return out, false, nil
}

func (in *input) dynamicHeader() (bool, error) {
	if !in.need(14) {
		return false, nil
	}
	in.nlit, in.ndist, in.nheader = in.take(5)+257, in.take(5)+1, in.take(4)+4
	if in.nlit > 286 || in.ndist > len(distances) {
		return false, ErrCorrupt
	}
	in.n = 0
	clear(in.lengths[:len(headerOrder)])
	in.step = headerLengths
	return true, nil
}

func (in *input) headerLengths() (bool, error) {
	for ; in.n < in.nheader; in.n++ {
		if !in.need(3) {
			return false, nil
		}
		in.lengths[headerOrder[in.n]] = uint8(in.take(3))
	}
	if !in.ownLit.init(in.lengths[:len(headerOrder)]) {
		return false, ErrCorrupt
	}
	in.n = 0
	in.step = codeLengths
	return true, nil
}

func (in *input) codeLengths() (bool, error) {
	for in.n < in.nlit+in.ndist {
		whole := in.need(7 + 7)
		e := in.ownLit.table[in.bits&(1<<primary-1)] // the code's codes have 7 bits at most
		if e == 0 && in.nbits >= 7 {
			return false, ErrCorrupt
		}
		symbol, n := e>>4, uint(e&15)
		repeat, more, length := 1, uint(0), uint8(symbol)
		switch symbol {
		case 16:
			if in.n == 0 && n <= in.nbits {
				return false, ErrCorrupt
			}
			repeat, more, length = 3, 2, in.lengths[max(in.n, 1)-1]
		case 17:
			repeat, more, length = 3, 3, 0
		case 18:
			repeat, more, length = 11, 7, 0
		}
		if e == 0 || !whole && n+more > in.nbits {
			return false, nil
		}
		in.take(n)
		repeat += in.take(more)
		if in.n+repeat > in.nlit+in.ndist {
			return false, ErrCorrupt
		}
		for range repeat {
			in.lengths[in.n] = length
			in.n++
		}
	}
	if in.lengths[endBlock] == 0 ||
		!in.ownLit.init(in.lengths[:in.nlit]) ||
		!in.ownDist.init(in.lengths[in.nlit:in.nlit+in.ndist]) {
		return false, ErrCorrupt
	}
	in.lit, in.dist = &in.ownLit, &in.ownDist
	in.step = symbols
	return true, nil
}

// symbols inflates a block to out[base:], which may have room bytes at most. Copies refer to
// out[base:] first. The bytes before it are in the window.
func (in *input) symbols(w *window, base int, out []byte, room int) ([]byte, bool, error) {
	src, i := in.src, in.i
	bits, nbits := in.bits, in.nbits
	lit, dist := in.lit, in.dist
	end := base + min(max(room, 0), math.MaxInt-base)
	o := len(out)
	out = out[:min(cap(out), max(end, o))]
	var err error
	more := false

	for {
		if in.length > 0 {
			if out = reserve(out, o, min(o+in.length, end), end, len(src)-i); o == end {
				err = ErrRoom
				break
			}
			n := min(in.length, end-o)
			in.length -= n
			o = repeat(w, out, base, o, n, in.distance)
			continue
		}
		if nbits < 48 {
			if len(src)-i >= 8 {
				bits |= binary.LittleEndian.Uint64(src[i:]) << (nbits & 63)
				n := (63 - nbits) >> 3
				i += int(n)
				nbits += n << 3
			} else {
				for ; nbits <= 56 && i < len(src); i++ {
					bits |= uint64(src[i]) << (nbits & 63)
					nbits += 8
				}
			}
		}

		e := lit.table[bits&(1<<primary-1)]
		symbol, n := uint(e>>4), uint(e&15)
		if n == 0 {
			if symbol, n = lit.long(bits); n == 0 {
				if nbits >= maxCode {
					err = ErrCorrupt
				}
				break
			}
		}
		if n > nbits {
			break
		}
		if symbol < endBlock {
			if o == len(out) {
				if out = reserve(out, o, min(o+1, end), end, len(src)-i); o == end {
					err = ErrRoom
					break
				}
			}
			out[o] = byte(symbol)
			o++
			bits >>= n & 63
			nbits -= n
			continue
		}
		if symbol == endBlock {
			bits >>= n & 63
			nbits -= n
			more = true
			break
		}
		if symbol -= endBlock + 1; symbol >= uint(len(lengths)) {
			err = ErrCorrupt
			break
		}
		x := lengths[symbol]
		length := int(x.base) + int(bits>>(n&63)&(1<<(x.bits&15)-1))
		n += uint(x.bits)

		e = dist.table[bits>>(n&63)&(1<<primary-1)]
		symbol = uint(e >> 4)
		if m := uint(e & 15); m > 0 {
			n += m
		} else {
			if symbol, m = dist.long(bits >> (n & 63)); m == 0 {
				if nbits >= n+maxCode {
					err = ErrCorrupt
				}
				break
			}
			n += m
		}
		if n > nbits {
			break
		}
		if symbol >= uint(len(distances)) {
			err = ErrCorrupt
			break
		}
		x = distances[symbol]
		distance := int(x.base) + int(bits>>(n&63)&(1<<(x.bits&15)-1))
		if n += uint(x.bits); n > nbits {
			break
		}
		bits >>= n & 63
		nbits -= n
		if distance > w.size || distance > o-base+len(w.buf) {
			err = ErrCorrupt
			break
		}
		in.length, in.distance = length, distance
	}

	in.i = i
	in.bits, in.nbits = bits&(1<<nbits-1), nbits
	if more {
		in.endOfBlock()
	}
	return out[:o], more, err
}

// reserve makes room for at least out[:n], n ≤ end. o bytes are written, and left bytes of input
// are to come. The room depends on the input that has come: a declared length reserves nothing.
func reserve(out []byte, o, n, end, left int) []byte {
	if n <= len(out) {
		return out
	}
	out = slices.Grow(out[:o], max(n-o, min(end-o, 64+4*left)))
	return out[:min(cap(out), end)]
}

// repeat copies to out[o:o+n] the bytes that begin distance before it, and returns o+n. Those that
// are not in out[base:] are in w.
func repeat(w *window, out []byte, base, o, n, distance int) int {
	to := o + n
	if far := distance - (o - base); far > 0 {
		o += w.copy(out[o:to], far)
	}
	for from := o - distance; o < to; { // a copy that overlaps its output doubles with each turn
		o += copy(out[o:to], out[from:o])
	}
	return to
}

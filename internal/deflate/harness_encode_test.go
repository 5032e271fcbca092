package deflate

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// An encoder writes DEFLATE blocks that are valid, and as odd as chance makes them. There are codes
// of all lengths, codes of one symbol, repeats in the header, and copies from all distances.
type encoder struct {
	*rand.Rand
	out   []byte
	nbits int
	plain []byte   // what all messages inflate to
	final bool     // the message has a final block
	marks [][2]int // a number of bits of the message, and how much they inflate to
}

// write writes the lowest n bits of v, the lowest first.
func (e *encoder) write(v, n int) {
	for ; n > 0; n-- {
		if e.nbits%8 == 0 {
			e.out = append(e.out, 0)
		}
		e.out[len(e.out)-1] |= byte(v&1) << (e.nbits % 8)
		v >>= 1
		e.nbits++
	}
}

// add notes bytes that the bits so far inflate to.
func (e *encoder) add(p ...byte) {
	e.plain = append(e.plain, p...)
	e.marks = append(e.marks, [2]int{e.nbits, len(e.plain)})
}

func (e *encoder) align() { e.write(0, -e.nbits&7) }

// A prefixCode has the code of each symbol, and its length: 0 for a symbol that has none.
type prefixCode struct{ codes, lengths []int }

// codeOf makes the code that RFC 1951, section 3.2.2, gives to these lengths.
func codeOf(lengths []int) prefixCode {
	c := prefixCode{make([]int, len(lengths)), lengths}
	code := 0
	for n := 1; n <= maxCode; n++ {
		for s, l := range lengths {
			if l == n {
				c.codes[s] = int(bits.Reverse16(uint16(code))) >> (16 - n)
				code++
			}
		}
		code <<= 1
	}
	return c
}

// fixedCodes returns the codes of a block without codes of its own.
func fixedCodes() (lit, dist prefixCode) {
	lengths := make([]int, litCodes)
	for s := range lengths {
		switch {
		case s < 144:
			lengths[s] = 8
		case s < 256:
			lengths[s] = 9
		case s < 280:
			lengths[s] = 7
		default:
			lengths[s] = 8
		}
	}
	return codeOf(lengths), codeOf(slices.Repeat([]int{5}, 32))
}

func (e *encoder) symbol(c prefixCode, s int) {
	if c.lengths[s] == 0 {
		panic("the symbol has no code")
	}
	e.write(c.codes[s], c.lengths[s])
}

// randomCode makes a complete code for these symbols, of most bits at most. For a single symbol the
// code has one bit.
func (e *encoder) randomCode(n, most int, symbols []int) prefixCode {
	lengths := make([]int, n)
	if len(symbols) == 1 {
		lengths[symbols[0]] = 1
		return codeOf(lengths)
	}
	leaves := []int{0}
	deep := e.IntN(3) > 0
	for len(leaves) < len(symbols) {
		i := e.IntN(len(leaves))
		if deep && e.IntN(4) > 0 {
			i = len(leaves) - 1 // the last to be split
		}
		if leaves[i] == most {
			i = slices.Index(leaves, slices.Min(leaves))
		}
		leaves[i]++
		leaves = append(leaves, leaves[i])
	}
	e.Shuffle(len(leaves), func(i, j int) { leaves[i], leaves[j] = leaves[j], leaves[i] })
	for i, s := range symbols {
		lengths[s] = leaves[i]
	}
	return codeOf(lengths)
}

// some returns at least least different numbers below n, few more often than many.
func (e *encoder) some(n, least int, must ...int) []int {
	all := e.Perm(n)[:least+e.IntN(1+e.IntN(n-least+1))]
	for _, m := range must {
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

// block writes a random block. If it is final, the stream ends with it.
func (e *encoder) block(final bool) {
	e.write(map[bool]int{true: 1}[final], 1)
	switch e.IntN(5) {
	case 0:
		e.write(0, 2)
		e.align()
		n := e.IntN(30)
		e.write(n, 16)
		e.write(n^0xffff, 16)
		for range n {
			b := e.IntN(256)
			e.write(b, 8)
			e.add(byte(b))
		}
	case 1:
		e.write(1, 2)
		e.symbols(fixedCodes())
	default:
		e.write(2, 2)
		lit, dist := e.randomCodes()
		e.header(lit, dist)
		e.symbols(lit, dist)
	}
	if final {
		e.align()
		e.final = true
	}
}

// randomCodes makes the codes of a dynamic block.
func (e *encoder) randomCodes() (lit, dist prefixCode) {
	lit = e.randomCode(286, maxCode, e.some(286, 0, endBlock))
	switch e.IntN(5) {
	case 0:
		dist = codeOf(make([]int, 30))
	case 1:
		dist = e.randomCode(30, maxCode, []int{e.IntN(30)})
	default:
		dist = e.randomCode(30, maxCode, e.some(30, 2))
	}
	return lit, dist
}

// header writes the codes of a dynamic block.
func (e *encoder) header(lit, dist prefixCode) {
	last := func(c prefixCode, least int) int { // how many lengths are to be written
		for n := len(c.lengths); n > least; n-- {
			if c.lengths[n-1] > 0 || e.IntN(10) == 0 {
				return n
			}
		}
		return least
	}
	nlit, ndist := last(lit, 257), last(dist, 1)
	lengths := slices.Concat(lit.lengths[:nlit], dist.lengths[:ndist])

	// A symbol, and what its extra bits say.
	var runs [][3]int // symbol, extra, bits of extra
	for i := 0; i < len(lengths); {
		n := 1
		for i+n < len(lengths) && lengths[i+n] == lengths[i] {
			n++
		}
		switch {
		case lengths[i] == 0 && n >= 11 && e.IntN(4) > 0:
			n = 11 + e.IntN(min(n, 138)-10)
			runs = append(runs, [3]int{18, n - 11, 7})
		case lengths[i] == 0 && n >= 3 && e.IntN(4) > 0:
			n = 3 + e.IntN(min(n, 10)-2)
			runs = append(runs, [3]int{17, n - 3, 3})
		case i > 0 && lengths[i] == lengths[i-1] && n >= 3 && e.IntN(4) > 0:
			n = 3 + e.IntN(min(n, 6)-2)
			runs = append(runs, [3]int{16, n - 3, 2})
		default:
			n = 1
			runs = append(runs, [3]int{lengths[i], 0, 0})
		}
		i += n
	}
	var used []int
	for _, r := range runs {
		if !slices.Contains(used, r[0]) {
			used = append(used, r[0])
		}
	}
	code := e.randomCode(19, 7, used)
	nheader := len(headerOrder)
	for nheader > 4 && code.lengths[headerOrder[nheader-1]] == 0 && e.IntN(10) > 0 {
		nheader--
	}
	e.write(nlit-257, 5)
	e.write(ndist-1, 5)
	e.write(nheader-4, 4)
	for _, s := range headerOrder[:nheader] {
		e.write(code.lengths[s], 3)
	}
	for _, r := range runs {
		e.symbol(code, r[0])
		e.write(r[1], r[2])
	}
}

// symbols writes random literals and copies, and the end of the block.
func (e *encoder) symbols(lit, dist prefixCode) {
	have := func(c prefixCode, below int) (symbols []int) {
		for s, n := range c.lengths[:min(below, len(c.lengths))] {
			if n > 0 {
				symbols = append(symbols, s)
			}
		}
		return symbols
	}
	literals, far := have(lit, 286), have(dist, len(distances))
	for range e.IntN(60) {
		s := literals[e.IntN(len(literals))]
		if s == endBlock {
			continue
		}
		if s < endBlock {
			e.symbol(lit, s)
			e.add(byte(s))
			continue
		}
		if len(far) == 0 {
			continue
		}
		d := far[e.IntN(len(far))]
		length, distance := lengths[s-endBlock-1], distances[d]
		if int(distance.base) > len(e.plain) {
			continue
		}
		more := e.IntN(1 << length.bits)
		back := e.IntN(min(1<<distance.bits, len(e.plain)-int(distance.base)+1))
		e.symbol(lit, s)
		e.write(more, int(length.bits))
		e.symbol(dist, d)
		e.write(back, int(distance.bits))
		for range int(length.base) + more {
			e.plain = append(e.plain, e.plain[len(e.plain)-int(distance.base)-back])
		}
		e.add()
	}
	e.symbol(lit, endBlock)
}

// sizes returns at most n small numbers.
func (e *encoder) sizes(n int) []byte {
	sizes := make([]byte, e.IntN(n))
	for i := range sizes {
		sizes[i] = byte(1 + e.IntN(n))
	}
	return sizes
}

// message returns a message of random blocks. Every few messages have a final block in them.
func (e *encoder) message() (data, plain []byte) {
	e.out, e.nbits, e.final, e.marks = nil, 0, false, nil
	was := len(e.plain)
	for range 1 + e.IntN(4) {
		e.block(e.IntN(8) == 0)
	}
	e.write(0, 3) // an empty block without compression, whose last four bytes are left out
	e.align()
	return e.out, e.plain[was:]
}

package deflate

import (
	"math/bits"
	"slices"
)

const seldom = 32

// makeCodes makes the best prefix code, of limit bits at most, for symbols that occur as often as freq says, of which
// none is empty. A lone symbol gets a code of one bit. It returns how many symbols there are up to the last one used.
func (e *encoder) makeCodes(codes []code, freq []uint16, limit int) int {
	// Sort by how often they occur: seldom ones by counting, the few others by comparing.
	var starts [seldom + 1]uint16
	used := e.used[:0]
	for s, f := range freq {
		if f > 0 {
			used = append(used, uint32(f)<<9|uint32(s))
			starts[min(f, seldom)]++
		}
	}
	if len(used) == 0 {
		return 0
	}
	end := int(used[len(used)-1]&0x1ff) + 1
	clear(codes[:end])
	at := uint16(0)
	for f, n := range &starts {
		starts[f] = at
		at += n
	}
	often := starts[seldom]
	a := e.sorted[:len(used)]
	for _, x := range used {
		i := &starts[min(x>>9, seldom)]
		a[*i] = x
		*i++
	}
	slices.Sort(a[often:])

	sums := e.used[:len(a)]
	for i, x := range a {
		sums[i] = x >> 9
	}
	var count [maxCode + 1]uint16 // of codes, by length
	for _, n := range huffmanLengths(sums) {
		count[min(int(n), limit)]++
	}
	fit(count[:limit+1])
	i := len(a)
	for n := range count {
		for range count[n] {
			i--
			codes[a[i]&0x1ff].n = uint8(n)
		}
	}
	number(codes[:end], &count)
	return end
}

// number gives the codes their bits: those of a length follow one another, shorter ones first.
func number(codes []code, count *[maxCode + 1]uint16) {
	var next [maxCode + 1]uint16
	for n := 1; n <= maxCode; n++ {
		next[n] = (next[n-1] + count[n-1]) << 1
	}
	for s := range codes {
		c := &codes[s]
		if n := c.n & maxCode; n > 0 {
			c.bits = bits.Reverse16(next[n]) >> (16 - n)
			next[n]++
		}
	}
}

// huffmanLengths replaces how often symbols occur, in ascending order, by the lengths of their codes.
// A. Moffat, J. Katajainen: In-Place Calculation of Minimum-Redundancy Codes, 1995.
func huffmanLengths(a []uint32) []uint32 {
	n := len(a)
	switch n {
	case 0:
		return a
	case 1:
		a[0] = 1
		return a
	}
	// Left to right: a tree of sums. Each node gives way to the index of its parent.
	root, leaf := 0, 0
	for next := range n - 1 {
		sum := uint32(0)
		for range 2 {
			if leaf >= n || root < next && a[root] < a[leaf] {
				sum += a[root]
				a[root] = uint32(next)
				root++
			} else {
				sum += a[leaf]
				leaf++
			}
		}
		a[next] = sum
	}
	// Right to left: the depths of the nodes.
	a[n-2] = 0
	for next := n - 3; next >= 0; next-- {
		a[next] = a[a[next]] + 1
	}
	// Right to left: the depths of the leaves.
	nodes, depth := 1, uint32(0)
	root = n - 2
	for next := n - 1; nodes > 0; depth++ {
		inner := 0
		for root >= 0 && a[root] == depth {
			inner++
			root--
		}
		for ; nodes > inner; nodes-- {
			a[next] = depth
			next--
		}
		nodes = 2 * inner
	}
	return a
}

// fit makes a whole code again of one whose codes were cut to the last length.
func fit(count []uint16) {
	limit := len(count) - 1
	total := 0
	for n := 1; n <= limit; n++ {
		total += int(count[n]) << (limit - n)
	}
	for ; total > 1<<limit; total-- {
		count[limit]--
		for n := limit - 1; ; n-- {
			if count[n] > 0 {
				count[n]--
				count[n+1] += 2
				break
			}
		}
	}
}

// makeHeader makes what tells the block's codes, and returns how many bits that is.
func (e *encoder) makeHeader() int {
	told := e.told[:0]
	for _, c := range e.lit[:e.nlit] {
		told = append(told, c.n)
	}
	for _, c := range e.dist[:e.ndist] {
		told = append(told, c.n)
	}
	e.header = e.header[:0]
	clear(e.headerFreq[:])
	for len(told) > 0 {
		n := 1
		for n < len(told) && told[n] == told[0] {
			n++
		}
		e.tellRun(told[0], n)
		told = told[n:]
	}
	clear(e.headerCode[:])
	e.makeCodes(e.headerCode[:], e.headerFreq[:], 7)

	e.nheader = len(headerOrder)
	for e.nheader > 4 && e.headerCode[headerOrder[e.nheader-1]].n == 0 {
		e.nheader--
	}
	size := 3 + 5 + 5 + 4 + 3*e.nheader
	for s, f := range &e.headerFreq {
		size += int(f) * int(e.headerCode[s].n+headerExtra[s])
	}
	return size
}

// headerExtra is how many extra bits a symbol of the header has.
var headerExtra = [len(headerOrder)]uint8{16: 2, 17: 3, 18: 7}

// tellRun tells n equal lengths.
func (e *encoder) tellRun(length uint8, n int) {
	for length == 0 && n >= 3 {
		m := min(n, 138)
		if m < 11 {
			e.tell(17, m-3)
		} else {
			e.tell(18, m-11)
		}
		n -= m
	}
	for first := true; n > 0; first = false {
		m := 1
		if first || n < 3 {
			e.tell(length, 0)
		} else {
			m = min(n, 6)
			e.tell(16, m-3)
		}
		n -= m
	}
}

func (e *encoder) tell(symbol uint8, extra int) {
	e.header = append(e.header, headerSymbol{symbol, uint8(extra)})
	e.headerFreq[symbol]++
}

// writeHeader writes to dst[o:], where there is room, and returns where to go on.
func (e *encoder) writeHeader(dst []byte, o int, w *bitWriter) int {
	o = w.put(dst, o, 2<<1|uint64(e.nlit-257)<<3|uint64(e.ndist-1)<<8|uint64(e.nheader-4)<<13, 3+5+5+4)
	for _, s := range headerOrder[:e.nheader] {
		o = w.put(dst, o, uint64(e.headerCode[s].n), 3)
	}
	for _, x := range e.header {
		c := e.headerCode[x.symbol]
		o = w.put(dst, o, uint64(c.bits)|uint64(x.extra)<<c.n, uint(c.n+headerExtra[x.symbol]))
	}
	return o
}

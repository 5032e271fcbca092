package deflate

import "math/bits"

const (
	maxCode  = 15  // the longest code, in bits
	litCodes = 288 // literals, the end of a block and lengths; the last two may not occur
	endBlock = 256
	primary  = 9 // bits of a decoder's table
)

// A decoder decodes the symbols of one prefix code.
//
// RFC 1951, section 3.2.2.
type decoder struct {
	// By the next bits: symbol<<4 | bits of its code. 0 where the code is longer, or there is none.
	table [1 << primary]uint16

	// Longer codes are rare, and are compared one length after another.
	count  [maxCode + 1]uint16 // of codes, by length
	symbol [litCodes]uint16    // in the order of their codes
	first  int                 // the first code longer than primary, cut to primary bits
	index  int                 // of its symbol
}

// init builds the decoder from the lengths of the codes, 0 for a symbol that has none. It reports
// whether they make a code. A code uses all bit strings, or has a single symbol of one bit as zlib
// does, or none.
func (d *decoder) init(lengths []uint8) bool {
	clear(d.count[:])
	for _, n := range lengths {
		d.count[n]++
	}
	d.count[0] = 0
	var next [maxCode + 2]int // the index of the next symbol, by length
	left, used := 1, 0
	for n := 1; n <= maxCode; n++ {
		left = left<<1 - int(d.count[n])
		if left < 0 {
			return false
		}
		used += int(d.count[n])
		next[n+1] = used
	}
	if left > 0 && used > 0 && (used != 1 || d.count[1] != 1) {
		return false
	}
	for s, n := range lengths {
		if n > 0 {
			d.symbol[next[n]] = uint16(s)
			next[n]++
		}
	}

	d.table[0] = 0
	code, i := 0, 0
	for n := 1; n <= primary; n++ {
		half := 1 << (n - 1) // the entries of shorter codes stand in both halves
		copy(d.table[half:2*half], d.table[:half])
		code <<= 1
		for range d.count[n] {
			reversed := bits.Reverse16(uint16(code)) >> (16 - n)
			d.table[reversed] = d.symbol[i]<<4 | uint16(n)
			code++
			i++
		}
	}
	d.first, d.index = code, i
	return true
}

// long decodes a code of more than primary bits. It returns 0 bits where there is none.
func (d *decoder) long(b uint64) (symbol, n uint) {
	code := int(bits.Reverse16(uint16(b)) >> (16 - primary))
	first, i := d.first, d.index
	for n := primary + 1; n <= maxCode; n++ {
		code = code<<1 | int(b>>(n-1)&1)
		first <<= 1
		count := int(d.count[n])
		if code-first < count {
			return uint(d.symbol[i+code-first]), uint(n)
		}
		i += count
		first += count
	}
	return 0, 0
}

// fixed are the codes of blocks without codes of their own.
//
// RFC 1951, section 3.2.6.
var fixed = func() (f struct{ lit, dist decoder }) {
	var lengths [litCodes]uint8
	for s := range lengths {
		switch {
		case s >= 144 && s < 256:
			lengths[s] = 9
		case s >= 256 && s < 280:
			lengths[s] = 7
		default:
			lengths[s] = 8
		}
	}
	f.lit.init(lengths[:])
	for s := range 32 {
		lengths[s] = 5
	}
	f.dist.init(lengths[:32])
	return f
}()

// An extra is a range of lengths or distances that share one symbol. More bits say which one of
// them is meant.
type extra struct {
	base uint16
	bits uint8
}

// lengths and distances are the ranges by symbol. lengths start at symbol 257.
//
// RFC 1951, section 3.2.5.
var (
	lengths = [29]extra{
		{3, 0}, {4, 0}, {5, 0}, {6, 0}, {7, 0}, {8, 0}, {9, 0}, {10, 0}, {11, 1}, {13, 1},
		{15, 1}, {17, 1}, {19, 2}, {23, 2}, {27, 2}, {31, 2}, {35, 3}, {43, 3}, {51, 3}, {59, 3},
		{67, 4}, {83, 4}, {99, 4}, {115, 4}, {131, 5}, {163, 5}, {195, 5}, {227, 5}, {258, 0},
	}
	distances = [30]extra{
		{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 1}, {7, 1}, {9, 2}, {13, 2}, {17, 3}, {25, 3},
		{33, 4}, {49, 4}, {65, 5}, {97, 5}, {129, 6}, {193, 6}, {257, 7}, {385, 7}, {513, 8}, {769, 8},
		{1025, 9}, {1537, 9}, {2049, 10}, {3073, 10}, {4097, 11}, {6145, 11},
		{8193, 12}, {12289, 12}, {16385, 13}, {24577, 13},
	}
)

// headerOrder is the order in which a header lists the lengths of its own code.
//
// RFC 1951, section 3.2.7.
var headerOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

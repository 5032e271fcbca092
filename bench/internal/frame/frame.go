// Package frame is the framing of the neutral peer, as short as possible. It has precomputed frames
// to send, and a walk over input that looks at headers only. It belongs to no library, so that no
// library is measured against itself.
package frame

import "encoding/binary"

// mask is the key of all masked frames: the peer's need not be random.
const mask = "\x5a\x17\xc3\x8e"

// The opcodes that occur (RFC 6455, section 5.2).
const (
	Binary = 0x2
	Close  = 0x8

	fin       = 0x80
	masked    = 0x80
	isControl = 0x8
)

// New returns one frame, the whole of a message with this payload. A client's frames are masked.
func New(op byte, payload []byte, client bool) []byte {
	f := []byte{fin | op}
	switch n := len(payload); {
	case n < 126:
		f = append(f, byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 127), uint64(n))
	}
	if !client {
		return append(f, payload...)
	}
	f[1] |= masked
	f = append(f, mask...)
	for i, b := range payload {
		f = append(f, b^mask[i%4])
	}
	return f
}

// Repeat returns as many copies of f as fit in n bytes, one at least, and their number.
func Repeat(f []byte, n int) (block []byte, copies int) {
	copies = max(1, n/len(f))
	for range copies {
		block = append(block, f...)
	}
	return block, copies
}

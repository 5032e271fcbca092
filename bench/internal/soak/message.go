package soak

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"

	"github.com/wsstream/wsstream"
)

// A message begins with a header in hexadecimal digits, so that text may have it, too. The header
// has the number of the connection and its side, and the number and the size of the message. It
// ends with the checksum of all the other bytes. So the receiver can tell which message it is, and
// that it is whole.
const (
	rawHeader  = 24 // bytes
	header     = 2 * rawHeader
	beforeSum  = 2 * (rawHeader - 4)
	corpusSize = 1 << 20 // bytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// corpora are the bytes that messages are cut from: random ones, and text that compresses well.
var corpora = sync.OnceValue(func() (c [2][]byte) {
	r := rand.New(rand.NewPCG(1, 2))
	for len(c[0]) < corpusSize+maxSize {
		c[0] = binary.LittleEndian.AppendUint64(c[0], r.Uint64())
		c[1] = fmt.Appendf(c[1], "%d wells and %x streams; ", r.IntN(100), r.IntN(1<<20))
	}
	return c
})

// appendMessage appends message number n of size bytes from a side of the plan's connection to b.
func (p Plan) appendMessage(b []byte, from Side, n uint64, size int) []byte {
	size = min(max(size, header), maxSize)
	var raw [rawHeader]byte
	binary.BigEndian.PutUint64(raw[:], p.ID<<1|uint64(from))
	binary.BigEndian.PutUint64(raw[8:], n)
	binary.BigEndian.PutUint32(raw[16:], uint32(size))
	start := len(b)
	b = hex.AppendEncode(b, raw[:])
	corpus := corpora()[0]
	if p.Lanes[from].Text {
		corpus = corpora()[1]
	}
	at := (p.ID*7919 + n*104729) % corpusSize
	b = append(b, corpus[at:at+uint64(size-header)]...)
	m := b[start:]
	binary.BigEndian.PutUint32(raw[20:], sum(m))
	hex.Encode(m[beforeSum:header], raw[20:])
	return b
}

// sum is the checksum of a message.
func sum(m []byte) uint32 {
	return crc32.Update(crc32.Checksum(m[:beforeSum], castagnoli), castagnoli, m[header:])
}

// check returns an error unless data is message number n from that side, whole.
func (p Plan) check(t wsstream.Type, data []byte, from Side, n uint64) error {
	if len(data) < header {
		return fmt.Errorf("message %d has %d bytes, less than its header", n, len(data))
	}
	var raw [rawHeader]byte
	if _, err := hex.Decode(raw[:], data[:header]); err != nil {
		return fmt.Errorf("message %d begins with %q, which was not sent", n, data[:header])
	}
	whose, number := binary.BigEndian.Uint64(raw[:]), binary.BigEndian.Uint64(raw[8:])
	size := binary.BigEndian.Uint32(raw[16:])
	switch {
	case int(size) != len(data):
		return fmt.Errorf("message %d has %d bytes of %d", n, len(data), size)
	case sum(data) != binary.BigEndian.Uint32(raw[20:]):
		return fmt.Errorf("message %d has a wrong checksum", n)
	case whose != p.ID<<1|uint64(from):
		return fmt.Errorf("message %d is one of connection %d, from the %v", n, whose>>1,
			Side(whose&1))
	case number < n:
		return fmt.Errorf("message %d came again, in place of message %d", number, n)
	case number > n:
		return fmt.Errorf("message %d came, in place of message %d", number, n)
	case t != p.messageType(from):
		return fmt.Errorf("message %d has the type %v", n, t)
	}
	return nil
}

// messageType is the type of a side's messages.
func (p Plan) messageType(from Side) wsstream.Type {
	if p.Lanes[from].Text {
		return wsstream.TypeText
	}
	return wsstream.TypeBinary
}

// size draws the size of a message: most are small.
func size(r *rand.Rand) int {
	switch n := r.IntN(100); {
	case n < 60:
		return header + r.IntN(256)
	case n < 90:
		return header + r.IntN(2<<10)
	case n < 99:
		return header + r.IntN(16<<10)
	}
	return header + r.IntN(maxSize-header)
}

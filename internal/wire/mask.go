package wire

import (
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"

	"github.com/gobwas/ws"
)

// A masker makes the masking keys of a client's frames. A peer cannot predict them.
//
// RFC 6455, sections 5.3 and 10.3.
type masker struct{ keys *mathrand.ChaCha8 }

// newMasker returns a masker whose keys are seeded from the system's randomness.
func newMasker() masker {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails
	return masker{mathrand.NewChaCha8(seed)}
}

// key returns a fresh masking key.
func (m masker) key() (key [4]byte) {
	binary.LittleEndian.PutUint32(key[:], uint32(m.keys.Uint64()))
	return key
}

// A masking is a frame's masking key, and the position in it at which the next payload byte is.
type masking struct {
	on    bool // the frame is masked
	phase uint8
	key   [4]byte
}

// apply masks, or unmasks, the next bytes of the frame where they lie.
func (m *masking) apply(b []byte) {
	if m.on {
		ws.Cipher(b, m.key, int(m.phase))
		m.phase = uint8((int(m.phase) + len(b)) % 4)
	}
}

// unmaskInto copies src to dst, which has the same length, and takes the mask off. For short
// payloads this is faster than a copy followed by ws.Cipher.
func unmaskInto(dst, src []byte, key [4]byte) {
	if len(src) > maxControl {
		ws.Cipher(dst[:copy(dst, src)], key, 0)
		return
	}
	m := uint64(binary.LittleEndian.Uint32(key[:]))
	m |= m << 32
	for len(src) >= 32 {
		d, s := (*[32]byte)(dst), (*[32]byte)(src)
		binary.LittleEndian.PutUint64(d[0:8], binary.LittleEndian.Uint64(s[0:8])^m)
		binary.LittleEndian.PutUint64(d[8:16], binary.LittleEndian.Uint64(s[8:16])^m)
		binary.LittleEndian.PutUint64(d[16:24], binary.LittleEndian.Uint64(s[16:24])^m)
		binary.LittleEndian.PutUint64(d[24:32], binary.LittleEndian.Uint64(s[24:32])^m)
		dst, src = dst[32:], src[32:]
	}
	for len(src) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^m)
		dst, src = dst[8:], src[8:]
	}
	for i := range min(len(src), len(dst)) {
		dst[i] = src[i] ^ byte(m>>(8*i))
	}
}

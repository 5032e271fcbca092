package handshake

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
)

const (
	keySize   = 16                    // random bytes of a Sec-WebSocket-Key
	keyLength = (keySize + 2) / 3 * 4 // of a Sec-WebSocket-Key, in base64
)

// newKey returns a Sec-WebSocket-Key.
func newKey() string {
	var nonce [keySize]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// isKey reports whether s is a Sec-WebSocket-Key.
func isKey(s string) bool {
	if len(s) != keyLength {
		return false
	}
	var nonce [keyLength / 4 * 3]byte // as many as Decode may write
	n, err := base64.StdEncoding.Decode(nonce[:], []byte(s))
	return err == nil && n == keySize
}

// AcceptKey returns the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key.
//
// RFC 6455, section 4.2.2.
func AcceptKey(key string) string {
	const id = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	var room [keyLength + len(id)]byte // on the stack, as sum is
	sum := sha1.Sum(append(append(room[:0], key...), id...))
	var accept [(sha1.Size + 2) / 3 * 4]byte
	base64.StdEncoding.Encode(accept[:], sum[:])
	return string(accept[:])
}

package handshake

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
)

// keySize is how many random bytes a Sec-WebSocket-Key has.
const keySize = 16

// newKey returns a Sec-WebSocket-Key.
func newKey() string {
	var nonce [keySize]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// isKey reports whether s is a Sec-WebSocket-Key.
func isKey(s string) bool {
	nonce, err := base64.StdEncoding.DecodeString(s)
	return err == nil && len(nonce) == keySize
}

// AcceptKey returns the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key.
//
// RFC 6455, section 4.2.2.
func AcceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

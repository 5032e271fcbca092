package wsstream

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/stream"
)

// A Type is the type of a message.
type Type uint8

// The types of messages.
//
// RFC 6455, section 5.6.
const (
	TypeText   Type = 1 // its Data is UTF-8
	TypeBinary Type = 2 // its Data is any bytes
)

// String returns the name of the type.
func (t Type) String() string {
	switch t {
	case TypeText:
		return "text"
	case TypeBinary:
		return "binary"
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// A Message is one WebSocket message. Its Data may be empty.
//
// The caller of Pull and All owns the Data and may keep it. The caller of Write owns the Data again
// when Write returns.
type Message struct {
	Type Type   // TypeText or TypeBinary
	Data []byte // the payload

	// NoCompress sends the message uncompressed where Compression would compress it. Set it on
	// images, and on messages that mix secrets with attacker-controlled text. Pipes and transforms
	// keep it. A Pull clears it.
	NoCompress bool

	ready *prepared // of Prepare; nil: none
}

// Text returns a text message with a copy of s.
func Text(s string) Message { return Message{Type: TypeText, Data: []byte(s)} }

// Binary returns a binary message with b, which it does not copy.
func Binary(b []byte) Message { return Message{Type: TypeBinary, Data: b} }

var errNotUTF8 = errors.New("wsstream: text message is not UTF-8: nothing was sent")

// check returns an error if t is no type.
func (t Type) check() error {
	if t != TypeText && t != TypeBinary {
		return fmt.Errorf("wsstream: a message's type is TypeText or TypeBinary, not %v", t)
	}
	return nil
}

// check returns an error if m must not be sent.
func (m Message) check() error {
	if p := m.prepared(); p != nil {
		return p.err
	}
	if err := m.Type.check(); err != nil {
		return err
	}
	if m.Type == TypeText && !utf8.Valid(m.Data) {
		return errNotUTF8
	}
	return nil
}

// op returns the opcode of the type, which has the same number.
//
// RFC 6455, section 5.2.
func (t Type) op() ws.OpCode { return ws.OpCode(t) }

// Bytes is the strategy of a stream.Queue of messages, a Tee or a Broadcast that buffers n bytes of
// Data. A message without Data counts as one byte, so a stream of such messages is limited, too. A
// prepared message counts in the same way, even if its receivers share its memory.
func Bytes(n int) stream.Strategy[Message] {
	return stream.Size(n, func(m Message) int { return max(len(m.Data), 1) })
}

package wsstream

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/stream"
)

// A Type says what a message's payload is.
type Type uint8

// The types of messages (RFC 6455, section 5.6).
const (
	TypeText   Type = 1 // UTF-8
	TypeBinary Type = 2 // any bytes
)

// String returns the type's name.
func (t Type) String() string {
	switch t {
	case TypeText:
		return "text"
	case TypeBinary:
		return "binary"
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// A Message is one WebSocket message. One without data is a message too.
//
// Data from Pull and All is the caller's to keep. Data given to Write is the caller's again when Write returns.
type Message struct {
	Type Type
	Data []byte

	// NoCompress sends the message as it is where Compression would compress it: for what is compressed already, as
	// pictures are, and for secrets. It goes with the message through pipes and transforms; a Pull clears it.
	NoCompress bool

	ready *prepared // by Prepare; nil for most
}

// Text returns a text message of s.
func Text(s string) Message { return Message{Type: TypeText, Data: []byte(s)} }

// Binary returns a binary message of b, which it does not copy.
func Binary(b []byte) Message { return Message{Type: TypeBinary, Data: b} }

var errNotUTF8 = errors.New("wsstream: text message is not UTF-8: nothing was sent")

func (t Type) check() error {
	if t != TypeText && t != TypeBinary {
		return fmt.Errorf("wsstream: a message's type is TypeText or TypeBinary, not %v", t)
	}
	return nil
}

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

func (t Type) op() ws.OpCode { return ws.OpCode(t) } // RFC 6455, section 5.2 numbers them alike

// Bytes is a strategy that holds n bytes of messages' Data, for a stream.Queue of them, a Tee or a Broadcast. A message
// without Data counts as one byte, so that a stream of them is bounded too. What was prepared counts as any other,
// though those who share it share its memory.
func Bytes(n int) stream.Strategy[Message] {
	return stream.Size(n, func(m Message) int { return max(len(m.Data), 1) })
}

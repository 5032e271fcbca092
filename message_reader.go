package wsstream

import (
	"io"

	"github.com/wsstream/wsstream/internal/wire"
)

// A MessageReader reads one message as it comes. Its methods may be called concurrently. Each Read
// then gets a different part of the payload.
type MessageReader struct{ r wire.Reader }

// Type returns the type of the message.
func (m *MessageReader) Type() Type { return Type(m.r.Op()) }

// Read reads the part of the payload that has come, and waits if there is none. The end of the
// message is io.EOF. If the end of the connection cuts the message short, the error is
// io.ErrUnexpectedEOF, or an *Error with the peer's code or 1006. Text is checked as UTF-8 as it
// comes.
func (m *MessageReader) Read(p []byte) (int, error) { return m.r.Read(p) }

// WriteTo writes the rest of the message to w as it comes, and returns how many bytes it has
// written. Its error is that of Read or of w. After an error of w, the bytes that w did not take
// are lost. The end of the message is no error.
func (m *MessageReader) WriteTo(w io.Writer) (int64, error) { return m.r.WriteTo(w) }

// Close skips the rest of the message. It does not wait: bytes that come later are dropped then.
// Reads fail with ErrClosed from now on. Close returns nil.
func (m *MessageReader) Close() error { return m.r.Close() }

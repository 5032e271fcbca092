package wsstream

import (
	"io"

	"github.com/wsstream/wsstream/internal/wire"
)

// A MessageReader reads one message as it comes. Its methods may be called at once; its Reads then share the payload
// between them.
type MessageReader struct{ r wire.Reader }

// Type is the type of the message.
func (m *MessageReader) Type() Type { return Type(m.r.Op()) }

// Read reads what there is of the payload, and waits if there is nothing. The end of the message is io.EOF. A
// message that its connection's end cuts short ends with io.ErrUnexpectedEOF, or with an *Error that tells the
// peer's code or 1006. Text is checked as UTF-8 as it comes.
func (m *MessageReader) Read(p []byte) (int, error) { return m.r.Read(p) }

// WriteTo writes the rest of the message to w as it comes, and returns how many bytes that were. Its error is that of
// Read, or of w; after one of w's, what w did not take is lost. The end of the message is no error.
func (m *MessageReader) WriteTo(w io.Writer) (int64, error) { return m.r.WriteTo(w) }

// Close skips what was not read. It does not wait: what has not come yet is dropped as it comes. Reads fail with
// ErrClosed from then on. Close returns nil.
func (m *MessageReader) Close() error { return m.r.Close() }

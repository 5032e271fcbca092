package wsstream

import (
	"errors"
	"io"

	"github.com/wsstream/wsstream/internal/wire"
)

// A MessageWriter writes one message piece by piece. Its methods may be called concurrently. The
// bytes of each Write stay together. Close or Abort of the connection ends it: its calls then fail
// with the Writable's error, and the message is never finished.
type MessageWriter struct {
	w *wire.Writer
	c *Conn
	t Type
}

var _ io.ReaderFrom = (*MessageWriter)(nil)

// Write sends p in frames as room comes. It returns how many bytes were accepted. They are fewer
// than len(p) only with an error. A piece of text may end inside a character. Bytes that cannot be
// UTF-8 are an error, and nothing of p is sent.
func (m *MessageWriter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	return n, textError(err)
}

// ReadFrom sends the bytes of r until r ends, in frames, as room comes: io.Copy to a MessageWriter
// does so. It reads only when WriteWindow has room, and keeps no buffer while it waits. It does not
// end the message: Close does. Bytes of concurrent Writes may come between two frames.
//
// ReadFrom returns how many bytes were sent, and the first error of r or of sending; the end of r
// is no error. Bytes that r gave together with an error are sent. If sending fails, the bytes of
// the last Read are lost. The end of the context that NewMessage was given does not end a Read of
// r.
func (m *MessageWriter) ReadFrom(r io.Reader) (int64, error) {
	n, err := m.w.ReadFrom(r)
	return n, textError(err)
}

// NoCompress sends the message uncompressed, as Message.NoCompress does. After the first Write it
// does nothing.
func (m *MessageWriter) NoCompress() { m.w.NoCompress() }

// Close ends the message and lets the next Write in. It waits only for a Write of this message. A
// second Close returns ErrClosed.
//
// Text that ends inside a character cannot be ended by a frame. Close then fails the Writable, as
// Fail does, but does not wait for the end. What was accepted before is sent, and the peer gets
// 1011. Close and later Writes return an error that says so.
func (m *MessageWriter) Close() error {
	if err := m.w.Close(codeFor(errCutText, CloseInfo{}), errCutText); err != nil {
		return err
	}
	if m.c.seen != nil {
		m.c.seen.messageOut(m.c, m.t, m.w.Written())
	}
	return nil
}

var errCutText = errors.New(
	"wsstream: text message was closed inside a character: the Writable has failed")

// textError returns errNotUTF8 for the engine's error about text.
func textError(err error) error {
	if errors.Is(err, wire.ErrText) {
		return errNotUTF8
	}
	return err
}

package wsstream

import (
	"cmp"
	"context"
	"math"

	"github.com/wsstream/wsstream/internal/wire"
	"github.com/wsstream/wsstream/stream"
)

// A Writable is the stream of messages to the peer. WriteWindow and one message limit the output
// that is unsent, so a slow peer slows the writer down. It is a stream.Writable[Message].
//
// All methods may be called concurrently. Writes are served in the order they came, and each
// message is sent whole.
//
// A Write that returns because its context has ended has sent nothing, and leaves the connection as
// it was.
type Writable struct{ c *Conn }

var _ interface { // and all that stream.Pipe and stream.Join know
	stream.Writable[Message]
	stream.Notifier
	stream.Readier
	stream.TryWriter[Message]
	stream.Failer
	stream.Flusher
	stream.Borrower
} = (*Writable)(nil)

// Write waits its turn, then for credit. From then on the message is admitted. Write returns when
// the unsent output fits the window again. A small message costs a copy, and Write returns
// immediately. A large message is sent in frames of MaxFrameSize as room comes. While it need not
// wait, Write allocates nothing.
//
// m.Data is never changed. The caller owns it again when Write returns. A nil error does not mean
// that the peer or the kernel has the message: see Flush. Text that is not UTF-8 is an error of the
// call.
//
// If ctx ends before the message is admitted, Write returns context.Cause(ctx), and nothing was
// sent. If it ends later, the rest is copied into memory, and Write succeeds.
//
// After the end Write fails. The error is ErrClosed where a Pull returns io.EOF, the cause of Abort
// or Fail, or the *Error that a Pull returns. The table of ends in the package documentation lists
// the cases.
//
// Streams Standard, 5.3.3.
func (w *Writable) Write(ctx context.Context, m Message) error {
	if err := m.check(); err != nil {
		return err
	}
	e, err := w.c.wait(ctx)
	if err != nil {
		return err
	}
	err = w.send(ctx, e, m)
	if w.c.seen != nil && err == nil {
		w.c.seen.messageOut(w.c, m.Type, int64(len(m.Data)))
	}
	return err
}

// TryWrite writes m if it need not wait. It reports false while there is no credit, while a Write
// waits its turn, and before the handshake is done. After the end it fails as Write does. It never
// overtakes a Write, and it copies m.Data.
//
// A room may call it for one Conn after the other. TryWrite sends a lone message itself. It leaves
// the messages of a burst to a few goroutines that all Conns share.
func (w *Writable) TryWrite(m Message) (bool, error) {
	if err := m.check(); err != nil {
		return false, err
	}
	e := w.c.engine.Load()
	if e == nil {
		return false, w.c.failure()
	}
	ok, err := w.trySend(e, m)
	if w.c.seen != nil && ok {
		w.c.seen.messageOut(w.c, m.Type, int64(len(m.Data)))
	}
	return ok, err
}

// send writes m through e. If m remembers an encoding that fits, send uses it.
func (w *Writable) send(ctx context.Context, e *wire.Conn, m Message) error {
	if p := m.prepared(); p != nil && !w.c.client {
		as := e.Encoding(len(m.Data), !m.NoCompress)
		return e.WriteReady(ctx, p.frames(m, as), m.Data, as)
	}
	return e.Write(ctx, m.Type.op(), m.Data, !m.NoCompress)
}

// trySend is send for TryWrite.
func (w *Writable) trySend(e *wire.Conn, m Message) (bool, error) {
	if p := m.prepared(); p != nil && !w.c.client {
		as := e.Encoding(len(m.Data), !m.NoCompress)
		return e.TryWriteReady(p.frames(m, as), m.Data, as)
	}
	return e.TryWrite(m.Type.op(), m.Data, !m.NoCompress)
}

// Ready waits until DesiredSize is above zero. If the Writable has ended, it returns the error of
// the end. Several callers may wait, and another may take the credit first: loop over TryWrite and
// Ready. When ctx ends, only the wait ends.
//
// Streams Standard, 5.3.3.
func (w *Writable) Ready(ctx context.Context) error {
	e, err := w.c.wait(ctx)
	if err != nil {
		return err
	}
	return e.Ready(ctx)
}

// DesiredSize returns the credit: how many bytes on the wire can be written until Write waits. It
// is negative when the window is overdrawn. Before opening it is the whole window, after the end 0,
// and without a limit math.MaxInt.
//
// Streams Standard, 5.3.3.
func (w *Writable) DesiredSize() int {
	e := w.c.engine.Load()
	switch {
	case e == nil:
		if w.c.failure() != nil {
			return 0
		}
		return cmp.Or(max(w.c.window, 0), math.MaxInt)
	case w.c.window <= 0 && e.Credit() != 0:
		return math.MaxInt
	}
	return e.Credit()
}

// Flush waits until the kernel has taken all that was accepted before. Messages that are accepted
// later may share its system calls. Flush then waits for them, too. When ctx ends, only the wait
// ends. After the end Flush returns nil if all that was accepted before it has left, and otherwise
// the error of the Writable's end.
func (w *Writable) Flush(ctx context.Context) error {
	e, err := w.c.wait(ctx)
	if err != nil {
		return err
	}
	return e.Flush(ctx)
}

// NewMessage waits its turn to write a message piece by piece. The message may have any length:
// WriteWindow limits how much of it is buffered. Other Writes wait until the writer is closed. So
// close it, or no other Write gets its turn.
//
// ctx governs the writer's Writes, too. When it ends they fail, and the message stays open. After
// the end NewMessage fails as Write does.
//
// RFC 6455, section 5.4.
func (w *Writable) NewMessage(ctx context.Context, t Type) (*MessageWriter, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	e, err := w.c.wait(ctx)
	if err != nil {
		return nil, err
	}
	m, err := e.NewWriter(ctx, t.op())
	if err != nil {
		return nil, err
	}
	return &MessageWriter{m, w.c, t}, nil
}

// Close takes its turn behind the Writes that wait and an open MessageWriter. It sends what was
// accepted and a Close frame with 1000, and waits for the end. It returns nil if a Pull then
// returns io.EOF, and otherwise the error of that Pull. After an Abort or a Fail it returns their
// cause. If ctx ends while Close waits for its turn, Close has changed nothing. If ctx ends later,
// only the wait ends.
//
// Streams Standard, 5.2.4.
func (w *Writable) Close(ctx context.Context) error {
	e, err := w.c.wait(ctx)
	if err != nil {
		return err
	}
	return e.CloseWrite(ctx, wire.CloseInfo{Code: wire.CodeNormal}, ErrClosed)
}

// Fail closes as Close does, but because of a failure. Later Writes fail with cause. The Close
// frame has the code that Abort lists, and 1000 for a nil cause, io.EOF and ErrClosed. CloseTimeout
// starts when Fail has its turn.
//
// It returns nil if a Pull then returns io.EOF, and otherwise the error of that Pull. A later Close
// or Fail returns cause. An Abort while Fail waits drops the unsent output, and changes nothing
// else.
func (w *Writable) Fail(ctx context.Context, cause error) error {
	e, err := w.c.wait(ctx)
	if err != nil {
		return err
	}
	info := codeFor(cause, CloseInfo{Code: wire.CodeNormal})
	return e.CloseWrite(ctx, info, cmp.Or(cause, ErrClosed))
}

// Abort drops the output that was accepted and has not begun to leave. Pending and later Writes
// fail with cause, or with ErrClosed if it is nil. Dropped output does not make the end unclean.
// Abort never waits for the peer, may be called again, and returns nil. During the handshake it
// abandons the handshake. The Close frame tells the peer:
//
//	cause                                                 code
//	nil, io.EOF, ErrClosed, an *Error of 1005             none; 1000 from Fail and a Handler
//	an *Error of an unclean end, one that wraps           1011
//	  io.ErrUnexpectedEOF, one whose code may not be sent
//	any other *Error                                      its own, 1011 for 0, with its reason
//	context.Canceled                                      1001
//	any other                                             1011
//
// A reason that is too long is cut, and one that is not UTF-8 is left out. The text of other errors
// is not sent.
//
// Streams Standard, 5.2.4.
func (w *Writable) Abort(cause error) error {
	if e := w.c.orAbandon(orHandshakeClosed(cause)); e != nil {
		e.Abort(codeFor(cause, CloseInfo{}), cmp.Or(cause, ErrClosed))
	}
	return nil
}

// Borrows reports that the caller owns a message's Data again when Write returns. So a stream.Pipe
// from one Conn to another pulls all messages into the same memory, and allocates nothing for a
// message.
func (w *Writable) Borrows() bool { return true }

// Done is closed when the end of the Writable is decided.
func (w *Writable) Done() <-chan struct{} { return w.c.ends.Write.Done() }

package wsstream

import (
	"cmp"
	"context"
	"math"

	"github.com/wsstream/wsstream/internal/wire"
	"github.com/wsstream/wsstream/stream"
)

// A Writable is the stream of messages to the peer. What is unsent is bounded by WriteWindow and one message, so
// that a slow peer slows the writer down. It is a stream.Writable[Message].
//
// All methods may be called at once; Writes are served in the order they came, and each message is sent whole.
//
// A Write that its context ended has sent nothing, and the connection is as it was.
type Writable struct{ c *Conn }

var _ interface {
	stream.Writable[Message]
	stream.Borrower
	Fail(ctx context.Context, cause error) error
	Done() <-chan struct{} // which stream.Pipe looks for, as for the next two
	Ready(ctx context.Context) error
	TryWrite(m Message) (bool, error)
} = (*Writable)(nil)

// Write waits its turn until there is credit, and is admitted; it returns when what is unsent fits the window
// again. A small message costs a copy and returns at once; a large one is sent in frames of MaxFrameSize as room
// comes. m.Data is never changed, and is the caller's again when Write returns. Nil does not say that the peer has
// the message, nor that the kernel has: see Flush.
//
// If ctx ends before the message is admitted, Write returns context.Cause(ctx) and nothing was sent. If it ends
// later, the rest is copied into memory, and Write has succeeded.
//
// After the end Write fails with ErrClosed where a Pull gives io.EOF, with the cause of Abort or Fail, or with the
// *Error that a Pull gives; the table of ends in the package documentation says which. Text that is not UTF-8 is an error of the call. Write allocates nothing while
// it need not wait.
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

// TryWrite writes m if that needs no waiting: it reports false while credit is spent, a Write waits its turn or the
// handshake is not done, and fails as Write does after the end. It never overtakes a Write, and copies m.Data.
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

// send writes m through e, by the encoding that it remembers where there is one that fits.
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

// Ready waits until DesiredSize is above zero, or the Writable has ended, whose error it then returns. Several
// callers may wait, and each must reckon with another taking the credit: loop over TryWrite and Ready. The end of ctx
// ends only the wait.
// Streams Standard, 5.3.3.
func (w *Writable) Ready(ctx context.Context) error {
	e, err := w.c.wait(ctx)
	if err != nil {
		return err
	}
	return e.Ready(ctx)
}

// DesiredSize is the credit: what may be written until Write waits, in bytes on the wire. It is negative when the
// window is overdrawn, the whole window before opening, 0 after the end, and math.MaxInt if there is no bound.
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

// Flush waits until the kernel has taken all that was accepted before. What was accepted behind that may share its system
// calls, and is then waited for too. The end of ctx ends only the wait. Flush returns nil after the end too, if all that
// was accepted before it has left, else the error of the Writable's end.
func (w *Writable) Flush(ctx context.Context) error {
	e, err := w.c.wait(ctx)
	if err != nil {
		return err
	}
	return e.Flush(ctx)
}

// NewMessage waits its turn to write a message as it is made, of whatever length: what is held of it is bounded by
// WriteWindow alone. Other Writes wait until the writer is closed. ctx governs the writer's Writes too; when it ends
// they fail and the message stays open. It must be closed, or no other Write gets its turn. After the end NewMessage
// fails as Write does.
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

// Close takes its turn behind the Writes that wait and an open MessageWriter, sends what was accepted and a Close frame
// with 1000, and waits for the end. It returns nil where a Pull gives io.EOF then, else what the Pull gives; after an
// Abort or a Fail, their cause. The end of ctx ends the wait: for the turn, and then nothing was closed, or for the end.
// Streams Standard, 5.2.4.
func (w *Writable) Close(ctx context.Context) error {
	e, err := w.c.wait(ctx)
	if err != nil {
		return err
	}
	return e.CloseWrite(ctx, wire.CloseInfo{Code: wire.CodeNormal}, ErrClosed)
}

// Fail is Close because of a failure, behind what was accepted: Writes behind it fail with cause, and the Close frame
// carries the code that Abort tells of; 1000 for a nil cause, io.EOF and ErrClosed. CloseTimeout runs from its turn on. It
// returns nil where a Pull gives io.EOF then, else what the Pull gives; a later Close or Fail returns cause. An Abort
// while it waits drops what is unsent, and changes nothing else.
func (w *Writable) Fail(ctx context.Context, cause error) error {
	e, err := w.c.wait(ctx)
	if err != nil {
		return err
	}
	info := codeFor(cause, CloseInfo{Code: wire.CodeNormal})
	return e.CloseWrite(ctx, info, cmp.Or(cause, ErrClosed))
}

// Abort drops what was accepted and has not begun to leave, and fails pending and later Writes with cause, ErrClosed
// if it is nil. What was dropped does not make the end unclean. Abort never waits for the peer, may be called again,
// and returns nil. During the handshake it abandons it. The Close frame tells the peer:
//
//	cause                                                 code
//	nil, io.EOF, ErrClosed, an *Error of 1005             none; 1000 from Fail and a Handler
//	an *Error of an unclean end, one that wraps           1011
//	  io.ErrUnexpectedEOF, one whose code may not be sent
//	any other *Error                                      its own, 1011 for 0, with its reason
//	context.Canceled                                      1001
//	any other                                             1011
//
// A reason that is too long is cut, and one that is not UTF-8 is left out. The text of other errors is not sent.
// Streams Standard, 5.2.4.
func (w *Writable) Abort(cause error) error {
	if e := w.c.orAbandon(orHandshakeClosed(cause)); e != nil {
		e.Abort(codeFor(cause, CloseInfo{}), cmp.Or(cause, ErrClosed))
	}
	return nil
}

// Borrows reports that a message's Data is the caller's again when Write returns. So a stream.Pipe from one Conn to
// another pulls into the same memory all the time, and allocates nothing for a message.
func (w *Writable) Borrows() bool { return true }

// Done is closed when the end of the Writable is decided.
func (w *Writable) Done() <-chan struct{} { return w.c.ends.Write.Done() }

func orHandshakeClosed(cause error) error { return cmp.Or(cause, errHandshakeClosed) }

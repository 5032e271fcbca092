package resume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A Writable is the stream of messages to the peer. Its methods do what those of wsstream.Writable
// do, for the session instead of a connection. All may be called concurrently.
type Writable Session

var _ interface { // and all that stream.Pipe and stream.Join know
	stream.Writable[wsstream.Message]
	stream.Notifier
	stream.Readier
	stream.TryWriter[wsstream.Message]
	stream.Failer
	stream.Flusher
	stream.Borrower
} = (*Writable)(nil)

func (w *Writable) session() *Session { return (*Session)(w) }

// Write waits its turn, until the session has opened, and until the window has room. Then the
// message is accepted, and copied. It arrives exactly once and in order, or the session ends with
// an error. While there is no connection, Write accepts messages until the window is full. While
// there is one, the Write of a long message may wait for its WriteWindow, too.
//
// The caller owns m.Data again when Write returns. Text that is not UTF-8, and a message above the
// peer's limit, are errors of the call. If ctx ends before the message is accepted, Write returns
// context.Cause(ctx), and nothing was written. After the end Write fails. The error is
// wsstream.ErrClosed where a Pull returns io.EOF, the cause of Abort or Fail, or that of a Pull.
func (w *Writable) Write(ctx context.Context, m wsstream.Message) error {
	if err := check(m); err != nil {
		return err
	}
	if ctx.Err() != nil && !w.session().isOwn(ctx) {
		return context.Cause(ctx)
	}
	return w.out.write(ctx, m)
}

// TryWrite writes m if it need not wait. It reports false while the window is full, while a Write
// waits, and before the session has opened. After the end it fails as Write does.
func (w *Writable) TryWrite(m wsstream.Message) (bool, error) {
	if err := check(m); err != nil {
		return false, err
	}
	return w.out.tryWrite(m)
}

func check(m wsstream.Message) error {
	switch {
	case m.Type != wsstream.TypeText && m.Type != wsstream.TypeBinary:
		return fmt.Errorf("resume: a message of type %v", m.Type)
	case uint64(len(m.Data)) > maxBody:
		return fmt.Errorf("resume: a message of %d bytes: the protocol has at most %d",
			len(m.Data), uint32(maxBody))
	case m.Type == wsstream.TypeText && !utf8.Valid(m.Data):
		return errors.New("resume: a text message that is not UTF-8")
	}
	return nil
}

// Ready waits until the window has room. After the end it returns the error of Write.
func (w *Writable) Ready(ctx context.Context) error {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	if err := w.out.awaitRoomRelocks(ctx); err != nil {
		return err
	}
	w.out.turn.pass()
	return nil
}

// DesiredSize returns how many bytes of the window are free. A message takes its bytes and 5. It is
// negative when the window is overdrawn, and 0 before the session has opened and after the end.
func (w *Writable) DesiredSize() int {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	if w.out.end != nil {
		return 0
	}
	return w.out.freeLocked()
}

// Flush waits until the peer has received all that was accepted before. If the session ends first,
// Flush returns its error. If an Abort has dropped some of that, Flush returns the error of Write.
func (w *Writable) Flush(ctx context.Context) error { return w.out.flush(ctx) }

// Close takes its turn behind the Writes that wait, and ends the session in order, with 1000. It
// waits for the end. It returns nil if a Pull then returns io.EOF, and otherwise the error of that
// Pull. After an Abort or a Fail it returns their cause. If ctx ends while Close waits for its
// turn, Close has changed nothing. If it ends later, only the wait ends.
func (w *Writable) Close(ctx context.Context) error { return w.finish(ctx, nil) }

// Fail ends the session as Close does, but because of a failure. Later Writes fail with cause. The
// peer gets the code that [wsstream.Writable.Abort] lists, and 1000 for a nil cause, io.EOF and
// ErrClosed.
func (w *Writable) Fail(ctx context.Context, cause error) error { return w.finish(ctx, cause) }

func (w *Writable) finish(ctx context.Context, cause error) error {
	o := &w.out
	o.mu.Lock()
	if err := o.turn.take(ctx, &o.mu); err != nil {
		o.mu.Unlock()
		return err
	}
	end := o.end
	first := o.finishLocked(codeFor(cause, wsstream.CloseInfo{Code: 1000}),
		cmp.Or(cause, wsstream.ErrClosed))
	o.turn.pass()
	o.mu.Unlock()
	if !first && !errors.Is(end, wsstream.ErrClosed) {
		return end
	}
	return w.session().await(ctx)
}

// Abort ends the session in order, but without what was accepted and never sent. Pending and later
// Writes fail with cause, or with wsstream.ErrClosed if it is nil. The peer gets the code that
// [wsstream.Writable.Abort] lists. Abort never waits for the peer, and returns nil.
func (w *Writable) Abort(cause error) error {
	w.out.finish(codeFor(cause, wsstream.CloseInfo{}), cmp.Or(cause, wsstream.ErrClosed),
		true)
	w.session().abandonOpening()
	return nil
}

// Borrows reports that the caller owns a message's Data again when Write returns.
func (w *Writable) Borrows() bool { return true }

// Done is closed when the end of the Writable is decided.
func (w *Writable) Done() <-chan struct{} { return w.out.done }

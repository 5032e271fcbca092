package stream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/wsstream/wsstream/internal/gate"
)

// ToWriter returns a Writable that writes each chunk to w, with one call of Write, never two at once, on the writer's
// goroutine. It keeps nothing of a chunk (see Borrower). An error of w's is the end of the stream: later Writes return
// it too.
//
// A Write that blocks is ended, when its ctx ends or with Abort, by w's SetWriteDeadline where it has one, else by
// Close where w is an io.Closer, else not at all: Write returns when w's does. If ctx ends it after some bytes were
// written, or by Close, the stream has failed, with an error that wraps the cause; else it is as it was.
//
// Close takes its turn, flushes w where it has a Flush() error, and closes it where it is an io.Closer; so give Pipe
// PreventClose for an os.Stdout. Abort closes w too (with the cause, where it has CloseWithError), does not flush it,
// and returns the error of that. ToWriter starts no goroutine.
func ToWriter(w io.Writer) Writable[[]byte] {
	s := &byteSink{w: w, done: make(chan struct{})}
	s.gate = gate.New(s.done)
	s.interrupt.closing = closerOf(w)
	if d, ok := w.(interface{ SetWriteDeadline(t time.Time) error }); ok {
		s.interrupt.deadline = d.SetWriteDeadline
	}
	return s
}

// A byteSink is an io.Writer as a Writable.
type byteSink struct {
	w         io.Writer
	interrupt interrupter
	gate      *gate.Gate    // to write
	done      chan struct{} // closed when the end is decided

	mu  sync.Mutex
	end error // of Writes, once done is closed; guarded by mu
}

// Write writes p.
func (s *byteSink) Write(ctx context.Context, p []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !s.gate.Lock(ctx) || isDone(s.done) {
		return s.endOr(ctx)
	}
	defer s.gate.Unlock()
	if !s.interrupt.begin(ctx) {
		return s.endOr(ctx)
	}
	n, err := s.w.Write(p)
	poked := s.interrupt.end(err)
	switch {
	case err == nil && n < len(p):
		err = io.ErrShortWrite
	case err == nil:
		return nil
	case isDone(s.done): // aborted
		return s.endOr(ctx)
	case poked && n == 0:
		return context.Cause(ctx) // the Write was ended, not the stream
	case poked || ctx.Err() != nil && s.interrupt.hasClosed():
		err = fmt.Errorf("stream: chunk cut after %d of %d bytes: %w", n, len(p), context.Cause(ctx))
	}
	s.finish(err)
	return err
}

// Borrows reports that Write keeps nothing.
func (s *byteSink) Borrows() bool { return true }

// Done is closed when the end is decided.
func (s *byteSink) Done() <-chan struct{} { return s.done }

// Ready returns the error of the end, and never waits: an io.Writer does not tell what room it has.
func (s *byteSink) Ready(ctx context.Context) error {
	if ctx.Err() != nil || isDone(s.done) {
		return s.endOr(ctx)
	}
	return nil
}

// Close closes w in turn.
func (s *byteSink) Close(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !s.gate.Lock(ctx) {
		return closeResult(io.EOF, s.endOr(ctx))
	}
	defer s.gate.Unlock()
	if !s.finish(ErrClosed) {
		return closeResult(io.EOF, s.endOr(ctx))
	}
	var err error
	if f, ok := s.w.(interface{ Flush() error }); ok {
		err = f.Flush()
	}
	return errors.Join(err, s.interrupt.stop(nil))
}

// Abort closes w at once.
func (s *byteSink) Abort(cause error) error {
	cause = cmp.Or(cause, ErrClosed)
	s.finish(cause)
	return s.interrupt.stop(cause)
}

// finish decides the end, and reports whether it was open.
func (s *byteSink) finish(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return false
	}
	s.end = err
	close(s.done)
	return true
}

// endOr returns the error of the end; if there is none, the cause of ctx's.
func (s *byteSink) endOr(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.end, context.Cause(ctx))
}

// Writer returns dst as an io.WriteCloser: each Write is one chunk, written with ctx; one of no bytes is none. Write
// copies what it is given, as an io.Writer must, unless dst keeps nothing of it (see Borrower). Close closes dst. When
// ctx has ended, calls fail with its cause, and dst is as it was; Writer never aborts dst. It has a ReadFrom, so that
// io.Copy to it copies nothing twice: chunks of 32 KiB at most, one for each Read.
func Writer(ctx context.Context, dst Writable[[]byte]) io.WriteCloser {
	b, ok := dst.(Borrower)
	return &writer{
		write:   func(p []byte) error { return dst.Write(ctx, p) },
		close:   func() error { return dst.Close(ctx) },
		borrows: ok && b.Borrows(),
	}
}

type writer struct {
	write   func([]byte) error
	close   func() error
	borrows bool
}

// Write writes p as one chunk.
func (w *writer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	chunk := p
	if !w.borrows {
		chunk = bytes.Clone(p)
	}
	if err := w.write(chunk); err != nil {
		return 0, err
	}
	return len(p), nil
}

// ReadFrom writes what r gives.
func (w *writer) ReadFrom(r io.Reader) (read int64, err error) {
	ctx := context.Background() // ends no Read, as io.Copy's ends with r alone
	src := &byteSource{r: r, size: defaultChunk}
	pull := src.next
	if w.borrows {
		buf := make([]byte, defaultChunk)
		pull = func(ctx context.Context) ([]byte, error) {
			n, err := src.read(ctx, buf)
			return buf[:n], err
		}
	}
	for {
		chunk, err := pull(ctx)
		if own, ok := err.(failure); ok {
			err = own.error
		}
		switch {
		case err == io.EOF:
			return read, nil
		case err != nil:
			return read, err
		}
		if err := w.write(chunk); err != nil {
			return read, err
		}
		read += int64(len(chunk))
	}
}

// Close closes the stream.
func (w *writer) Close() error { return w.close() }

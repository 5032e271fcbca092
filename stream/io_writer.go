package stream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wsstream/wsstream/internal/gate"
)

// ToWriter returns a [Writable] that writes each chunk to w with one call of Write. It calls Write
// on the goroutine that writes, and never concurrently. It keeps nothing of a chunk (see
// [Borrower]). An error of w is the end of the stream: later Writes return it, too.
//
// A context that ends, and Abort, end a Write that blocks. They use w's SetWriteDeadline if it has
// one. Else they close w if it is an [io.Closer]. Else Write returns when that of w does. If w has
// written a part of the chunk, or was closed, the stream has failed, with an error that wraps the
// cause. Otherwise the stream is as it was.
//
// Close takes its turn, flushes w if it has a Flush() error, and closes w if it is an io.Closer. So
// give [Pipe] PreventClose for an os.Stdout. Fail does the same, and closes w with the cause if it
// has a CloseWithError. Any other w does not show that it did not get all chunks, so check the
// error that Pipe returns. Abort closes w as Fail does, but immediately and without flushing. All
// three return the errors of flushing and closing.
//
// There is no TryWrite, since any Write of w may wait. ToWriter starts no goroutine.
func ToWriter(w io.Writer) Writable[[]byte] {
	s := &byteSink{w: w, sinkEnd: newSinkEnd()}
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
	gate      *gate.Gate // to write
	sinkEnd
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
	case poked || s.interrupt.cutBy() != nil:
		cause := cmp.Or(s.interrupt.cutBy(), context.Cause(ctx))
		err = fmt.Errorf("stream: chunk cut after %d of %d bytes: %w", n, len(p), cause)
	}
	s.finish(err)
	return err
}

// Borrows reports that Write keeps nothing.
func (s *byteSink) Borrows() bool { return true }

// Close takes its turn, and closes w.
func (s *byteSink) Close(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if done, err := s.finishInTurn(ctx, ErrClosed, nil); done {
		return err
	}
	return closeResult(io.EOF, s.endOr(ctx))
}

// Fail takes its turn, and closes w with cause.
func (s *byteSink) Fail(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	cause = cmp.Or(cause, ErrClosed)
	if done, err := s.finishInTurn(ctx, cause, cause); done {
		return err
	}
	if isDone(s.done) {
		return nil
	}
	return context.Cause(ctx)
}

// finishInTurn decides the end, flushes w and closes it with cause. It reports false if ctx or the
// stream ended first.
func (s *byteSink) finishInTurn(ctx context.Context, end, cause error) (done bool, err error) {
	if !s.gate.Lock(ctx) {
		return false, nil
	}
	defer s.gate.Unlock()
	if !s.finish(end) {
		return false, nil
	}
	if f, ok := s.w.(interface{ Flush() error }); ok {
		err = f.Flush()
	}
	return true, errors.Join(err, s.interrupt.stop(cause))
}

// Abort closes w immediately.
func (s *byteSink) Abort(cause error) error {
	cause = cmp.Or(cause, ErrClosed)
	s.finish(cause)
	return s.interrupt.stop(cause)
}

// AsWriter returns dst as an [io.WriteCloser]. Each Write writes one chunk to dst with ctx; a Write
// of no bytes writes none. It copies its bytes, as an io.Writer must, unless dst keeps nothing of a
// chunk (see [Borrower]). When ctx has ended, calls fail with its cause, and dst is as it was. The
// writer is an [io.ReaderFrom]: io.Copy to it copies nothing twice, and each Read makes one chunk
// of at most 32 KiB.
//
// Close closes dst. Use it if the stream is complete. If the stream is not complete, use the method
// CloseWithError(cause error) error, which an [io.PipeWriter] has, too. It fails dst with cause
// (see [Failer]), or closes dst if cause is nil. Fail, Abort, Ready, Done, Flush and TryWrite are
// those of dst, where dst has them. TryWrite copies as Write does.
func AsWriter(ctx context.Context, dst Writable[[]byte]) io.WriteCloser {
	w := &writer{
		dst:     dst,
		write:   func(p []byte) error { return dst.Write(ctx, p) },
		close:   func() error { return dst.Close(ctx) },
		fail:    func(cause error) error { return failIn(ctx, dst, cause) },
		borrows: borrows(dst),
	}
	if t, ok := dst.(TryWriter[[]byte]); ok {
		return &tryingWriter{w, t}
	}
	return w
}

type writer struct {
	dst     Writable[[]byte]
	write   func([]byte) error
	close   func() error
	fail    func(error) error
	borrows bool
}

// chunk returns p, or a copy if dst may keep it.
func (w *writer) chunk(p []byte) []byte {
	if w.borrows {
		return p
	}
	return bytes.Clone(p)
}

// Write writes p as one chunk.
func (w *writer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := w.write(w.chunk(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// ReadFrom writes the bytes of r.
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

// CloseWithError fails the stream with cause, or closes it if that is nil.
func (w *writer) CloseWithError(cause error) error {
	if cause == nil {
		return w.close()
	}
	return w.fail(cause)
}

// Fail fails the stream, or aborts it if it has no Fail.
func (w *writer) Fail(ctx context.Context, cause error) error { return failIn(ctx, w.dst, cause) }

// Abort aborts the stream.
func (w *writer) Abort(cause error) error { return w.dst.Abort(cause) }

// Ready waits until the stream has room, if the stream can tell.
func (w *writer) Ready(ctx context.Context) error { return readyOf(w.dst)(ctx) }

// Done returns that of the stream, which may be nil.
func (w *writer) Done() <-chan struct{} { return doneOf(w.dst) }

// Flush flushes the stream, if it has a Flush.
func (w *writer) Flush(ctx context.Context) error { return flush(ctx, w.dst) }

// A tryingWriter is a writer on a TryWriter.
type tryingWriter struct {
	*writer
	try TryWriter[[]byte]
}

// TryWrite writes p as one chunk, if that needs no waiting.
func (w *tryingWriter) TryWrite(p []byte) (bool, error) {
	if len(p) == 0 {
		return true, nil
	}
	return w.try.TryWrite(w.chunk(p))
}

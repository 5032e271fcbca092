package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"
)

const defaultChunk = 32 << 10 // as io.Copy's buffer

// FromReader returns the bytes of r in chunks of what one Read gives: size bytes at most, never none; a size of zero
// or less is 32 KiB. Each Pull is one Read, on the puller's goroutine, and nothing is read ahead. The end of r is the
// end of the stream, and its error the stream's. What Pull returns is the caller's; a PullInto reads into the chunk it
// is given.
//
// A Read that blocks is ended, when the Pull's ctx ends or with Cancel, by r's SetReadDeadline where it has one, and
// then the stream is as it was; else by Close where r is an io.Closer, and then the stream has failed with the ctx's
// cause; else not at all: Pull returns when Read does. Cancel closes r where it is an io.Closer (with the cause, where
// it has CloseWithError), and returns the error of that; the end of the stream does not. FromReader starts no
// goroutine.
func FromReader(r io.Reader, size int) Readable[[]byte] {
	if size <= 0 {
		size = defaultChunk
	}
	b := &byteSource{r: r, size: size}
	b.interrupt.closing = closerOf(r)
	if d, ok := r.(interface{ SetReadDeadline(t time.Time) error }); ok {
		b.interrupt.deadline = d.SetReadDeadline
	}
	b.inline = (&inline[[]byte]{next: b.next, cancel: b.interrupt.stop}).init()
	b.drop = func(error) { b.buf = nil }
	return b
}

// A byteSource is an io.Reader as a Readable.
type byteSource struct {
	*inline[[]byte]
	r         io.Reader
	size      int
	interrupt interrupter
	buf       []byte // to read into; guarded by the gate, as the next
	after     error  // comes after the last chunk
}

// PullInto reads the next chunk into (*v)[:0], which grows to the size of a chunk if it is smaller. After an error it
// is empty.
func (b *byteSource) PullInto(ctx context.Context, v *[]byte) (err error) {
	*v, err = b.do(ctx, func(ctx context.Context) ([]byte, error) {
		buf := *v
		if cap(buf) < b.size {
			buf = make([]byte, b.size)
		}
		n, err := b.read(ctx, buf[:b.size])
		return buf[:n], err
	})
	return err
}

func (b *byteSource) next(ctx context.Context) ([]byte, error) {
	if b.buf == nil {
		b.buf = make([]byte, b.size)
	}
	n, err := b.read(ctx, b.buf)
	switch {
	case n == 0:
		return nil, err
	case n < b.size/2: // keep the large buffer
		return bytes.Clone(b.buf[:n]), err
	}
	chunk := b.buf[:n:n]
	b.buf = nil
	return chunk, err
}

// read reads some bytes, or returns an error and none.
func (b *byteSource) read(ctx context.Context, p []byte) (int, error) {
	for range 100 {
		if b.after != nil {
			return 0, b.after
		}
		if !b.interrupt.begin(ctx) {
			return 0, b.stopped(ctx)
		}
		n, err := b.r.Read(p)
		poked := b.interrupt.end(err)
		if n < 0 || n > len(p) {
			return 0, failure{errors.New("stream: Read returned an impossible count")}
		}
		switch {
		case err == nil && n == 0:
			continue
		case poked:
			err = b.stopped(ctx) // the Read was ended, not the stream
		case err != nil && err != io.EOF && ctx.Err() != nil && b.interrupt.hasClosed():
			err = context.Cause(ctx)
			b.after = err
		case err != nil:
			b.after = err
		}
		if n > 0 {
			return n, nil
		}
		return 0, err
	}
	return 0, failure{io.ErrNoProgress}
}

// stopped is why a Read was not begun, or was ended.
func (b *byteSource) stopped(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return io.EOF // cancelled
}

// AsReader returns the chunks of src as an io.Reader. Its Reads, and io.Copy from it, pull with ctx; the end of the
// stream is theirs. It holds what is left of one chunk. When ctx has ended, Reads fail with its cause, and src is as
// it was; Reader never cancels src. Its calls may not be made at once. It has a WriteTo, so that io.Copy writes each
// chunk as it is, without a buffer between.
func AsReader(ctx context.Context, src Readable[[]byte]) io.Reader {
	return &reader{pull: func() ([]byte, error) { return src.Pull(ctx) }}
}

type reader struct {
	pull func() ([]byte, error)
	rest []byte
}

// Read reads from the chunk that has come, and waits for one if there is none.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.rest) == 0 {
		var err error
		if r.rest, err = r.pull(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// WriteTo writes all chunks to w as they come.
func (r *reader) WriteTo(w io.Writer) (written int64, err error) {
	for {
		if len(r.rest) > 0 {
			n, err := w.Write(r.rest)
			written += int64(n)
			r.rest = r.rest[n:]
			switch {
			case err != nil:
				return written, err
			case len(r.rest) > 0:
				return written, io.ErrShortWrite
			}
		}
		if r.rest, err = r.pull(); err == io.EOF {
			return written, nil
		} else if err != nil {
			return written, err
		}
	}
}

package stream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"time"
)

const defaultChunk = 32 << 10 // as io.Copy's buffer

// FromReader returns the bytes of r. Each Pull is one Read, on the goroutine that pulls, and
// nothing is read ahead. The end of r is the end of the stream, and its error is the stream's.
//
// The number size limits the bytes of a chunk. If zero or negative, 32 KiB. No chunk is empty. A
// chunk that Pull returns belongs to the caller. PullInto reads into the memory of the caller's
// chunk.
//
// A context that ends, and Cancel, end a Read that blocks. They use r's SetReadDeadline if it has
// one: then the stream is as it was. Else they close r if it is an [io.Closer]: then the stream has
// failed with the context's cause. If r has neither, Pull returns only when Read does.
//
// Cancel closes r if it is an io.Closer, with the cause if it has a CloseWithError, and returns the
// error of that. The end of the stream does not close r. FromReader starts no goroutine.
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

// A byteSource is an io.Reader as a [Readable].
type byteSource struct {
	*inline[[]byte]
	r         io.Reader
	size      int
	interrupt interrupter
	buf       []byte // to read into; guarded by the gate
	after     error  // what Pull returns after the last chunk; guarded by the gate
}

// PullInto reads the next chunk into the memory of *v, or into new memory if *v has too little for
// a chunk. After an error *v is empty.
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

// read reads at least one byte, or returns an error.
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
		case err != nil && err != io.EOF:
			err = cmp.Or(b.interrupt.cutBy(), err)
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

// stopped returns why a Read did not begin, or was ended.
func (b *byteSource) stopped(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return io.EOF // cancelled
}

// AsReader returns the chunks of src as an [io.Reader]. Its Reads pull with ctx, and so does
// io.Copy from it. The end of src is the end of the reader. When ctx has ended, Reads fail with its
// cause, and src is as it was. AsReader never cancels src.
//
// The reader holds the rest of one chunk. Its methods may not be called concurrently. It is an
// [io.WriterTo]: io.Copy writes each chunk as it is, without a buffer.
func AsReader(ctx context.Context, src Readable[[]byte]) io.Reader {
	return &reader{ctx: ctx, src: newSource(src)}
}

type reader struct {
	ctx   context.Context // of all Reads: io.Reader has no place for one
	src   *source[[]byte]
	chunk []byte // the last one, whose memory the next one reuses
	rest  []byte // of chunk
}

// pull pulls the next chunk.
func (r *reader) pull() error {
	r.rest = nil
	if err := r.src.PullInto(r.ctx, &r.chunk); err != nil {
		return err
	}
	r.rest = r.chunk
	return nil
}

// Read reads from the chunk that has come, and waits for one if there is none.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.rest) == 0 {
		if err := r.pull(); err != nil {
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
		if err := r.pull(); err != nil {
			if err == io.EOF {
				err = nil
			}
			return written, err
		}
	}
}

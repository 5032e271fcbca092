package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/wsstream/wsstream/stream"
)

const (
	poll  = 100 * time.Millisecond // how often a file is looked at that has ended
	chunk = 32 << 10
)

// follow returns the bytes of f, which was opened at path, and the bytes that are added to it, as
// tail -F does. When path names another file it continues with the beginning of that. When the file
// has become shorter it starts again. It ends the last line of a file if that has no end. It closes
// f.
//
// When last is closed the stream ends with the end of the file; a nil last makes it endless. It
// holds three chunks at most. Cancel it, or pull it to its end.
func follow(f *os.File, path string, last <-chan struct{}) stream.Readable[[]byte] {
	t := &tail{f: f, path: path, last: last}
	return stream.Stage(stream.From(path), stream.Bytes[[]byte](chunk), t.run)
}

// A tail is a follow at work.
type tail struct {
	f    *os.File
	path string
	last <-chan struct{}
	cut  bool // the last byte was not the end of a line
	buf  [chunk]byte
}

func (t *tail) run(
	ctx context.Context, _ stream.Readable[string], dst stream.Writable[[]byte],
) error {
	defer func() { _ = t.f.Close() }() // nothing was written
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		// asked before the copying, so that all that was written till then is copied
		ending := isClosed(t.last)
		if err := t.copyTo(ctx, dst); err != nil {
			return err
		}
		again, err := t.turn(ctx, dst)
		switch {
		case err != nil:
			return err
		case again:
			continue
		case ending:
			return nil
		}
		select {
		case <-tick.C:
		case <-t.last:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// copyTo copies what is left of the file.
func (t *tail) copyTo(ctx context.Context, dst stream.Writable[[]byte]) error {
	for {
		n, err := t.f.Read(t.buf[:])
		if n > 0 {
			t.cut = t.buf[n-1] != '\n'
			if err := dst.Write(ctx, bytes.Clone(t.buf[:n])); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// turn looks at what has become of the file, and reports whether there is another beginning to read
// from.
func (t *tail) turn(ctx context.Context, dst stream.Writable[[]byte]) (bool, error) {
	info, err := t.f.Stat()
	if err != nil {
		return false, err
	}
	at, err := t.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return false, err
	}
	if info.Size() < at { // truncated
		if _, err := t.f.Seek(0, io.SeekStart); err != nil {
			return false, err
		}
		return true, t.endLine(ctx, dst)
	}
	now, err := os.Stat(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && os.SameFile(info, now):
		return false, nil // or between two files
	case err != nil:
		return false, err
	}
	next, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = t.copyTo(ctx, dst) // what was added before it was renamed
	_ = t.f.Close()
	t.f = next
	if err != nil {
		return false, err
	}
	return true, t.endLine(ctx, dst)
}

// endLine ends a line that will get no other end.
func (t *tail) endLine(ctx context.Context, dst stream.Writable[[]byte]) error {
	if !t.cut {
		return nil
	}
	t.cut = false
	return dst.Write(ctx, []byte("\n"))
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

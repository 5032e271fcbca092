package stream

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
)

// Lines cuts the bytes of src into lines, without their ends: \n or \r\n. How they are cut into chunks does not matter.
// A last line without an end is a line, if it is not empty; if src fails, what came of it is dropped.
//
// A line of more than maxLen bytes, its end not counted, ends the stream with an error that wraps bufio.ErrTooLong,
// and src is cancelled with it; a maxLen of zero is 64 KiB, a negative one sets no bound. Lines holds one chunk of src,
// which it does not change, and the start of one line.
func Lines(src Readable[[]byte], maxLen int) Readable[string] {
	if maxLen == 0 {
		maxLen = bufio.MaxScanTokenSize
	}
	l := &lines{src: newSource(src), maxLen: maxLen}
	r := from(l.src, l.next)
	r.drop = func(error) { l.start, l.rest = nil, nil }
	return r
}

type lines struct {
	src    *source[[]byte]
	maxLen int
	start  []byte // of a line whose end has not come
	rest   []byte // of the last chunk
}

func (l *lines) next(ctx context.Context) (string, error) {
	for {
		if i := bytes.IndexByte(l.rest, '\n'); i >= 0 {
			line := l.rest[:i]
			l.rest = l.rest[i+1:]
			return l.line(line)
		}
		l.start = append(l.start, l.rest...)
		l.rest = nil
		if l.tooLong(len(bytes.TrimSuffix(l.start, []byte("\r")))) {
			return "", l.fail()
		}
		chunk, err := l.src.Pull(ctx)
		switch {
		case err == nil:
			l.rest = chunk
		case err == io.EOF && len(l.start) > 0:
			return l.line(nil)
		default:
			return "", err
		}
	}
}

// line makes a line of its start and end.
func (l *lines) line(end []byte) (string, error) {
	if len(l.start) > 0 {
		end = append(l.start, end...)
		l.start = l.start[:0]
	}
	end = bytes.TrimSuffix(end, []byte("\r"))
	if l.tooLong(len(end)) {
		return "", l.fail()
	}
	return string(end), nil
}

func (l *lines) tooLong(n int) bool { return l.maxLen > 0 && n > l.maxLen }

func (l *lines) fail() error {
	return failure{fmt.Errorf("stream: line of more than %d bytes: %w", l.maxLen, bufio.ErrTooLong)}
}

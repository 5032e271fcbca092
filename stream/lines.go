package stream

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
)

// Lines cuts the bytes of src into lines, and drops the end of each: \n or \r\n. How src cuts the
// bytes into chunks does not matter. The last line needs no end, and is left out if it is empty. If
// src fails, the line that has begun is dropped.
//
// The number maxLen limits the bytes of a line without its end. If zero, 64 KiB. If negative, no
// limit. A longer line ends the stream with an error that wraps [bufio.ErrTooLong], and cancels src
// with it.
//
// Lines holds one chunk of src, which it does not change, and the start of one line.
func Lines(src Readable[[]byte], maxLen int) Readable[string] {
	if maxLen == 0 {
		maxLen = bufio.MaxScanTokenSize
	}
	l := &lines{src: newSource(src), maxLen: maxLen}
	r := from(l.src, l.next)
	r.drop = func(error) { l.start, l.chunk, l.rest = nil, nil, nil }
	return r
}

type lines struct {
	src    *source[[]byte]
	maxLen int
	start  []byte // of a line whose end has not come
	chunk  []byte // the last one, whose memory the next one reuses
	rest   []byte // of chunk
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
		err := l.src.PullInto(ctx, &l.chunk)
		switch {
		case err == nil:
			l.rest = l.chunk
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

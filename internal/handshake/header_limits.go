package handshake

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// maxHeaderLines is how many lines a header may have, without its first line.
const maxHeaderLines = 256

var errHeaderLines = fmt.Errorf("the header has more than %d lines", maxHeaderLines)

// A sizeError says that a header is too large. Its value is the option MaxHandshakeSize, in bytes.
type sizeError int

func (e sizeError) Error() string {
	return fmt.Sprintf("the header is larger than MaxHandshakeSize, %d bytes", int(e))
}

// A headerReader reads responses from the network. It limits their headers.
type headerReader struct {
	*bufio.Reader
	lines *lineLimit
	limit *io.LimitedReader // nil: none
	max   int               // bytes
}

// newHeaderReader returns a reader of at most limit bytes of r. If limit is 0, there is no limit.
func newHeaderReader(r io.Reader, limit int) *headerReader {
	h := &headerReader{max: limit, lines: &lineLimit{r: r}}
	r = h.lines
	if limit > 0 {
		h.limit = &io.LimitedReader{R: r, N: int64(limit)}
		r = h.limit
	}
	h.Reader = bufio.NewReader(r)
	return h
}

// response reads the final response to r, or a 101. It skips other responses of 1xx, which mean
// nothing to the handshake.
//
// RFC 9110, section 15.2.
func (h *headerReader) response(r *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(h.Reader, r)
		if err != nil {
			return nil, h.explain(err)
		}
		if resp.StatusCode/100 != 1 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
		h.lines.n = 0
	}
}

// explain returns why a header could not be read. err is the error of net/http, which does not know
// the limits.
func (h *headerReader) explain(err error) error {
	switch {
	case err == nil || h.Buffered() > 0:
		return err
	case h.lines.exceeded() && h.max > 0:
		return fmt.Errorf("%w, a limit in addition to MaxHandshakeSize, %d bytes",
			errHeaderLines, h.max)
	case h.lines.exceeded():
		return errHeaderLines
	case h.limit != nil && h.limit.N <= 0:
		return sizeError(h.max)
	}
	return err
}

// A lineLimit ends the input once too many lines of a header have come. Lines behind the header do
// not count: a caller that has the whole header reads on only for the start of a body.
type lineLimit struct {
	r io.Reader
	n int // of the header that is being read
}

// Read fails once there were too many lines.
func (l *lineLimit) Read(p []byte) (int, error) {
	if l.exceeded() {
		return 0, errHeaderLines
	}
	n, err := l.r.Read(p)
	l.n += bytes.Count(p[:n], []byte("\n"))
	return n, err
}

func (l *lineLimit) exceeded() bool { return l.n > 1+maxHeaderLines } // with the status line

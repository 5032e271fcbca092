package wsstream

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/wsstream/wsstream/internal/wire"
)

// A transport is a connection whose handshake is done.
type transport struct {
	nc       net.Conn
	buffered []byte        // input that came with the handshake
	deflate  *wire.Deflate // nil: no compression
	agreed   agreement
}

// cut closes nc without a word, also under TLS, where an orderly close could wait for the peer.
func cut(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	_ = nc.Close()
}

// A handshakeReader reads a handshake from the network, so much and no more.
type handshakeReader struct {
	*bufio.Reader
	lines *lineLimit
	limit *io.LimitedReader // nil: none
	max   int               // bytes
}

// newHandshakeReader returns a reader of at most limit bytes of r; 0 is no limit.
func newHandshakeReader(r io.Reader, limit int) *handshakeReader {
	h := &handshakeReader{max: limit, lines: &lineLimit{r: r}}
	r = h.lines
	if limit > 0 {
		h.limit = &io.LimitedReader{R: r, N: int64(limit)}
		r = h.limit
	}
	h.Reader = bufio.NewReader(r)
	return h
}

var errHeaderLines = fmt.Errorf("the header has more than %d lines", maxHeaderLines)

// A lineLimit gives no more once too many lines have come. Lines behind the header do not count: what has its header whole
// reads on only for the start of a body.
type lineLimit struct {
	r io.Reader
	n int // of the header that is being read
}

func (l *lineLimit) Read(p []byte) (int, error) {
	if l.exceeded() {
		return 0, errHeaderLines
	}
	n, err := l.r.Read(p)
	l.n += bytes.Count(p[:n], []byte("\n"))
	return n, err
}

func (l *lineLimit) exceeded() bool { return l.n > 1+maxHeaderLines } // with the status line

// A handshakeSizeError says that a header is larger than the option, in bytes, allows.
type handshakeSizeError int

func (e handshakeSizeError) Error() string {
	return fmt.Sprintf("the header is larger than MaxHandshakeSize, %d bytes", int(e))
}

// explain returns why a header could not be read: whatever net/http makes of one that is cut off.
func (h *handshakeReader) explain(err error) error {
	switch {
	case err == nil || h.Buffered() > 0:
		return err
	case h.lines.exceeded() && h.max > 0:
		return fmt.Errorf("%w, which holds beside MaxHandshakeSize, %d bytes", errHeaderLines, h.max)
	case h.lines.exceeded():
		return errHeaderLines
	case h.limit != nil && h.limit.N <= 0:
		return handshakeSizeError(h.max)
	}
	return err
}

// response reads the final response to r, or a 101. Other responses of 1xx before it mean nothing to
// the handshake.
// RFC 9110, section 15.2.
func (h *handshakeReader) response(r *http.Request) (*http.Response, error) {
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

// buffered returns what br has read and not given out.
func buffered(br *bufio.Reader) []byte {
	b, _ := br.Peek(br.Buffered())
	return slices.Clone(b)
}

// acceptKey answers a Sec-WebSocket-Key (RFC 6455, section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// tokens splits the values of a header field at its commas.
func tokens(values []string) []string {
	var all []string
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			all = append(all, strings.Trim(t, " \t"))
		}
	}
	return all
}

// hasToken reports whether a header field names token, whatever its case.
func hasToken(h http.Header, field, token string) bool {
	named := func(t string) bool { return equalASCII(t, token) }
	return slices.ContainsFunc(tokens(h.Values(field)), named)
}

// equalASCII reports whether s is token, whatever the case of its ASCII letters. Other letters that
// fold to those are longer.
func equalASCII(s, token string) bool { return len(s) == len(token) && strings.EqualFold(s, token) }

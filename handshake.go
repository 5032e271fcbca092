package wsstream

import (
	"bufio"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
)

// A transport is a connection whose handshake is done.
type transport struct {
	nc       net.Conn
	buffered []byte // input that came with the handshake
	opened   Opened
}

// cut closes nc without a word, also under TLS, where an orderly close could wait for the peer.
func cut(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	_ = nc.Close()
}

// A handshakeSizeError says that a header is larger than the option, in bytes, allows.
type handshakeSizeError int

func (e handshakeSizeError) Error() string {
	return fmt.Sprintf("the header is larger than MaxHandshakeSize, %d bytes", int(e))
}

// A headerReader reads a handshake from the network, so much and no more.
type headerReader struct {
	r         io.Reader
	left, max int
}

// newHandshakeReader returns a reader of at most limit bytes of r; 0 is no limit.
func newHandshakeReader(r io.Reader, limit int) *bufio.Reader {
	if limit > 0 {
		r = &headerReader{r, limit, limit}
	}
	return bufio.NewReader(r)
}

func (h *headerReader) Read(p []byte) (int, error) {
	if h.left <= 0 {
		return 0, handshakeSizeError(h.max)
	}
	n, err := h.r.Read(p[:min(len(p), h.left)])
	h.left -= n
	return n, err
}

// readResponse reads a response to r.
func readResponse(br *bufio.Reader, r *http.Request) (*http.Response, error) {
	resp, err := http.ReadResponse(br, r)
	if e, ok := errors.AsType[handshakeSizeError](err); ok {
		err = e // whatever net/http was reading
	}
	return resp, err
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
	return slices.ContainsFunc(tokens(h.Values(field)), func(t string) bool { return strings.EqualFold(t, token) })
}

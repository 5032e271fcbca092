package wsstream

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
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

// maxHandshake is the most bytes of a handshake's header that are read.
const maxHandshake = 64 << 10

var errHandshakeSize = errors.New("the handshake's header is larger than 64 KiB")

// A headerReader reads a handshake from the network, so much and no more.
type headerReader struct {
	r    io.Reader
	left int
}

func newHandshakeReader(r io.Reader) *bufio.Reader {
	return bufio.NewReader(&headerReader{r, maxHandshake})
}

func (h *headerReader) Read(p []byte) (int, error) {
	if h.left <= 0 {
		return 0, errHandshakeSize
	}
	n, err := h.r.Read(p[:min(len(p), h.left)])
	h.left -= n
	return n, err
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

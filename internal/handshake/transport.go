package handshake

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
)

// A Transport is a connection whose handshake is done.
type Transport struct {
	Conn     net.Conn  // its next bytes are frames
	Buffered []byte    // input that came behind the handshake, before those bytes
	Agreed   Agreement // with the peer
}

// An Agreement is the result of a handshake.
type Agreement struct {
	Protocol   string      // the subprotocol; empty: none
	Extensions string      // as Sec-WebSocket-Extensions writes them; empty: none
	Deflate    *Deflate    // nil: no compression
	Header     http.Header // the peer's
}

// ErrTimeout is the error of a handshake that took longer than the option HandshakeTimeout allows.
var ErrTimeout = errors.New("not done within HandshakeTimeout")

// A Failure is a handshake that failed. The root converts it to a *HandshakeError, which has the
// same fields.
type Failure struct {
	Status int         // of the HTTP response; 0 if there was none
	Header http.Header // of the HTTP response; nil if there was none
	Body   []byte      // the start of the response's body
	Err    error       // what was wrong
}

// Error returns the text of Err.
func (f *Failure) Error() string { return f.Err.Error() }

// A ProxyFailure is a proxy that let no handshake through. It is the Err of a Failure. The root
// converts it to a *ProxyError, which has the same fields.
type ProxyFailure struct {
	Proxy  string      // its URL, without credentials
	Status int         // of its HTTP response; 0 if there was none
	Header http.Header // of its HTTP response; nil if there was none
	Body   []byte      // the start of the response's body
	Err    error       // what was wrong
}

// Error returns the text of Err.
func (f *ProxyFailure) Error() string { return f.Err.Error() }

// Cut closes nc and sends nothing, also under TLS, where an orderly close could wait for the peer.
func Cut(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	_ = nc.Close()
}

// buffered returns the input that br has read and not returned.
func buffered(br *bufio.Reader) []byte {
	b, _ := br.Peek(br.Buffered())
	return slices.Clone(b)
}

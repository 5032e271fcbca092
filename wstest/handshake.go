package wstest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/wsstream/wsstream/internal/handshake"
)

// handshakeLimit limits the bytes of a handshake that a Peer reads.
const handshakeLimit = 64 << 10

// key is the Sec-WebSocket-Key of every request: the one of RFC 6455, section 1.3.
const key = "dGhlIHNhbXBsZSBub25jZQ=="

// AcceptKey returns the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key.
//
// RFC 6455, section 4.2.2.
func AcceptKey(key string) string { return handshake.AcceptKey(key) }

// UpgradeRequest returns the bytes of a client's handshake for path. Each of extra is a line "Name:
// value", which replaces the line of that name if there is one. A line "Name:" removes the line of
// that name.
func UpgradeRequest(path string, extra ...string) []byte {
	return message("GET "+path+" HTTP/1.1", []string{
		"Host: example.org",
		"Upgrade: websocket",
		"Connection: Upgrade",
		"Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: " + key,
	}, extra)
}

// SwitchingProtocols returns the bytes of a server's response that accepts req. For extra see
// [UpgradeRequest].
func SwitchingProtocols(req *http.Request, extra ...string) []byte {
	return message("HTTP/1.1 101 Switching Protocols", []string{
		"Upgrade: websocket",
		"Connection: Upgrade",
		"Sec-WebSocket-Accept: " + AcceptKey(req.Header.Get("Sec-WebSocket-Key")),
	}, extra)
}

func message(start string, lines, extra []string) []byte {
	replaced := make(map[string]bool)
	for _, line := range extra {
		replaced[name(line)] = true
	}
	var b bytes.Buffer
	b.WriteString(start + "\r\n")
	for _, line := range lines {
		if !replaced[name(line)] {
			b.WriteString(line + "\r\n")
		}
	}
	for _, line := range extra {
		if !strings.HasSuffix(line, ":") {
			b.WriteString(line + "\r\n")
		}
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

func name(line string) string {
	name, _, _ := strings.Cut(line, ":")
	return textproto.CanonicalMIMEHeaderKey(name)
}

// ServeHandshake makes the server's part of the handshake. It reads the request, fails the test
// unless that is a WebSocket handshake, and accepts it. For extra see [UpgradeRequest]. A test that
// refuses the handshake, or answers it wrongly, uses [Peer.ReadRequest] and [Peer.SendRaw].
func (p *Peer) ServeHandshake(extra ...string) *http.Request {
	p.t.Helper()
	req := p.ReadRequest()
	if err := checkRequest(req); err != nil {
		p.t.Fatalf("wstest: the client's handshake: %v", err)
	}
	p.SendRaw(SwitchingProtocols(req, extra...))
	return req
}

// DialHandshake makes the client's part of the handshake. It sends a request for path, and returns
// the response. It fails the test if the response is a 101 that does not fit the request. The
// caller checks any other status. For extra see [UpgradeRequest].
func (p *Peer) DialHandshake(path string, extra ...string) *http.Response {
	p.t.Helper()
	req := UpgradeRequest(path, extra...)
	p.SendRaw(req)
	res := p.ReadResponse()
	if res.StatusCode != http.StatusSwitchingProtocols {
		return res
	}
	sent, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(req)))
	if err != nil {
		p.t.Fatalf("wstest: the handshake was answered with 101, and cannot be parsed: %v", err)
	}
	if err := checkResponse(res, sent.Header.Get("Sec-WebSocket-Key")); err != nil {
		p.t.Fatalf("wstest: the server's handshake: %v", err)
	}
	return res
}

// ReadRequest reads an HTTP request without a body, and fails the test if none comes. Bytes behind
// the request are left for [Peer.Next].
func (p *Peer) ReadRequest() *http.Request {
	p.t.Helper()
	defer p.bound()()
	req, err := http.ReadRequest(p.r)
	if err != nil {
		p.t.Fatalf("wstest: no request of at most %d bytes: %v", handshakeLimit, err)
	}
	return req
}

// ReadResponse reads an HTTP response to a GET, with its body, and fails the test if none comes.
// Bytes behind the response are left for [Peer.Next].
func (p *Peer) ReadResponse() *http.Response {
	p.t.Helper()
	defer p.bound()()
	res, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatalf("wstest: no response of at most %d bytes: %v", handshakeLimit, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatalf("wstest: the body of the response %s ends after %d bytes: %v",
			res.Status, len(body), err)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res
}

// bound limits the bytes and the time of reading, until its result is called.
func (p *Peer) bound() func() {
	p.nc.SetReadDeadline(time.Now().Add(p.patience()))
	p.limit.N = handshakeLimit
	return func() {
		p.limit.N = math.MaxInt64
		p.nc.SetReadDeadline(time.Time{})
	}
}

// checkRequest checks a request by RFC 6455, section 4.1.
func checkRequest(req *http.Request) error {
	nonce, err := base64.StdEncoding.DecodeString(req.Header.Get("Sec-WebSocket-Key"))
	switch {
	case req.Method != http.MethodGet:
		return fmt.Errorf("its method is %s", req.Method)
	case !req.ProtoAtLeast(1, 1):
		return fmt.Errorf("its protocol is %s", req.Proto)
	case req.Host == "":
		return fmt.Errorf("it has no Host")
	case !handshake.HasToken(req.Header, "Upgrade", "websocket"):
		return fmt.Errorf("its Upgrade is %q", req.Header["Upgrade"])
	case !handshake.HasToken(req.Header, "Connection", "upgrade"):
		return fmt.Errorf("its Connection is %q", req.Header["Connection"])
	case !one(req.Header, "Sec-Websocket-Version", "13"):
		return fmt.Errorf("its Sec-WebSocket-Version is %q", req.Header["Sec-Websocket-Version"])
	case err != nil || len(nonce) != 16 || len(req.Header["Sec-Websocket-Key"]) != 1:
		return fmt.Errorf("its Sec-WebSocket-Key is %q", req.Header["Sec-Websocket-Key"])
	}
	return nil
}

// checkResponse checks a 101 by RFC 6455, section 4.2.2.
func checkResponse(res *http.Response, key string) error {
	switch {
	case !handshake.HasToken(res.Header, "Upgrade", "websocket"):
		return fmt.Errorf("its Upgrade is %q", res.Header["Upgrade"])
	case !handshake.HasToken(res.Header, "Connection", "upgrade"):
		return fmt.Errorf("its Connection is %q", res.Header["Connection"])
	case !one(res.Header, "Sec-Websocket-Accept", AcceptKey(key)):
		return fmt.Errorf("its Sec-WebSocket-Accept is %q, not %q",
			res.Header["Sec-Websocket-Accept"], AcceptKey(key))
	}
	return nil
}

func one(h http.Header, name, value string) bool { return len(h[name]) == 1 && h[name][0] == value }

package frame

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"time"
)

const (
	handshakeTimeout = 30 * time.Second
	key              = "d3NzdHJlYW0gYmVuY2ghIQ=="
	request          = "GET / HTTP/1.1\r\nHost: bench.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\n\r\n"
	response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
)

// Dial makes the client's side of the opening handshake on nc, and returns what came behind it.
func Dial(nc net.Conn) (rest []byte, err error) {
	_ = nc.SetDeadline(time.Now().Add(handshakeTimeout))
	if _, err := nc.Write([]byte(request)); err != nil {
		return nil, err
	}
	head, rest, err := readHead(nc)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") || !strings.Contains(head, accept(key)) {
		return nil, fmt.Errorf("the handshake was answered with %q", head)
	}
	return rest, nc.SetDeadline(time.Time{})
}

// Accept makes the server's side of the opening handshake on nc, and returns what came behind it.
func Accept(nc net.Conn) (rest []byte, err error) {
	_ = nc.SetDeadline(time.Now().Add(handshakeTimeout))
	head, rest, err := readHead(nc)
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(head, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "Sec-WebSocket-Key") {
			answer := response + accept(strings.TrimSpace(value)) + "\r\n\r\n"
			if _, err := nc.Write([]byte(answer)); err != nil {
				return nil, err
			}
			return rest, nc.SetDeadline(time.Time{})
		}
	}
	return nil, fmt.Errorf("no key in the handshake %q", head)
}

// readHead reads up to the empty line that ends a head of HTTP.
func readHead(nc net.Conn) (head string, rest []byte, err error) {
	buf := make([]byte, 0, 1<<10)
	for {
		n, err := nc.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if end := bytes.Index(buf, []byte("\r\n\r\n")); end >= 0 {
			return string(buf[:end]), bytes.Clone(buf[end+4:]), nil
		}
		if err != nil {
			return "", nil, err
		}
		if len(buf) == cap(buf) {
			return "", nil, fmt.Errorf("a handshake of more than %d bytes", cap(buf))
		}
	}
}

// accept is the answer to a key (RFC 6455, section 4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

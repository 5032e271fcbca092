package handshake

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// moment is how long a client waits for the body of a refusal after its header. It waits as long
// for a response if it could not write its request.
const moment = 100 * time.Millisecond

// exchange sends a request, and concurrently reads the header of the response. The reason is that a
// server may read only a part of a request, and refuse it. When the writing is done, written has
// its error. A caller that closes nc need not wait for that error.
func exchange(nc net.Conn, br *headerReader, r *http.Request) (
	resp *http.Response, written <-chan error, err error,
) {
	done := make(chan error, 1)
	go func() { // ends with the write, which the end of the handshake cuts off
		err := r.Write(nc)
		if err != nil {
			readNoMore(nc) // a response came before the server broke the connection, or never comes
		}
		done <- err
	}()
	resp, err = br.response(r)
	if err == nil {
		return resp, done, nil
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		select { // there is no response: the error of the writing says why
		case e := <-done:
			if e != nil {
				err = e
			}
		default:
		}
	}
	return nil, nil, err
}

// readNoMore ends the reading from a connection after a moment.
func readNoMore(nc net.Conn) *time.Timer {
	return time.AfterFunc(moment, func() { _ = nc.SetReadDeadline(time.Unix(1, 0)) })
}

// firstKiB returns the start of a refusal's body, as far as it comes in a moment. A 101 has none.
func firstKiB(nc net.Conn, resp *http.Response) []byte {
	defer readNoMore(nc).Stop()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // a part of it is better than nothing
	return body
}

// check checks the server's response.
//
// RFC 6455, section 4.1.
func (c *Client) check(resp *http.Response, key string) error {
	h := resp.Header
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return errors.New("the server did not switch to WebSocket")
	case !resp.ProtoAtLeast(1, 1):
		return fmt.Errorf("the server speaks %s, not HTTP/1.1", resp.Proto)
	case !slices.EqualFunc(h.Values("Upgrade"), []string{"websocket"}, equalASCII):
		return fmt.Errorf("the response's Upgrade is %.100q, not websocket alone", h.Values("Upgrade"))
	case !HasToken(h, "Connection", "Upgrade"):
		return fmt.Errorf("the response's Connection is %.100q, not Upgrade", h.Values("Connection"))
	case !slices.Equal(h[acceptField], []string{AcceptKey(key)}):
		return fmt.Errorf("the response's Sec-WebSocket-Accept %.100q does not answer our key",
			h[acceptField])
	}
	return c.checkSubprotocol(h[protocolField])
}

// shake makes the handshake on t.
//
// RFC 6455, section 4.1.
func (c *Client) shake(t *Transport) error {
	key := newKey()
	br := newHeaderReader(t.Conn, c.MaxHeader)
	resp, written, err := exchange(t.Conn, br, c.request(key))
	if err != nil {
		return &Failure{Err: err}
	}
	if cookies := resp.Cookies(); c.Jar != nil && len(cookies) > 0 {
		c.Jar.SetCookies(c.webURL(c.Host), cookies)
	}
	var z *Deflate
	err = c.check(resp, key)
	if err == nil {
		z, err = readExtensions(c.Deflate, resp.Header)
	}
	if err == nil {
		err = <-written
	}
	if err != nil {
		body := firstKiB(t.Conn, resp)
		return &Failure{Status: resp.StatusCode, Header: resp.Header, Body: body, Err: err}
	}
	t.Buffered = buffered(br.Reader)
	t.Agreed = Agreement{
		Protocol:   resp.Header.Get(protocolField),
		Extensions: strings.Join(resp.Header[extensionsField], ", "),
		Deflate:    z,
		Header:     resp.Header,
	}
	return nil
}

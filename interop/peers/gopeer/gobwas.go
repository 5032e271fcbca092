package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

var gobwasLibrary = library{
	module: "github.com/gobwas/ws",
	serve: func(w http.ResponseWriter, r *http.Request) (conn, error) {
		u := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == subprotocol }}
		nc, rw, _, err := u.Upgrade(r, w)
		if err != nil {
			return nil, err
		}
		return newGobwas(nc, rw.Reader, ws.StateServerSide), nil
	},
	dial: func(url string) (conn, error) {
		d := ws.Dialer{Protocols: []string{subprotocol}}
		nc, br, _, err := d.Dial(context.Background(), url)
		return newGobwas(nc, br, ws.StateClientSide), err
	},
}

type gobwas struct {
	net.Conn
	in    io.Reader
	state ws.State
	pong  func()
}

// newGobwas makes a connection. br may have input that came with the handshake.
func newGobwas(nc net.Conn, br *bufio.Reader, state ws.State) *gobwas {
	c := &gobwas{Conn: nc, in: nc, state: state, pong: func() {}}
	if br != nil {
		c.in = br
	}
	return c
}

func (c *gobwas) read() (bool, []byte, error) {
	answer := wsutil.ControlFrameHandler(c.Conn, c.state)
	rd := wsutil.Reader{Source: c.in, State: c.state, CheckUTF8: true,
		OnIntermediate: answer}
	for {
		h, err := rd.NextFrame()
		if err != nil {
			return false, nil, err
		}
		if h.OpCode == ws.OpPong {
			c.pong()
		}
		if h.OpCode.IsControl() {
			if err := answer(h, &rd); err != nil {
				if e, ok := err.(wsutil.ClosedError); ok {
					err = &closed{int(e.Code), e.Reason}
				}
				return false, nil, err
			}
			continue
		}
		data, err := io.ReadAll(&rd)
		return h.OpCode == ws.OpText, data, err
	}
}

func (c *gobwas) write(text bool, data []byte) error {
	op := ws.OpBinary
	if text {
		op = ws.OpText
	}
	return c.frame(op, true, data)
}

func (c *gobwas) frame(op ws.OpCode, fin bool, data []byte) error {
	f := ws.NewFrame(op, fin, data)
	if c.state == ws.StateClientSide {
		f = ws.MaskFrame(f)
	}
	return ws.WriteFrame(c.Conn, f)
}

func (c *gobwas) close(code int, reason string) error {
	return c.frame(ws.OpClose, true, ws.NewCloseFrameBody(ws.StatusCode(code), reason))
}

func (c *gobwas) ping(data string, pong func()) error {
	c.pong = pong
	return c.frame(ws.OpPing, true, []byte(data))
}

func (c *gobwas) fragments(parts ...string) error {
	for i, p := range parts {
		op := ws.OpContinuation
		if i == 0 {
			op = ws.OpText
		}
		if err := c.frame(op, i == len(parts)-1, []byte(p)); err != nil {
			return err
		}
	}
	return nil
}

package library

import (
	"bytes"
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

// Gorilla is github.com/gorilla/websocket.
var Gorilla = Library{
	Name: "gorilla",
	Accept: func(w http.ResponseWriter, r *http.Request) (Conn, error) {
		var u websocket.Upgrader
		return newGorilla(u.Upgrade(w, r, nil))
	},
	Dial: func(nc net.Conn) (Conn, error) {
		d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return nc, nil }}
		c, _, err := d.Dial(url, nil)
		return newGorilla(c, err)
	},
}

// A gorillaConn reads through NextReader into one buffer, as wsstream's PullInto does; ReadMessage would allocate.
type gorillaConn struct {
	c   *websocket.Conn
	buf bytes.Buffer
}

func newGorilla(c *websocket.Conn, err error) (Conn, error) {
	if err != nil {
		return nil, err
	}
	return &gorillaConn{c: c}, nil
}

func (c *gorillaConn) Write(p []byte) error { return c.c.WriteMessage(websocket.BinaryMessage, p) }

func (c *gorillaConn) Read() (int, error) {
	_, r, err := c.c.NextReader()
	if err != nil {
		return 0, err
	}
	c.buf.Reset()
	_, err = c.buf.ReadFrom(r)
	return c.buf.Len(), err
}

func (c *gorillaConn) Close() { _ = c.c.Close() }

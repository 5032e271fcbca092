package main

import (
	"io"
	"net/http"

	"golang.org/x/net/websocket"
)

var xnetLibrary = library{
	module: "golang.org/x/net",
	serve: func(w http.ResponseWriter, r *http.Request) (conn, error) {
		websocket.Server{
			Handshake: func(c *websocket.Config, _ *http.Request) error {
				c.Protocol = chosen(c.Protocol)
				return nil
			},
			Handler: func(c *websocket.Conn) { obey(&xnet{c}) },
		}.ServeHTTP(w, r)
		return nil, errServed
	},
	dial: func(url string) (conn, error) {
		c, err := websocket.NewConfig(url, "http://127.0.0.1/")
		if err != nil {
			return nil, err
		}
		c.Protocol = []string{subprotocol}
		nc, err := c.DialContext(background)
		return &xnet{nc}, err
	},
}

func chosen(offered []string) []string {
	for _, p := range offered {
		if p == subprotocol {
			return []string{p}
		}
	}
	return nil
}

type xnet struct{ *websocket.Conn }

// xnetCodec tells whether a message is a text.
var xnetCodec = websocket.Codec{
	Marshal: func(v any) ([]byte, byte, error) {
		m := v.(*xnetMessage)
		if m.text {
			return m.data, websocket.TextFrame, nil
		}
		return m.data, websocket.BinaryFrame, nil
	},
	Unmarshal: func(data []byte, kind byte, v any) error {
		*v.(*xnetMessage) = xnetMessage{kind == websocket.TextFrame, data}
		return nil
	},
}

type xnetMessage struct {
	text bool
	data []byte
}

func (c *xnet) read() (bool, []byte, error) {
	var m xnetMessage
	err := xnetCodec.Receive(c.Conn, &m)
	if err == io.EOF { // it hides the Close
		err = &closed{Code: 1005}
	}
	return m.text, m.data, err
}

func (c *xnet) write(text bool, data []byte) error {
	return xnetCodec.Send(c.Conn, &xnetMessage{text, data})
}

func (c *xnet) close(code int, _ string) error { return c.WriteClose(code) }

func (c *xnet) ping(string, func()) error { return errNo }

func (c *xnet) fragments(...string) error { return errNo }

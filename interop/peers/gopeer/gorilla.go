package main

import (
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

var gorillaLibrary = library{
	module: "github.com/gorilla/websocket",
	serve: func(w http.ResponseWriter, r *http.Request) (conn, error) {
		u := websocket.Upgrader{Subprotocols: []string{subprotocol}, EnableCompression: true}
		c, err := u.Upgrade(w, r, nil)
		return gorilla{c}, err
	},
	dial: func(url string) (conn, error) {
		d := websocket.Dialer{Subprotocols: []string{subprotocol}, EnableCompression: true}
		c, _, err := d.Dial(url, nil)
		return gorilla{c}, err
	},
}

type gorilla struct{ *websocket.Conn }

func (c gorilla) read() (bool, []byte, error) {
	t, data, err := c.ReadMessage()
	if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		err = &closed{e.Code, e.Text}
	}
	return t == websocket.TextMessage, data, err
}

func (c gorilla) write(text bool, data []byte) error {
	t := websocket.BinaryMessage
	if text {
		t = websocket.TextMessage
	}
	return c.WriteMessage(t, data)
}

func (c gorilla) close(code int, reason string) error {
	return c.WriteControl(websocket.CloseMessage,
		websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
}

func (c gorilla) ping(data string, pong func()) error {
	c.SetPongHandler(func(string) error { pong(); return nil })
	return c.WriteControl(websocket.PingMessage, []byte(data), time.Now().Add(time.Second))
}

// fragments cannot say where a frame ends: the writer flushes when its buffer is full.
func (c gorilla) fragments(...string) error { return errNo }

package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/coder/websocket"
)

var coderLibrary = library{
	module: "github.com/coder/websocket",
	serve: func(w http.ResponseWriter, r *http.Request) (conn, error) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols:    []string{subprotocol},
			CompressionMode: websocket.CompressionContextTakeover,
		})
		return newCoder(c), err
	},
	dial: func(url string) (conn, error) {
		c, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{
			Subprotocols:    []string{subprotocol},
			CompressionMode: websocket.CompressionContextTakeover,
		})
		return newCoder(c), err
	},
}

type coder struct{ *websocket.Conn }

func newCoder(c *websocket.Conn) coder {
	if c != nil {
		c.SetReadLimit(4 << 20)
	}
	return coder{c}
}

func (c coder) read() (bool, []byte, error) {
	t, data, err := c.Read(context.Background())
	if e, ok := errors.AsType[websocket.CloseError](err); ok {
		err = &closed{int(e.Code), e.Reason}
	}
	return t == websocket.MessageText, data, err
}

func (c coder) write(text bool, data []byte) error {
	t := websocket.MessageBinary
	if text {
		t = websocket.MessageText
	}
	return c.Write(context.Background(), t, data)
}

// close waits for the peer's Close, and keeps what it says.
func (c coder) close(code int, reason string) error {
	if err := c.Close(websocket.StatusCode(code), reason); err != nil {
		return err
	}
	return &closed{code, reason}
}

// ping waits for the pong, which another goroutine must read. Its payload is a number.
func (c coder) ping(_ string, pong func()) error {
	go func() {
		if c.Ping(context.Background()) == nil {
			pong()
		}
	}()
	return nil
}

func (c coder) fragments(parts ...string) error {
	w, err := c.Writer(context.Background(), websocket.MessageText)
	if err != nil {
		return err
	}
	for _, p := range parts { // each Write is a frame
		if _, err := w.Write([]byte(p)); err != nil {
			return err
		}
	}
	return w.Close()
}

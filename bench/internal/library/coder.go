package library

import (
	"bytes"
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// Coder is github.com/coder/websocket. It reads through Reader into one buffer; Read would
// allocate. Its limit of 32 KiB a message is lifted.
var Coder = Library{
	Name: "coder",
	Serve: func(l net.Listener, h Handler) error {
		return serveHTTP(l, func(w http.ResponseWriter, r *http.Request) func() {
			wc, err := websocket.Accept(w, r, nil)
			if err != nil {
				return nil
			}
			return openCoder(wc, h)
		})
	},
	Dial: func(addr string, h Handler) error {
		wc, _, err := websocket.Dial(context.Background(), "ws://"+addr, nil)
		if err != nil {
			return err
		}
		if run := openCoder(wc, h); run != nil {
			go run() // ends with the connection
		}
		return nil
	},
	Rooms:  anyRooms,
	Relays: anyRelays,
}

// A coderConn gives each call the same context, which could be cancelled, as in real programs.
type coderConn struct {
	c      *websocket.Conn
	ctx    context.Context
	cancel context.CancelFunc
}

func openCoder(wc *websocket.Conn, h Handler) (run func()) {
	wc.SetReadLimit(-1)
	c := &coderConn{c: wc}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	h.Open(c)
	if h.Message == nil {
		return nil
	}
	return func() {
		defer c.Close()
		for buf := (bytes.Buffer{}); ; {
			_, r, err := wc.Reader(c.ctx)
			if err != nil {
				return
			}
			buf.Reset()
			if _, err := buf.ReadFrom(r); err != nil {
				return
			}
			h.Message(c, buf.Bytes())
		}
	}
}

func (c *coderConn) Write(data []byte) error {
	return c.c.Write(c.ctx, websocket.MessageBinary, data)
}

func (c *coderConn) Close() {
	_ = c.c.CloseNow()
	c.cancel()
}

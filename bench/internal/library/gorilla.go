package library

import (
	"bytes"
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

// Gorilla is github.com/gorilla/websocket. It reads through NextReader into one buffer; ReadMessage
// would allocate.
var Gorilla = Library{
	Name: "gorilla",
	Serve: func(l net.Listener, h Handler) error {
		var u websocket.Upgrader
		return serveHTTP(l, func(w http.ResponseWriter, r *http.Request) func() {
			wc, err := u.Upgrade(w, r, nil)
			if err != nil {
				return nil
			}
			return openGorilla(wc, h)
		})
	},
	Dial: func(addr string, h Handler) error {
		wc, _, err := websocket.DefaultDialer.Dial("ws://"+addr, nil)
		if err != nil {
			return err
		}
		if run := openGorilla(wc, h); run != nil {
			go run() // ends with the connection
		}
		return nil
	},
	Rooms: []Way{
		{Name: "PreparedMessage in a loop", New: loopOf(prepareGorilla)},
		{Name: "PreparedMessage, a channel each", New: queuesOf(prepareGorilla)},
	},
	Relays: anyRelays,
}

type gorillaConn struct{ c *websocket.Conn }

func openGorilla(wc *websocket.Conn, h Handler) (run func()) {
	c := gorillaConn{wc}
	h.Open(c)
	if h.Message == nil {
		return nil
	}
	return func() {
		defer c.Close()
		for buf := (bytes.Buffer{}); ; {
			_, r, err := wc.NextReader()
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

func (c gorillaConn) Write(data []byte) error {
	return c.c.WriteMessage(websocket.BinaryMessage, data)
}

// prepareGorilla encodes data once for all connections.
func prepareGorilla(data []byte) send {
	m, err := websocket.NewPreparedMessage(websocket.BinaryMessage, data)
	return func(c Conn) error {
		if err != nil {
			return err
		}
		return c.(gorillaConn).c.WritePreparedMessage(m)
	}
}

func (c gorillaConn) Close() { _ = c.c.Close() }

package main

import (
	"net/http"
	"time"

	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"
)

var nbioLibrary = library{
	module: "github.com/lesismal/nbio",
	serve: func(w http.ResponseWriter, r *http.Request) (conn, error) {
		q := newQueue()
		c, err := nbioUpgrader(q).Upgrade(w, r, nil)
		if err != nil {
			return nil, err
		}
		return &nbioConn{c, q}, nil
	},
	dial: func(url string) (conn, error) {
		engine := nbhttp.NewEngine(nbhttp.Config{})
		if err := engine.Start(); err != nil {
			return nil, err
		}
		q := newQueue()
		d := websocket.Dialer{
			Engine:       engine,
			Upgrader:     nbioUpgrader(q),
			DialTimeout:  10 * time.Second,
			Subprotocols: []string{subprotocol},
		}
		c, _, err := d.Dial(url, nil)
		if err != nil {
			return nil, err
		}
		return &nbioConn{c, q}, nil
	},
}

func nbioUpgrader(q *queue) *websocket.Upgrader {
	u := websocket.NewUpgrader()
	u.Subprotocols = []string{subprotocol}
	u.EnableCompression(true)
	u.SetPongHandler(func(*websocket.Conn, string) { q.pong() })
	u.OnMessage(func(_ *websocket.Conn, t websocket.MessageType, data []byte) {
		q.push(t == websocket.TextMessage, append([]byte(nil), data...))
	})
	u.OnClose(func(_ *websocket.Conn, err error) {
		if c, ok := err.(*websocket.CloseError); ok {
			err = &closed{c.Code, c.Reason}
		}
		q.end(err)
	})
	return u
}

type nbioConn struct {
	*websocket.Conn
	*queue
}

func (c *nbioConn) write(text bool, data []byte) error {
	t := websocket.BinaryMessage
	if text {
		t = websocket.TextMessage
	}
	return c.WriteMessage(t, data)
}

func (c *nbioConn) close(code int, reason string) error { return c.WriteClose(code, reason) }

func (c *nbioConn) ping(data string, pong func()) error {
	c.onPong(pong)
	return c.WriteMessage(websocket.PingMessage, []byte(data))
}

func (c *nbioConn) fragments(...string) error { return errNo }

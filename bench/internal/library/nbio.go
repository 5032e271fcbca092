package library

import (
	"net"
	"net/http"

	"github.com/lesismal/llib/std/crypto/tls"
	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"
)

// nbioQueue is how much a connection's queue may hold, in bytes, before nbio cuts the connection:
// as in its README. Without it there is no bound.
const nbioQueue = 6 << 20

// Nbio is github.com/lesismal/nbio, with its own HTTP engine, as in its examples. That has epoll, a
// pool of goroutines that call the handlers, and writes that never block.
var Nbio = Library{
	Name: "nbio",
	Serve: func(l net.Listener, h Handler) error {
		return serveNbio(nbhttp.Config{Addrs: []string{l.Addr().String()}}, l, h)
	},
	ServeTLS: func(l net.Listener, cert, key []byte, h Handler) error {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return err
		}
		return serveNbio(nbhttp.Config{
			AddrsTLS:  []string{l.Addr().String()},
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
		}, l, h)
	},
	Dial: func(addr string, h Handler) error {
		logging.SetLevel(logging.LevelNone)
		engine := nbhttp.NewEngine(nbhttp.Config{ReleaseWebsocketPayload: true})
		if err := engine.Start(); err != nil {
			return err
		}
		d := websocket.Dialer{Engine: engine, Upgrader: nbioUpgrader(h)}
		_, _, err := d.Dial("ws://"+addr, nil)
		return err
	},
	Rooms: []Way{
		{Name: anyRooms[0].Name + NoLimit, New: anyRooms[0].New},
		{Name: "MaxWriteBufferSize", New: anyRooms[0].New, Serve: func(l net.Listener, h Handler) error {
			return serveNbio(nbhttp.Config{Addrs: []string{l.Addr().String()},
				MaxWriteBufferSize: nbioQueue}, l, h)
		}},
	},
	Relays: anyRelays[:1],
}

// serveNbio has the engine take l for its address.
func serveNbio(config nbhttp.Config, l net.Listener, h Handler) error {
	logging.SetLevel(logging.LevelNone)
	u := nbioUpgrader(h)
	config.Network = "tcp"
	config.ReleaseWebsocketPayload = true
	config.Listen = func(string, string) (net.Listener, error) { return l, nil }
	config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = u.Upgrade(w, r, nil) // it has answered an error
	})
	if err := nbhttp.NewEngine(config).Start(); err != nil {
		return err
	}
	select {} // its goroutines serve
}

func nbioUpgrader(h Handler) *websocket.Upgrader {
	u := websocket.NewUpgrader()
	u.OnOpen(func(wc *websocket.Conn) { h.Open(nbioConn{wc}) })
	u.OnMessage(func(wc *websocket.Conn, _ websocket.MessageType, data []byte) {
		if h.Message != nil {
			h.Message(nbioConn{wc}, data)
		}
	})
	return u
}

type nbioConn struct{ c *websocket.Conn }

func (c nbioConn) Write(data []byte) error {
	return c.c.WriteMessage(websocket.BinaryMessage, data)
}

func (c nbioConn) Close() { _ = c.c.Close() }

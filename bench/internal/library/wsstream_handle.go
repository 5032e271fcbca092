package library

import (
	"context"
	"net"
	"net/http"

	"github.com/wsstream/wsstream"
)

// WsstreamHandle is wsstream with Readable.Handle: a message is pushed to the program's function,
// and a connection has a goroutine only while there are messages.
var WsstreamHandle = Library{
	Name: "Handle",
	Serve: func(l net.Listener, h Handler) error {
		s := http.Server{Handler: wsstream.Handler(func(wc *wsstream.Conn, _ *http.Request) error {
			return handle(wc, h)
		}, nil)}
		return s.Serve(l)
	},
	ServeBare: func(l net.Listener, h Handler) error {
		return serveConns(l, func(nc net.Conn) {
			wc, err := wsstream.AcceptConn(context.Background(), nc, nil)
			if err == nil {
				_ = handle(wc, h)
			}
		})
	},
	Rooms: wsstreamRooms,
}

func handle(wc *wsstream.Conn, h Handler) error {
	c := handledConn{wc}
	h.Open(c)
	return wc.Readable().Handle(func(m wsstream.Message) error {
		h.Message(c, m.Data)
		return nil
	}, nil)
}

// A handledConn writes without a context of its own.
type handledConn struct{ *wsstream.Conn }

func (c handledConn) Write(data []byte) error {
	return c.Writable().Write(context.Background(), wsstream.Binary(data))
}

func (c handledConn) Close() { c.CloseNow() }

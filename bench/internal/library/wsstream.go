package library

import (
	"context"
	"net"
	"net/http"

	"github.com/wsstream/wsstream"
)

// Wsstream is this module's library.
var Wsstream = Library{
	Name: "wsstream",
	Accept: func(w http.ResponseWriter, r *http.Request) (Conn, error) {
		return newWsstream(wsstream.Accept(w, r, nil))
	},
	Dial: func(nc net.Conn) (Conn, error) {
		c := wsstream.Dial(context.Background(), url, &wsstream.DialOptions{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return nc, nil },
		})
		_, err := c.Opened().Wait(context.Background())
		return newWsstream(c, err)
	},
}

// A wsstreamConn gives each call the same context, which somebody could end: as programs have it.
type wsstreamConn struct {
	c      *wsstream.Conn
	ctx    context.Context
	cancel context.CancelFunc
	m      wsstream.Message
}

func newWsstream(c *wsstream.Conn, err error) (Conn, error) {
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &wsstreamConn{c: c, ctx: ctx, cancel: cancel}, nil
}

func (c *wsstreamConn) Write(p []byte) error {
	return c.c.Writable().Write(c.ctx, wsstream.Binary(p))
}

func (c *wsstreamConn) Read() (int, error) {
	err := c.c.Readable().PullInto(c.ctx, &c.m)
	return len(c.m.Data), err
}

func (c *wsstreamConn) Close() {
	c.c.CloseNow()
	c.cancel()
}

package library

import (
	"bufio"
	"bytes"
	"net"
	"net/http"

	"github.com/lxzan/gws"
)

// Gws is github.com/lxzan/gws, with its event handler.
var Gws = Library{
	Name: "gws",
	Serve: func(l net.Listener, h Handler) error {
		u := gws.NewUpgrader(gwsEvents{h: h}, nil)
		return serveHTTP(l, func(w http.ResponseWriter, r *http.Request) func() {
			wc, err := u.Upgrade(w, r)
			if err != nil {
				return nil
			}
			h.Open(gwsConn{wc})
			if h.Message == nil {
				return nil
			}
			return wc.ReadLoop
		})
	},
	ServeBare: func(l net.Listener, h Handler) error {
		u := gws.NewUpgrader(gwsEvents{h: h}, nil)
		s := gws.NewServer(gwsEvents{h: h}, nil)
		s.OnRequest = func(nc net.Conn, br *bufio.Reader, r *http.Request) {
			wc, err := u.UpgradeFromConn(nc, br, r)
			if err != nil {
				return
			}
			h.Open(gwsConn{wc})
			if h.Message != nil {
				wc.ReadLoop()
			}
		}
		return s.RunListener(l)
	},
	Dial: func(addr string, h Handler) error {
		wc, _, err := gws.NewClient(gwsEvents{h: h}, &gws.ClientOption{Addr: "ws://" + addr})
		if err != nil {
			return err
		}
		h.Open(gwsConn{wc})
		if h.Message != nil {
			go wc.ReadLoop() // ends with the connection
		}
		return nil
	},
	Rooms: []Way{
		anyRooms[0],
		{Name: "its Broadcaster" + NoLimit, New: func() Room { return &gwsRoom{} }},
	},
	Relays: []Relay{
		anyRelays[0],
		{Name: "its WriteAsync", Message: func(dst Conn, data []byte) {
			dst.(gwsConn).c.WriteAsync(gws.OpcodeBinary, bytes.Clone(data), nil)
		}},
	},
}

type gwsConn struct{ c *gws.Conn }

func (c gwsConn) Write(data []byte) error { return c.c.WriteMessage(gws.OpcodeBinary, data) }

func (c gwsConn) Close() { _ = c.c.NetConn().Close() }

type gwsEvents struct {
	gws.BuiltinEventHandler
	h Handler
}

func (e gwsEvents) OnMessage(wc *gws.Conn, m *gws.Message) {
	e.h.Message(gwsConn{wc}, m.Bytes())
	_ = m.Close()
}

// A gwsRoom is the broadcast of its README: a queue for each connection, without a bound.
type gwsRoom struct{ loopRoom }

func (r *gwsRoom) Publish(data []byte) {
	r.mu.Lock()
	conns := r.conns
	r.mu.Unlock()
	b := gws.NewBroadcaster(gws.OpcodeBinary, data)
	defer func() { _ = b.Close() }()
	for _, c := range conns {
		_ = b.Broadcast(c.(gwsConn).c)
	}
}

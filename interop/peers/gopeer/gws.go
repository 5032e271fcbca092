package main

import (
	"net/http"

	"github.com/lxzan/gws"
)

var gwsLibrary = library{
	module: "github.com/lxzan/gws",
	serve: func(w http.ResponseWriter, r *http.Request) (conn, error) {
		h := newQueue()
		u := gws.NewUpgrader(&gwsEvents{q: h}, &gws.ServerOption{
			SubProtocols:       []string{subprotocol}, // it refuses a client that offers none of them
			PermessageDeflate:  gws.PermessageDeflate{Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true},
			ReadMaxPayloadSize: 4 << 20,
		})
		c, err := u.Upgrade(w, r)
		if err != nil {
			return nil, err
		}
		go c.ReadLoop()
		return &gwsConn{c, h}, nil
	},
	dial: func(url string) (conn, error) {
		h := newQueue()
		c, _, err := gws.NewClient(&gwsEvents{q: h}, &gws.ClientOption{
			Addr:               url,
			RequestHeader:      http.Header{"Sec-WebSocket-Protocol": {subprotocol}},
			PermessageDeflate:  gws.PermessageDeflate{Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true},
			ReadMaxPayloadSize: 4 << 20,
		})
		if err != nil {
			return nil, err
		}
		go c.ReadLoop()
		return &gwsConn{c, h}, nil
	},
}

// gwsEvents are called by the goroutine of ReadLoop, which waits while the queue is full.
type gwsEvents struct {
	gws.BuiltinEventHandler
	q *queue
}

func (e *gwsEvents) OnPing(c *gws.Conn, data []byte) { _ = c.WritePong(data) }
func (e *gwsEvents) OnPong(*gws.Conn, []byte)        { e.q.pong() }

func (e *gwsEvents) OnMessage(_ *gws.Conn, m *gws.Message) {
	e.q.push(m.Opcode == gws.OpcodeText, append([]byte(nil), m.Bytes()...))
	_ = m.Close()
}

func (e *gwsEvents) OnClose(_ *gws.Conn, err error) {
	if c, ok := err.(*gws.CloseError); ok {
		err = &closed{int(c.Code), string(c.Reason)}
	}
	e.q.end(err)
}

type gwsConn struct {
	*gws.Conn
	*queue
}

func (c *gwsConn) write(text bool, data []byte) error {
	op := gws.OpcodeBinary
	if text {
		op = gws.OpcodeText
	}
	return c.WriteMessage(op, data)
}

// close sends a Close and closes the socket immediately.
func (c *gwsConn) close(code int, reason string) error {
	return c.WriteClose(uint16(code), []byte(reason))
}

func (c *gwsConn) ping(data string, pong func()) error {
	c.onPong(pong)
	return c.WritePing([]byte(data))
}

func (c *gwsConn) fragments(...string) error { return errNo }

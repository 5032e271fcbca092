package library

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// Gobwas is github.com/gobwas/ws with wsutil's Reader and Writer, as in its README; they make fewer
// system calls than wsutil's ReadClientData and WriteServerMessage. With net/http it reads through
// the buffer that the upgrade gives back.
var Gobwas = Library{
	Name: "gobwas",
	Serve: func(l net.Listener, h Handler) error {
		return serveHTTP(l, func(w http.ResponseWriter, r *http.Request) func() {
			nc, rw, _, err := ws.UpgradeHTTP(r, w)
			if err != nil {
				return nil
			}
			return openGobwas(nc, rw.Reader, ws.StateServerSide, h)
		})
	},
	ServeBare: func(l net.Listener, h Handler) error {
		return serveConns(l, func(nc net.Conn) {
			if _, err := ws.Upgrade(nc); err != nil {
				_ = nc.Close()
				return
			}
			if run := openGobwas(nc, nc, ws.StateServerSide, h); run != nil {
				run()
			}
		})
	},
	Dial: func(addr string, h Handler) error {
		nc, br, _, err := ws.Dial(context.Background(), "ws://"+addr)
		if err != nil {
			return err
		}
		src := io.Reader(nc)
		if br != nil {
			src = br
		}
		if run := openGobwas(nc, src, ws.StateClientSide, h); run != nil {
			go run() // ends with the connection
		}
		return nil
	},
	Rooms: []Way{
		{Name: "a compiled frame in a loop", New: loopOf(compileGobwas)},
		{Name: "a compiled frame, a channel each", New: queuesOf(compileGobwas)},
	},
	Relays: anyRelays,
}

type gobwasConn struct {
	nc    net.Conn
	state ws.State
	once  sync.Once // makes w with the first Write
	w     *wsutil.Writer
}

func openGobwas(nc net.Conn, src io.Reader, state ws.State, h Handler) (run func()) {
	c := &gobwasConn{nc: nc, state: state}
	h.Open(c)
	if h.Message == nil {
		return nil
	}
	return func() {
		defer c.Close()
		control := wsutil.ControlFrameHandler(nc, state)
		r := wsutil.NewReader(src, state)
		r.OnIntermediate = control
		for buf := (bytes.Buffer{}); ; {
			header, err := r.NextFrame()
			if err != nil {
				return
			}
			if header.OpCode.IsControl() {
				if control(header, r) != nil {
					return
				}
				continue
			}
			buf.Reset()
			if _, err := buf.ReadFrom(r); err != nil {
				return
			}
			h.Message(c, buf.Bytes())
		}
	}
}

// Write sends header and payload in one write where the Writer's buffer holds them.
func (c *gobwasConn) Write(data []byte) error {
	c.once.Do(func() { c.w = wsutil.NewWriter(c.nc, c.state, ws.OpBinary) })
	if len(data) > c.w.Available() {
		return wsutil.WriteMessage(c.nc, c.state, ws.OpBinary, data)
	}
	if _, err := c.w.Write(data); err != nil {
		return err
	}
	return c.w.Flush()
}

// compileGobwas encodes data once for all connections of a server.
func compileGobwas(data []byte) send {
	frame, err := ws.CompileFrame(ws.NewBinaryFrame(data))
	return func(c Conn) error {
		if err != nil {
			return err
		}
		_, err := c.(*gobwasConn).nc.Write(frame)
		return err
	}
}

func (c *gobwasConn) Close() { _ = c.nc.Close() }

package library

import (
	"net"

	"github.com/wsstream/wsstream/bench/internal/frame"
)

const rawBlock = 64 << 10 // bytes in one write or read

// Raw is no library but the limit: the same bytes by plain writes and reads of TCP. A block is as
// large as there is something to send. Raw looks at the frames' headers only.
var Raw = Library{
	Name: "raw",
	Serve: func(l net.Listener, h Handler) error {
		return serveConns(l, func(nc net.Conn) { runRaw(nc, frame.Accept, false, h) })
	},
	ServeBare: func(l net.Listener, h Handler) error {
		return serveConns(l, func(nc net.Conn) { runRaw(nc, frame.Accept, false, h) })
	},
	Dial: func(addr string, h Handler) error {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		go runRaw(nc, frame.Dial, true, h) // ends with the connection
		return nil
	},
	Rooms:  anyRooms[:1],
	Relays: anyRelays[:1],
}

func runRaw(nc net.Conn, shake func(net.Conn) ([]byte, error), client bool, h Handler) {
	rest, err := shake(nc)
	if err != nil {
		_ = nc.Close()
		return
	}
	c := &rawConn{nc: nc, client: client}
	h.Open(c)
	if h.Message == nil {
		return
	}
	defer c.Close()
	var w frame.Walker
	answers := &rawAnswers{rawConn: rawConn{nc: nc, client: client}}
	var nothing []byte
	for buf := make([]byte, 4<<10); ; { // an idle connection holds no large one
		n := w.Walk(rest)
		if len(nothing) < w.Size {
			nothing = make([]byte, w.Size)
		}
		for range n {
			h.Message(answers, nothing[:w.Size])
		}
		if answers.flush() != nil {
			return
		}
		if w.Closed {
			_, _ = nc.Write(frame.New(frame.Close, nil, client))
			return
		}
		size, err := nc.Read(buf)
		if err != nil {
			return
		}
		if rest = buf[:size]; size == len(buf) && size < rawBlock {
			buf = make([]byte, rawBlock)
		}
	}
}

type rawConn struct {
	nc     net.Conn
	client bool
	frame  []byte // the last one, of a payload of
	size   int    // bytes
}

// of returns a frame for data; one of the same length has the same bytes on the wire but for the
// payload.
func (c *rawConn) of(data []byte) []byte {
	if c.frame == nil || c.size != len(data) {
		c.frame, c.size = frame.New(frame.Binary, data, c.client), len(data)
	}
	return c.frame
}

func (c *rawConn) Write(data []byte) error {
	_, err := c.nc.Write(c.of(data))
	return err
}

func (c *rawConn) Flood(data []byte, sent func(n int64) bool) {
	block, n := frame.Repeat(c.of(data), rawBlock)
	for {
		if _, err := c.nc.Write(block); err != nil || !sent(int64(n)) {
			return
		}
	}
}

func (c *rawConn) Close() { _ = c.nc.Close() }

// rawAnswers gathers what is written while a block is walked over.
type rawAnswers struct {
	rawConn
	out []byte
}

func (a *rawAnswers) Write(data []byte) error {
	a.out = append(a.out, a.of(data)...)
	return nil
}

func (a *rawAnswers) flush() error {
	if len(a.out) == 0 {
		return nil
	}
	_, err := a.nc.Write(a.out)
	a.out = a.out[:0]
	return err
}

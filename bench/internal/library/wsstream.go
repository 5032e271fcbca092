package library

import (
	"context"
	"net"
	"net/http"

	"github.com/wsstream/wsstream"
)

// Wsstream is github.com/wsstream/wsstream.
var Wsstream = wsstreamLibrary("wsstream", wsstreamCalls{read: pullInto})

// WsstreamCalls are the same with other calls: what each costs against the one that Wsstream uses.
var WsstreamCalls = []Library{
	wsstreamLibrary("PullInto, Write", wsstreamCalls{read: pullInto}),
	wsstreamLibrary("PullInto, Write, context.Background",
		wsstreamCalls{read: pullInto, background: true}),
	wsstreamLibrary("Pull, TryWrite", wsstreamCalls{read: pull, try: true}),
	wsstreamLibrary("NextMessage", wsstreamCalls{read: nextMessage}),
	WsstreamHandle,
}

// wsstreamCalls are the calls that a program makes.
type wsstreamCalls struct {
	read func(c *wsstreamConn, h Handler)
	try  bool // write with TryWrite
	// with context.Background; else each connection's calls have a context that could be cancelled
	background bool
}

// wsstreamLibrary returns the library as a program uses it that makes these calls.
func wsstreamLibrary(name string, calls wsstreamCalls) Library {
	open := func(wc *wsstream.Conn, h Handler) *wsstreamConn {
		c := &wsstreamConn{Conn: wc, ctx: context.Background(), cancel: func() {}, try: calls.try}
		if !calls.background {
			c.ctx, c.cancel = context.WithCancel(c.ctx)
		}
		h.Open(c)
		return c
	}
	run := func(c *wsstreamConn, h Handler) {
		defer c.Close()
		calls.read(c, h)
	}
	return Library{
		Name: name,
		Serve: func(l net.Listener, h Handler) error {
			return serveHTTP(l, func(w http.ResponseWriter, r *http.Request) func() {
				wc, err := wsstream.Accept(w, r, nil)
				if err != nil {
					return nil
				}
				c := open(wc, h)
				if h.Message == nil {
					return nil
				}
				return func() { run(c, h) }
			})
		},
		ServeBare: func(l net.Listener, h Handler) error {
			return serveConns(l, func(nc net.Conn) {
				wc, err := wsstream.AcceptConn(context.Background(), nc, nil)
				if err != nil {
					return
				}
				if c := open(wc, h); h.Message != nil {
					run(c, h)
				}
			})
		},
		Dial: func(addr string, h Handler) error {
			wc := wsstream.Dial(context.Background(), "ws://"+addr, nil)
			if _, err := wc.Opened().Wait(context.Background()); err != nil {
				return err
			}
			if c := open(wc, h); h.Message != nil {
				go run(c, h) // ends with the connection
			}
			return nil
		},
		Rooms:  wsstreamRooms,
		Relays: []Relay{{Name: "stream.Pipe", Pipe: pipe}},
	}
}

type wsstreamConn struct {
	*wsstream.Conn
	ctx    context.Context
	cancel context.CancelFunc
	try    bool // write with TryWrite
}

func (c *wsstreamConn) Write(data []byte) error {
	if !c.try {
		return c.Writable().Write(c.ctx, wsstream.Binary(data))
	}
	for {
		ok, err := c.Writable().TryWrite(wsstream.Binary(data))
		if ok || err != nil {
			return err
		}
		if err := c.Writable().Ready(c.ctx); err != nil {
			return err
		}
	}
}

func (c *wsstreamConn) Close() {
	c.CloseNow()
	c.cancel()
}

func pullInto(c *wsstreamConn, h Handler) {
	for m := (wsstream.Message{}); c.Readable().PullInto(c.ctx, &m) == nil; {
		h.Message(c, m.Data)
	}
}

func pull(c *wsstreamConn, h Handler) {
	for {
		m, err := c.Readable().Pull(c.ctx)
		if err != nil {
			return
		}
		h.Message(c, m.Data)
	}
}

func nextMessage(c *wsstreamConn, h Handler) {
	buf := make([]byte, 64<<10) // more than the messages hold that it is used for
	for {
		m, err := c.Readable().NextMessage(c.ctx)
		if err != nil {
			return
		}
		n := 0
		for err == nil {
			var k int
			k, err = m.Read(buf[n:])
			n += k
		}
		h.Message(c, buf[:n])
	}
}

package main

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
)

// A host holds the connections that are measured.
type host struct {
	row
	settled chan error // gets a value for each connection that is in the row's state

	mu    sync.Mutex
	conns []*wsstream.Conn // guarded by mu: a Conn without a reference is garbage
}

// listen waits for the far ends, unless the far ends listen.
func (h *host) listen(ctx context.Context) (addr string, err error) {
	if h.client {
		return "", nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	if h.tls {
		config, err := selfSigned()
		if err != nil {
			return "", err
		}
		l = tls.NewListener(l, config)
	}
	if h.handler {
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.hold(ctx, func() (*wsstream.Conn, error) { return wsstream.Accept(w, r, nil) })
		})}
		go func() { h.settled <- s.Serve(l) }() // the process's: it ends with it
	} else {
		go func() { h.settled <- h.serve(ctx, l) }() // the same
	}
	return l.Addr().String(), nil
}

func (h *host) serve(ctx context.Context, l net.Listener) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		if tc, ok := nc.(*net.TCPConn); ok && h.out {
			if err := tc.SetWriteBuffer(4 << 10); err != nil { // the window has to fill, not the kernel
				return err
			}
		}
		// ends when it is in its state, or with it
		go h.hold(ctx, func() (*wsstream.Conn, error) { return wsstream.AcceptConn(ctx, nc, nil) })
	}
}

// open has n connections made and brought into the row's state.
func (h *host) open(ctx context.Context, far *farEnd, addr string, n int) error {
	if err := far.next(n); err != nil {
		return err
	}
	for range n {
		if h.client {
			c := wsstream.Dial(ctx, "ws://"+addr, nil)
			if _, err := c.Opened().Wait(ctx); err != nil {
				return err
			}
			// ends when it is in its state, or with it
			go h.hold(ctx, func() (*wsstream.Conn, error) { return c, nil })
		}
		select {
		case err := <-h.settled:
			if err != nil {
				return err
			}
		case <-far.ended:
			return far.err
		}
	}
	_, err := far.line() // the far end has done its part
	return err
}

// hold brings a connection into the row's state and tells. It returns then, or when the connection
// ends where it is to wait.
func (h *host) hold(ctx context.Context, open func() (*wsstream.Conn, error)) {
	c, err := open()
	for range h.busy {
		if err == nil {
			err = echo(ctx, c)
		}
	}
	if err == nil && (h.in || h.out) {
		err = h.stall(c)
	}
	if err == nil && h.handle {
		err = c.Readable().Handle(func(wsstream.Message) error { return nil }, nil)
	}
	h.mu.Lock()
	h.conns = append(h.conns, c)
	h.mu.Unlock()
	h.settled <- err
	switch {
	case err != nil || h.handle:
	case h.pulling:
		_, _ = c.Readable().Pull(ctx) // until it ends
	case h.handler:
		_, _ = c.Closed().Wait(ctx)
	}
}

func echo(ctx context.Context, c *wsstream.Conn) error {
	m, err := c.Readable().Pull(ctx)
	if err != nil {
		return err
	}
	return c.Writable().Write(ctx, m)
}

// stall waits until a window of c is full and stays so. What it writes goes on filling the kernel
// for a while.
func (h *host) stall(c *wsstream.Conn) error {
	for full := 0; full < 5; full++ {
		<-time.After(10 * time.Millisecond)
		if h.in && c.Stats().Received.Held < wsstream.DefaultReadWindow {
			full = 0
		}
		for ok := h.out; ok; {
			var err error
			if ok, err = c.Writable().TryWrite(wsstream.Binary(make([]byte, 1<<10))); err != nil {
				return err
			}
			if ok {
				full = 0
			}
		}
	}
	return nil
}

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"

	"github.com/wsstream/wsstream"
)

// beFar makes as many connections as each line of stdin says. It connects to addr, or listens and
// prints its own address. It reports when each connection has done its part. It ends with stdin.
func beFar(ctx context.Context, r row, addr string, stdin io.Reader, stdout io.Writer) error {
	connect := func() (*wsstream.Conn, error) {
		o := &wsstream.DialOptions{TLSConfig: &tls.Config{InsecureSkipVerify: true}, NetDial: dialSmall}
		if !r.out {
			o.NetDial = nil
		}
		c := wsstream.Dial(ctx, map[bool]string{true: "wss://", false: "ws://"}[r.tls]+addr, o)
		_, err := c.Opened().Wait(ctx)
		return c, err
	}
	if r.client {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(stdout, l.Addr())
		connect = func() (*wsstream.Conn, error) {
			nc, err := l.Accept()
			if err != nil {
				return nil, err
			}
			return wsstream.AcceptConn(ctx, nc, nil)
		}
	}
	var conns []*wsstream.Conn // one with a full window has no goroutine, and would be garbage
	defer func() { runtime.KeepAlive(conns) }()
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			return err
		}
		for range n {
			c, err := connect()
			if err == nil {
				conns = append(conns, c)
				err = r.play(ctx, c)
			}
			if err != nil {
				return err
			}
		}
		_, _ = fmt.Fprintln(stdout, "done")
	}
	return nil
}

// play does the far end's part.
func (r row) play(ctx context.Context, c *wsstream.Conn) error {
	for range r.busy {
		if err := c.Writable().Write(ctx, wsstream.Binary(make([]byte, 1<<10))); err != nil {
			return err
		}
		if _, err := c.Readable().Pull(ctx); err != nil {
			return err
		}
	}
	if r.in {
		// the kernels hold what the window does not
		return c.Writable().Write(ctx, wsstream.Binary(make([]byte, 128<<10)))
	}
	return nil
}

// dialSmall dials with kernel buffers that are small.
func dialSmall(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if tc, ok := nc.(*net.TCPConn); ok {
		err = tc.SetReadBuffer(4 << 10)
	}
	return nc, err
}

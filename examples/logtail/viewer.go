package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"golang.org/x/time/rate"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A viewer is a client that shows the log.
type viewer struct {
	name   string
	policy string
	speed  rate.Limit // in lines a second
}

// watch shows all entries from the server at base until the server closes the connection. It
// returns how many there were, and how the server closed. Any other end is an error.
func (v viewer) watch(
	ctx context.Context, base string, show func(entry) error,
) (received int64, end wsstream.CloseInfo, err error) {
	u, err := url.Parse(base)
	if err != nil {
		return 0, end, err
	}
	u.RawQuery = url.Values{"name": {v.name}, "policy": {v.policy}}.Encode()
	conn := wsstream.Dial(ctx, u.String(),
		&wsstream.DialOptions{ReadWindow: window, NetDial: dialSmall})
	defer conn.CloseNow()
	in := stream.Decode(conn.Readable(), entries)
	if v.speed != rate.Inf {
		// it catches up if it overslept
		in = stream.Throttle(in, rate.NewLimiter(v.speed, max(1, int(v.speed/20))))
	}
	for e, err := range stream.All(ctx, in) {
		if err == nil {
			received++
			err = show(e)
		}
		if wsstream.CloseCode(err) > 0 {
			break // the server's own code says why it has closed
		}
		if err != nil {
			leave(ctx, conn)
			return received, end, refusal(err)
		}
	}
	end, err = conn.Closed().Wait(ctx)
	return received, end, err
}

// leave closes the connection in order, within a moment, if it is the end of ctx that ends it.
func leave(ctx context.Context, conn *wsstream.Conn) {
	if ctx.Err() == nil {
		return
	}
	moment, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Shutdown(moment, wsstream.CloseInfo{Code: 1001}) // CloseNow sees to the rest
}

// refusal makes the server's own words of the error, if it is that the server refused us and said
// why.
func refusal(err error) error {
	if h, ok := errors.AsType[*wsstream.HandshakeError](err); ok && len(h.Body) > 0 {
		return fmt.Errorf("refused with status %d: %.200s", h.Status, h.Body)
	}
	return err
}

// dialSmall dials with a small receive buffer in the kernel: see kernel.
func dialSmall(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, address)
	if tc, ok := nc.(*net.TCPConn); ok {
		_ = tc.SetReadBuffer(2 * kernel) // it is a wish
	}
	return nc, err
}

// view is the program as a viewer: it prints what comes.
func view(ctx context.Context, o options, stdout, stderr io.Writer) error {
	_, end, err := o.viewer.watch(ctx, o.dial, func(e entry) error {
		_, err := fmt.Fprintln(stdout, e)
		return err
	})
	if err == nil {
		_, _ = fmt.Fprintln(stderr, "the server has closed with", end)
	}
	return err
}

// String shows an entry on one line.
func (e entry) String() string {
	s := fmt.Sprintf("%-5v ", e.Level)
	if !e.Time.IsZero() {
		s = e.Time.Format(time.StampMilli) + " " + s
	}
	if e.Service != "" {
		s += e.Service + ": "
	}
	return s + e.Msg
}

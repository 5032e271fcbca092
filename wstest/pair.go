package wstest

import (
	"context"
	"net"
	"testing"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// PairOptions configure [Pair]. A nil *PairOptions is the zero value.
type PairOptions struct {
	// Dial has the options of the client. Pair sets its NetDial. If nil, the zero value.
	Dial *wsstream.DialOptions

	// Accept has the options of the server. If nil, the zero value.
	Accept *wsstream.AcceptOptions

	// Limit limits the bytes that the transport holds each way. If zero or negative,
	// [memnet.DefaultLimit].
	Limit int
}

// A Duo is two connected Conns, and the two ends of the transport between them. The ends make
// faults: see [memnet.Conn.Stall], [memnet.Conn.Drip], [memnet.Conn.Chunk], [memnet.Conn.Cut] and
// [memnet.Conn.CutAfter].
type Duo struct {
	Client, Server       *wsstream.Conn // both are open
	ClientNet, ServerNet *memnet.Conn   // the transport's ends: Stall, Drip, Chunk, Cut, CutAfter
}

// Pair returns two open Conns that are connected in memory. Pair cuts them when the test ends. In a
// synctest bubble, call it inside the bubble.
func Pair(t testing.TB, o *PairOptions) *Duo {
	t.Helper()
	if o == nil {
		o = &PairOptions{}
	}
	d := new(Duo)
	d.ClientNet, d.ServerNet = memnet.Pipe(o.Limit)
	d.Client = wsstream.Dial(t.Context(), "ws://pair.test/",
		dialBy(o.Dial, func(context.Context) (net.Conn, error) { return d.ClientNet, nil }))
	server, err := wsstream.AcceptConn(t.Context(), d.ServerNet, o.Accept)
	if err != nil {
		t.Fatalf("wstest: the server's handshake: %v", err)
	}
	d.Server = server
	cutAtEnd(t, d.Server)
	cutAtEnd(t, d.Client)
	if _, err := d.Client.Opened().Wait(t.Context()); err != nil {
		t.Fatalf("wstest: the client's handshake: %v", err)
	}
	return d
}

// dialBy returns a copy of o that dials by f.
func dialBy(
	o *wsstream.DialOptions, f func(context.Context) (net.Conn, error),
) *wsstream.DialOptions {
	var c wsstream.DialOptions
	if o != nil {
		c = *o
	}
	c.NetDial = func(ctx context.Context, _, _ string) (net.Conn, error) { return f(ctx) }
	return &c
}

// cutAtEnd cuts c when the test ends, and waits until c has ended.
func cutAtEnd(t testing.TB, c *wsstream.Conn) {
	t.Cleanup(func() {
		c.CloseNow()
		<-c.Closed().Done()
	})
}

package wstest

import (
	"context"
	"net"
	"testing"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// PairOptions say how Pair connects. Nil stands for the zero value.
type PairOptions struct {
	Dial   *wsstream.DialOptions   // of the client; its NetDial is Pair's own
	Accept *wsstream.AcceptOptions // of the server
	Limit  int                     // bytes that the transport holds each way; 0 is memnet's default
}

// A Duo is two connected Conns, with the transport between them for making faults.
type Duo struct {
	Client, Server       *wsstream.Conn // both are open
	ClientNet, ServerNet *memnet.Conn   // the transport's ends: Stall, Drip, Chunk, Cut, CutAfter
}

// Pair returns two open Conns that are connected in memory. The end of the test cuts them. In a synctest bubble it
// is called inside the bubble.
func Pair(t testing.TB, o *PairOptions) *Duo {
	t.Helper()
	if o == nil {
		o = &PairOptions{}
	}
	d := new(Duo)
	d.ClientNet, d.ServerNet = memnet.Pipe(o.Limit)
	dial := dialIn(o.Dial, func(context.Context, string, string) (net.Conn, error) { return d.ClientNet, nil })
	d.Client = wsstream.Dial(t.Context(), "ws://pair.test/", dial)
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

// dialIn returns a copy of o that dials through f.
func dialIn(o *wsstream.DialOptions, f func(context.Context, string, string) (net.Conn, error)) *wsstream.DialOptions {
	var c wsstream.DialOptions
	if o != nil {
		c = *o
	}
	c.NetDial = f
	return &c
}

// cutAtEnd cuts c when the test ends, and waits until it has ended.
func cutAtEnd(t testing.TB, c *wsstream.Conn) {
	t.Cleanup(func() {
		c.CloseNow()
		<-c.Closed().Done()
	})
}

// Package nats lets github.com/nats-io/nats.go connect to a server's WebSocket port. Copy it.
//
//	nc, err := nats.Connect("nats://127.0.0.1:8080", nats.SetCustomDialer(&wsnats.Dialer{Scheme: "ws"}))
package nats

import (
	"context"
	"net"

	"github.com/wsstream/wsstream"
)

// A Dialer is a nats.CustomDialer. Its connections are streams of bytes, as NATS uses them: the
// server may send a backlog of megabytes as one message.
type Dialer struct {
	Scheme  string // "ws" or "wss"
	Options *wsstream.DialOptions

	// Opened, if it is not nil, gets each connection.
	Opened func(*wsstream.Conn)
}

// Dial connects to address. HandshakeTimeout limits the time.
func (d *Dialer) Dial(_, address string) (net.Conn, error) {
	ctx := context.Background()
	conn := wsstream.Dial(ctx, d.Scheme+"://"+address, d.Options)
	if _, err := conn.Opened().Wait(ctx); err != nil {
		return nil, err
	}
	if d.Opened != nil {
		d.Opened(conn)
	}
	return wsstream.NetConn(conn, wsstream.TypeBinary), nil
}

// SkipTLSHandshake says that TLS, if there is any, is WebSocket's.
func (d *Dialer) SkipTLSHandshake() bool { return true }

package main

import (
	"context"
	"net"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A side is one of the two connections that a relay joins.
type side struct {
	conn  *wsstream.Conn // nil for a socket
	bytes stream.Duplex[[]byte, []byte]
	cut   func()
	ended func(context.Context) // waits for the end, once the streams have ended
}

// join moves what comes from each side to the other, until both have ended. Two WebSockets keep
// their messages. The end of ctx closes a WebSocket with 1001, and resets a socket.
func join(ctx context.Context, a, b side) error {
	if a.conn != nil && b.conn != nil {
		return stream.Join(ctx, a.conn.Duplex(), b.conn.Duplex())
	}
	return stream.Join(ctx, a.bytes, b.bytes)
}

// webSocket returns a WebSocket as a side. As bytes, messages of any length are read as they come,
// and each chunk is a binary message.
func webSocket(conn *wsstream.Conn) side {
	return side{
		conn: conn,
		bytes: stream.Duplex[[]byte, []byte]{
			Readable: payload{stream.FromReader(wsstream.NetConn(conn, wsstream.TypeBinary), 0), conn},
			Writable: stream.MapWriter(conn.Writable(), func(b []byte) (wsstream.Message, error) {
				return wsstream.Binary(b), nil
			}),
		},
		cut:   conn.CloseNow,
		ended: func(ctx context.Context) { _, _ = conn.Closed().Wait(ctx) },
	}
}

// A payload is the bytes of a WebSocket's messages. Its cause of a Cancel reaches the peer.
type payload struct {
	stream.Readable[[]byte]
	conn *wsstream.Conn
}

func (p payload) Cancel(cause error) error { return p.conn.Readable().Cancel(cause) }

// Done makes the end known while the other side has no room.
func (p payload) Done() <-chan struct{} { return p.conn.Readable().Done() }

// socket returns a TCP connection or a unix socket as a side.
func socket(nc net.Conn) side {
	return side{
		bytes: stream.Duplex[[]byte, []byte]{
			Readable: stream.FromReader(nc, 0),
			Writable: stream.ToWriter(half{nc}),
		},
		cut:   func() { _ = nc.Close() },
		ended: func(context.Context) {},
	}
}

// A half is the sending half of a socket. Its Close ends that half alone.
type half struct{ net.Conn }

func (h half) Close() error {
	if c, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return h.Conn.Close()
}

// CloseWithError ends both halves of a stream that is not complete.
func (h half) CloseWithError(cause error) error {
	if cause == nil {
		return h.Close()
	}
	return reset(h.Conn)
}

// reset closes a socket. The peer of a TCP connection must not think that all has come.
func reset(nc net.Conn) error {
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	return nc.Close()
}

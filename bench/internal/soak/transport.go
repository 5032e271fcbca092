package soak

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
)

const (
	perAddress        = 2000 // clients from one address: the ports of a pair of addresses are few
	firstAddress      = 2    // 127.0.0.2
	bindAddressNoPort = 24   // IP_BIND_ADDRESS_NO_PORT, which package syscall lacks

	// kernelBuffer is the size of the buffers of each socket, in bytes. A stalled receiver then fills
	// them soon.
	kernelBuffer = 16 << 10
	segment      = 1460 // bytes of a packet, as on a network
)

// reset ends a transport so that the peer gets an RST, and loses what is under way.
func reset(nc net.Conn) {
	switch c := nc.(type) {
	case *transport:
		reset(c.Conn)
	case interface{ Cut() }: // in memory
		c.Cut()
	case interface{ SetLinger(sec int) error }:
		_ = c.SetLinger(0)
		_ = nc.Close()
	case interface{ NetConn() net.Conn }: // TLS
		reset(c.NetConn())
	default:
		_ = nc.Close()
	}
}

// A transport is one that is cut at a byte, or that vanishes.
type transport struct {
	net.Conn
	cutSent, cutReceived int64        // before which byte the transport is cut; negative: never
	note                 func(a Act)  // is called before the cut
	sent                 atomic.Int64 // bytes
	received             atomic.Int64 // bytes
	vanished             atomic.Bool
}

// wrap returns the transport that the end of the plan needs.
func (p Plan) wrap(nc net.Conn, note func(a Act)) net.Conn {
	t := &transport{Conn: nc, cutSent: -1, cutReceived: -1, note: note}
	switch p.End {
	case ActCutSent:
		t.cutSent = p.Cut
	case ActCutReceived:
		t.cutReceived = p.Cut
	case ActVanish:
	default:
		return nc
	}
	return t
}

// Write implements net.Conn.
func (t *transport) Write(b []byte) (int, error) {
	if t.vanished.Load() {
		return len(b), nil
	}
	if t.cutSent < 0 {
		return t.Conn.Write(b)
	}
	left := max(t.cutSent-t.sent.Load(), 0)
	if int64(len(b)) < left {
		n, err := t.Conn.Write(b)
		t.sent.Add(int64(n))
		return n, err
	}
	n, _ := t.Conn.Write(b[:left])
	t.note(ActCutSent)
	reset(t.Conn)
	return n, syscall.ECONNRESET
}

// Read implements net.Conn. A transport that has vanished reads on, so that deadlines work, and
// drops what it reads.
func (t *transport) Read(b []byte) (int, error) {
	if t.cutReceived >= 0 {
		left := t.cutReceived - t.received.Load()
		if left <= 0 {
			t.note(ActCutReceived)
			reset(t.Conn)
			return 0, syscall.ECONNRESET
		}
		b = b[:min(int64(len(b)), left)]
	}
	for {
		n, err := t.Conn.Read(b)
		t.received.Add(int64(n))
		if err != nil || !t.vanished.Load() {
			return n, err
		}
	}
}

// dialTCP connects slot i to a server.
func dialTCP(ctx context.Context, i int, addr string) (net.Conn, error) {
	d := net.Dialer{
		LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(firstAddress+i/perAddress%100))},
		Control: control(func(fd int) error {
			// A port is chosen when it is connected. So a port that lingers can be used again.
			return errors.Join(limitBuffers(fd),
				syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, bindAddressNoPort, 1))
		}),
	}
	return d.DialContext(ctx, "tcp", addr)
}

// listenTCP listens where the connections have small buffers, which they inherit.
func listenTCP(addr string) (net.Listener, error) {
	config := net.ListenConfig{Control: control(limitBuffers)}
	return config.Listen(context.Background(), "tcp", addr)
}

// limitBuffers makes a socket's buffers small. The kernel counts the memory of each packet, so the
// window is limited, and there is more memory than the window. The segments of loopback are as
// large as these buffers, so TCP would wait for seconds before it tells of room in them.
func limitBuffers(fd int) error {
	return errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, kernelBuffer),
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8*kernelBuffer),
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_WINDOW_CLAMP, kernelBuffer),
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segment),
	)
}

// control is the Control of a Dialer or a ListenConfig that calls f with the descriptor.
func control(f func(fd int) error) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		if failed := c.Control(func(fd uintptr) { err = f(int(fd)) }); failed != nil {
			return failed
		}
		return err
	}
}

package peer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/wsstream/wsstream/bench/internal/frame"
)

const (
	block      = 128 << 10 // bytes in one write or read
	perAddress = 4000      // connections from one address: the ports of a pair of addresses are few
	// segment is the largest of a connection with small buffers, in bytes, as on a network. Loopback's
	// are 64 KiB: as large as the buffers, so that TCP would wait for seconds before it tells of room
	// in them.
	segment = 1460

	atOnce            = 16 // handshakes
	firstAddress      = 2  // 127.0.0.2
	bindAddressNoPort = 24 // IP_BIND_ADDRESS_NO_PORT, which package syscall lacks
)

// A conn is one connection of the peer's, after the handshake.
type conn struct {
	net.Conn
	rest   []byte // what came behind the handshake
	client bool
	frame.Walker
}

// dial makes connection number i of the order.
func (o Order) dial(i int) (*conn, error) {
	i += o.First
	from := net.IPv4(127, 0, 0, byte(firstAddress+i/perAddress%100))
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	d.Control = func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = o.prepare(int(fd)) }), err)
	}
	nc, err := d.Dial("tcp", o.Addr)
	if err != nil {
		return nil, err
	}
	if o.TLS {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) // it is our own process
	}
	rest, err := frame.Dial(nc)
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("connection %d: %w", i, err)
	}
	return &conn{Conn: nc, rest: rest, client: true}, nil
}

// prepare sets what a socket of the peer's has to have.
func (o Order) prepare(fd int) error {
	// A port is chosen when it is connected, so that those which linger after other runs can be used
	// again.
	err := syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, bindAddressNoPort, 1)
	if err != nil || o.Buffer == 0 {
		return err
	}
	// The kernel doubles the buffer, because it counts the memory of each packet. So the window is
	// about as large as was wanted. TCP_WINDOW_CLAMP limits nothing on Linux 6.18: the window follows
	// from the buffer as soon as packets come.
	return errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, o.Buffer),
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segment),
	)
}

// accept makes a connection of a client that l has.
func accept(l net.Listener) (*conn, error) {
	nc, err := l.Accept()
	if err != nil {
		return nil, err
	}
	rest, err := frame.Accept(nc)
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return &conn{Conn: nc, rest: rest}, nil
}

// next reads once into buf and returns how many messages ended.
func (c *conn) next(buf []byte) (messages int, err error) {
	if c.rest != nil {
		n := c.Walk(c.rest)
		c.rest = nil
		return n, nil
	}
	n, err := c.Read(buf)
	if err != nil {
		return 0, err
	}
	return c.Walk(buf[:n]), nil
}

// binary returns a message of n bytes as it is on the wire.
func (c *conn) binary(n int) []byte { return frame.New(frame.Binary, make([]byte, n), c.client) }

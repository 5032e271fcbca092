//go:build unix

package wire

import (
	"crypto/tls"
	"net"
	"time"
)

// A tlsInput is the input of TLS over TCP. The poller watches the socket under it. A timeout does
// not damage a tls.Conn: what has come of a record stays with it.
type tlsInput struct {
	watching
	nc    *tls.Conn
	readF func(fd uintptr) // made once
	ready bool             // the socket has bytes, has ended, or has an error
}

// recordWait is how long a read that does not wait waits for the rest of a record. It must be long
// enough for the read to begin.
const recordWait = time.Millisecond

// newTLSInput returns the input of nc, nil if it cannot be watched. A client must not read with a
// deadline before TLS 1.3: the server may ask for another handshake, which a timeout makes fail.
func newTLSInput(c *Conn, client bool) watchable {
	nc, ok := c.nc.(*tls.Conn)
	if !ok {
		return nil
	}
	socket, ok := nc.NetConn().(*net.TCPConn)
	if !ok || client && nc.ConnectionState().Version < tls.VersionTLS13 {
		return nil
	}
	raw := rawSocket(socket)
	if raw == nil {
		return nil
	}
	t := &tlsInput{watching: watching{c: c, raw: raw, muted: true}, nc: nc}
	t.readF = func(fd uintptr) { t.ready = isReadable(int(fd)) }
	return t
}

func (t *tlsInput) read(dst []byte, wait bool) (n int, err error) {
	if dst == nil {
		dst = t.c.recv.borrowBuffer()
	}
	if wait {
		return t.nc.Read(dst)
	}
	// No call waits, so none is recalled, and the deadline is free to use.
	defer func() { _ = t.nc.SetReadDeadline(time.Time{}) }()
	for {
		if err := t.raw.Control(t.readF); err != nil {
			return 0, err
		}
		// With a deadline in the past the socket is not read, and what TLS has kept is returned.
		until := past
		if t.ready {
			until = time.Now().Add(recordWait)
		}
		if err := t.nc.SetReadDeadline(until); err != nil {
			return 0, err
		}
		n, err := t.nc.Read(dst)
		switch {
		case err == nil || !isTimeout(err):
			return n, err
		case n > 0 || !t.ready:
			return n, nil
		}
		// Half a record has come, or the goroutine slept until the deadline.
	}
}

func (t *tlsInput) takesAll() bool { return false }

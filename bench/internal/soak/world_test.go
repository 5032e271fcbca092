package soak

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/wstest/memnet"
)

// A world is a network in memory, whose listeners have addresses.
type world struct {
	// wrap returns the transport that a client gets in place of nc.
	wrap func(nc net.Conn) net.Conn

	mu        sync.Mutex
	listeners map[string]*memnet.Listener // guarded by mu
}

// A named listener has an address of its own.
type named struct {
	*memnet.Listener
	addr *net.TCPAddr
}

func (n named) Addr() net.Addr { return n.addr }

func (w *world) listen(addr string) (net.Listener, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	if a.Port == 0 {
		a.Port = len(w.listeners) + 1
	}
	l := memnet.Listen()
	w.listeners[a.String()] = l
	return named{l, a}, nil
}

func (w *world) dial(ctx context.Context, _ int, addr string) (net.Conn, error) {
	w.mu.Lock()
	l := w.listeners[addr]
	w.mu.Unlock()
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	nc, err := l.Dial(ctx)
	if err != nil || w.wrap == nil {
		return nc, err
	}
	return w.wrap(nc), nil
}

// simulate runs clients against a server in a bubble, and returns the closed Ledger.
func simulate(t *testing.T, c Config, wrap func(nc net.Conn) net.Conn) *Ledger {
	t.Helper()
	corpora()
	l := NewLedger()
	synctest.Test(t, func(t *testing.T) {
		w := &world{wrap: wrap, listeners: map[string]*memnet.Listener{}}
		var served, dialled outbox
		host, err := startHost(c.load(), &served, w.listen)
		require.NoError(t, err)
		clients := startClients(Order{Load: c.load(), Conns: c.Conns, First: 1, Ramp: time.Second,
			Addrs: host.Addrs}, &dialled, w.dial)
		for i := range c.Restarts {
			<-time.After(c.For / time.Duration(c.Restarts+1))
			host.Restart(i%2 == 0, time.Second)
		}
		<-time.After(c.For / time.Duration(c.Restarts+1))
		clients.Finish()
		host.Stop(true)
		require.Zero(t, host.open.Load())
		require.Zero(t, clients.open.Load())
		windows, faults := host.state()
		require.Len(t, windows, c.Restarts)
		require.Empty(t, faults)
		l.Add(windows, dialled.take())
		l.Add(windows, served.take())
		l.Close()
	})
	return l
}

// A mangler is a client's transport that changes the messages that the server sends.
type mangler struct {
	net.Conn
	mangle func(n int, frame []byte) []byte // returns what arrives in place of message n

	in, out []byte
	secret  bool // TLS, which is passed on
	shaken  bool // the handshake has passed
	n       int  // messages so far
}

func (m *mangler) Read(p []byte) (int, error) {
	for len(m.out) == 0 {
		buf := make([]byte, 4<<10)
		n, err := m.Conn.Read(buf)
		if n == 0 {
			return 0, err
		}
		m.in = append(m.in, buf[:n]...)
		m.pass()
	}
	n := copy(p, m.out)
	m.out = m.out[n:]
	return n, nil
}

// pass passes on the handshake, and then whole frames.
func (m *mangler) pass() {
	if !m.shaken && m.in[0] == 0x16 { // a TLS handshake
		m.secret = true
	}
	if m.secret {
		m.out, m.in = append(m.out, m.in...), nil
		return
	}
	if !m.shaken {
		end := bytes.Index(m.in, []byte("\r\n\r\n"))
		if end < 0 {
			return
		}
		m.out, m.in, m.shaken = append(m.out, m.in[:end+4]...), m.in[end+4:], true
	}
	for {
		size := frameSize(m.in)
		if size < 0 || len(m.in) < size {
			return
		}
		f := m.in[:size:size]
		m.in = m.in[size:]
		if op := f[0] & 0xf; f[0]&0x80 != 0 && (op == 1 || op == 2) {
			f = m.mangle(m.n, f)
			m.n++
		}
		m.out = append(m.out, f...)
	}
}

// frameSize returns the bytes of the frame that b begins with, and -1 if its header is not whole.
func frameSize(b []byte) int {
	switch {
	case len(b) < 2:
		return -1
	case b[1] < 126:
		return 2 + int(b[1])
	case len(b) < 10:
		return -1
	case b[1] == 126:
		return 4 + int(binary.BigEndian.Uint16(b[2:]))
	}
	return 10 + int(binary.BigEndian.Uint64(b[2:]))
}

// shorter returns a frame without the last byte of its payload.
func shorter(frame []byte) []byte {
	switch f := frame[:len(frame)-1]; {
	case f[1] < 126:
		f[1]--
		return f
	case f[1] == 126 && binary.BigEndian.Uint16(f[2:]) > 126:
		binary.BigEndian.PutUint16(f[2:], binary.BigEndian.Uint16(f[2:])-1)
		return f
	}
	return frame
}

// requireFault requires that the Ledger has found a fault that says so.
func requireFault(t *testing.T, l *Ledger, says string) {
	t.Helper()
	require.Positive(t, l.Broken)
	require.Contains(t, strings.Join(l.Faults, "\n"), says)
}

func ended(l *Ledger) (n int) {
	for _, k := range l.Ends {
		n += k
	}
	return n
}

func sprint(l *Ledger) string {
	return fmt.Sprintf("%v\n%v\n%s", l.Ends, l.Failed, strings.Join(l.Faults, "\n"))
}

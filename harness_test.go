package wsstream_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An end is a Conn under test, with a scripted peer at the other end of its transport.
type end struct {
	conn   *wsstream.Conn
	peer   *wstest.Peer
	client bool     // conn is the client's
	part   int      // of a message that a test sends in parts
	mem    bool     // in memory and under synctest; else over TCP
	net    net.Conn // the transport at conn's end; a *memnet.Conn or a *net.TCPConn
	far    net.Conn // the transport at the peer's end
}

// config holds the options that Dial and Accept share.
type config struct {
	ReadWindow, WriteWindow, MaxMessageSize, MaxFrameSize int
	CloseTimeout                                          time.Duration
	PingInterval, PongTimeout                             time.Duration
	IdleTimeout, WriteStallTimeout, ReadStallTimeout      time.Duration
	OnPing, OnPong                                        func([]byte)
	Limit                                                 int // of the transport's buffers each way, bytes; 0: roomy
	Compression                                           *wsstream.CompressionOptions
	Extensions                                            string // the peer's Sec-WebSocket-Extensions
	Trace                                                 *wsstream.Trace
	Meter                                                 *wsstream.Meter
}

func (c config) dial(nc net.Conn) *wsstream.DialOptions {
	return &wsstream.DialOptions{
		ReadWindow:        c.ReadWindow,
		WriteWindow:       c.WriteWindow,
		MaxMessageSize:    c.MaxMessageSize,
		MaxFrameSize:      c.MaxFrameSize,
		CloseTimeout:      c.CloseTimeout,
		PingInterval:      c.PingInterval,
		PongTimeout:       c.PongTimeout,
		IdleTimeout:       c.IdleTimeout,
		WriteStallTimeout: c.WriteStallTimeout,
		ReadStallTimeout:  c.ReadStallTimeout,
		Compression:       c.Compression,
		OnPing:            c.OnPing,
		OnPong:            c.OnPong,
		NetDial:           func(context.Context, string, string) (net.Conn, error) { return nc, nil },
		Trace:             c.Trace,
		Meter:             c.Meter,
	}
}

func (c config) accept() *wsstream.AcceptOptions {
	return &wsstream.AcceptOptions{
		ReadWindow:        c.ReadWindow,
		WriteWindow:       c.WriteWindow,
		MaxMessageSize:    c.MaxMessageSize,
		MaxFrameSize:      c.MaxFrameSize,
		CloseTimeout:      c.CloseTimeout,
		PingInterval:      c.PingInterval,
		PongTimeout:       c.PongTimeout,
		IdleTimeout:       c.IdleTimeout,
		WriteStallTimeout: c.WriteStallTimeout,
		ReadStallTimeout:  c.ReadStallTimeout,
		Compression:       c.Compression,
		OnPing:            c.OnPing,
		OnPong:            c.OnPong,
		Trace:             c.Trace,
		Meter:             c.Meter,
	}
}

// onEveryPath runs f with a Conn as client and as server, in memory under synctest and over TCP.
func onEveryPath(t *testing.T, c config, f func(t *testing.T, e *end)) {
	for _, client := range []bool{true, false} {
		role := map[bool]string{true: "client", false: "server"}[client]
		t.Run("memory/"+role, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, inMemory(t, c, client)) })
		})
		t.Run("tcp/"+role, func(t *testing.T) { f(t, overTCP(t, c, client)) })
	}
}

// inBubble runs f with a Conn as client and as server, in memory under synctest.
func inBubble(t *testing.T, c config, f func(t *testing.T, e *end)) {
	for _, client := range []bool{true, false} {
		t.Run(map[bool]string{true: "client", false: "server"}[client], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, inMemory(t, c, client)) })
		})
	}
}

func inMemory(t *testing.T, c config, client bool) *end {
	near, far := memnet.Pipe(c.Limit)
	e := open(t, c, client, near, far)
	e.mem = true
	return e
}

func overTCP(t *testing.T, c config, client bool) *end {
	near, far := tcpPipe(t, c.Limit)
	return open(t, c, client, near, far)
}

// otherRole is the role of the peer of a client or of a server.
func otherRole(client bool) wstest.Role {
	if client {
		return wstest.AsServer
	}
	return wstest.AsClient
}

// open makes the handshake on a transport.
func open(t *testing.T, c config, client bool, near, far net.Conn) *end {
	e := &end{peer: wstest.NewPeer(t, far, otherRole(client)), client: client, net: near, far: far}
	if c.Extensions != "" {
		e.peer.AllowRsv = rsv1
	}
	if client {
		e.conn = wsstream.Dial(t.Context(), "ws://example.test/", c.dial(near))
		e.peer.ServeHandshake("Sec-WebSocket-Extensions:" + c.Extensions)
		_, err := e.conn.Opened().Wait(t.Context())
		require.NoError(t, err)
	} else {
		accepted := make(chan error, 1)
		go func() {
			var err error
			e.conn, err = wsstream.AcceptConn(t.Context(), near, c.accept())
			accepted <- err
		}()
		e.peer.DialHandshake("/", "Sec-WebSocket-Extensions:"+c.Extensions)
		require.NoError(t, <-accepted)
	}
	t.Cleanup(func() {
		e.conn.CloseNow()
		<-e.conn.Closed().Done()
	})
	return e
}

// patient returns a context for calls that must not hang: it never ends a call that works.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// until asks every millisecond until done says yes, and fails the test where that takes too long.
func until(t *testing.T, done func() bool) {
	t.Helper()
	for ctx := patient(t); !done(); {
		require.NoError(t, ctx.Err(), "it does not come to that")
		<-time.After(time.Millisecond)
	}
}

// goPull pulls on a goroutine of its own.
func goPull(t *testing.T, e *end) <-chan result {
	return goDo(func() (wsstream.Message, error) { return e.conn.Readable().Pull(patient(t)) })
}

// goWrite writes on a goroutine of its own.
func goWrite(t *testing.T, e *end, m wsstream.Message) <-chan result {
	return goDo(func() (wsstream.Message, error) { return m, e.conn.Writable().Write(patient(t), m) })
}

// A result is what a call on another goroutine returned.
type result struct {
	msg wsstream.Message
	err error
}

func goDo(f func() (wsstream.Message, error)) <-chan result {
	c := make(chan result, 1)
	go func() {
		m, err := f()
		c <- result{m, err}
	}()
	return c
}

// pull pulls a message that must come.
func (e *end) pull(t *testing.T) string {
	t.Helper()
	m, err := e.conn.Readable().Pull(patient(t))
	require.NoError(t, err)
	return string(m.Data)
}

// closed waits for the end.
func (e *end) closed(t *testing.T) (wsstream.CloseInfo, error) {
	t.Helper()
	return e.conn.Closed().Wait(patient(t))
}

// onBothPaths runs f with the two ends of a transport before any handshake, in memory under synctest and over TCP.
func onBothPaths(t *testing.T, f func(t *testing.T, near, far net.Conn)) {
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far := memnet.Pipe(0)
			f(t, near, far)
		})
	})
	t.Run("tcp", func(t *testing.T) {
		near, far := tcpPipe(t, 0)
		f(t, near, far)
	})
}

// dialOver starts a handshake on nc, and cuts the Conn when the test ends.
func dialOver(t *testing.T, nc net.Conn, o *wsstream.DialOptions) *wsstream.Conn {
	var own wsstream.DialOptions
	if o != nil {
		own = *o
	}
	own.NetDial = func(context.Context, string, string) (net.Conn, error) { return nc, nil }
	conn := wsstream.Dial(t.Context(), "ws://example.test/", &own)
	t.Cleanup(func() {
		conn.CloseNow()
		<-conn.Closed().Done()
		nc.Close() // one that was abandoned before it was used
	})
	return conn
}

// notOpened waits for a handshake to fail, and returns why: both futures say the same.
func notOpened(t *testing.T, conn *wsstream.Conn) error {
	t.Helper()
	_, err := conn.Opened().Wait(patient(t))
	require.Error(t, err)
	_, end := conn.Closed().Wait(patient(t))
	require.Equal(t, err, end)
	return err
}

// withCause returns a context that its function ends with a cause.
func withCause(t *testing.T) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return ctx, cancel
}

var errReason = errors.New("a reason of the caller's")

var errWhy = errors.New("why")

var errMoment = errors.New("the context's moment has come")

var quiet = log.New(io.Discard, "", 0)

func cancellable(tb testing.TB) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	return ctx
}

func requirePending[T any](t *testing.T, c <-chan T, what string) {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-c:
		require.Fail(t, what, "it is done: %v", r)
	default:
	}
}

// quiet waits, where that can be known, until everybody waits.
func (e *end) quiet() {
	if e.mem {
		synctest.Wait()
	}
}

// notice lets the connection, where that can be known, take note of what the peer has sent.
func (e *end) notice() {
	if e.mem {
		<-time.After(time.Second)
		synctest.Wait()
	}
}

// pulled is what could be pulled, and the error after it.
type pulled struct {
	messages []string
	err      error
}

// conns makes two Conns of the ends of a transport.
func conns(t *testing.T, c config, near, far net.Conn) (client, server *wsstream.Conn) {
	client = wsstream.Dial(t.Context(), "ws://example.test/", c.dial(near))
	server, err := wsstream.AcceptConn(t.Context(), far, c.accept())
	require.NoError(t, err)
	_, err = client.Opened().Wait(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, c := range []*wsstream.Conn{client, server} {
			c.CloseNow()
			<-c.Closed().Done()
		}
	})
	return client, server
}

// drain reads what we send, as it comes, to the end.
func drain(e *end) {
	_, _ = io.Copy(io.Discard, e.far)
}

func ended(e *end) bool {
	select {
	case <-e.conn.Closed().Done():
		return true
	default:
		return false
	}
}

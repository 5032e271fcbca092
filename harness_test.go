package wsstream_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// raceEnabled reports whether the race detector is on. Under it pools drop what they are given, and
// counts of allocations mean nothing.
var raceEnabled = func() bool {
	build, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}()

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
	// Of the transport's buffers each way, bytes; 0: roomy.
	Limit       int
	Compression *wsstream.CompressionOptions
	Extensions  string // the peer's Sec-WebSocket-Extensions
	Trace       *wsstream.Trace
	Meter       *wsstream.Meter
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
	near, far := pipes.TCP(t, c.Limit)
	return open(t, c, client, near, far)
}

func overTLS(t *testing.T, c config, client bool) *end {
	nearSocket, farSocket := pipes.TCP(t, c.Limit)
	if client {
		near, far := pipes.OverTLS(t, nearSocket, farSocket)
		return open(t, c, client, near, far)
	}
	far, near := pipes.OverTLS(t, farSocket, nearSocket)
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

// goErr is goDo for a call that returns nothing but an error.
func goErr(f func() error) <-chan result {
	return goDo(func() (m wsstream.Message, err error) { return m, f() })
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

// quiet waits, where that can be known, until all goroutines wait.
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

// told wants the *Error of an end in order, with the peer's code; its text has that of why.
func told(code int, why string) func(*testing.T, *end, error) {
	return func(t *testing.T, _ *end, got error) {
		t.Helper()
		require.IsType(t, &wsstream.Error{}, got)
		require.Equal(t, code, got.(*wsstream.Error).Code)
		require.ErrorContains(t, got, why)
		require.NotErrorIs(t, got, wsstream.ErrClosed)
		require.NotErrorIs(t, got, io.EOF)
		require.NotErrorIs(t, got, io.ErrUnexpectedEOF)
	}
}

// is wants the very error.
func is(want error) func(*testing.T, *end, error) {
	return func(t *testing.T, _ *end, got error) {
		t.Helper()
		require.Equal(t, want, got)
	}
}

// torn wants the *Error of an end in order in the middle of a message.
func torn(code int) func(*testing.T, *end, error) {
	return func(t *testing.T, _ *end, got error) {
		t.Helper()
		require.IsType(t, &wsstream.Error{}, got)
		require.Equal(t, code, got.(*wsstream.Error).Code)
		require.ErrorIs(t, got, io.ErrUnexpectedEOF)
	}
}

// theEnd wants the same *Error that Closed gives.
func theEnd(t *testing.T, e *end, got error) {
	t.Helper()
	require.IsType(t, &wsstream.Error{}, got)
	_, end := e.closed(t)
	require.Same(t, end, got)
}

// unclean wants an *Error with code, whose cause says all of why.
func unclean(code int, why ...string) func(*testing.T, *end, error) {
	return func(t *testing.T, _ *end, got error) {
		t.Helper()
		require.IsType(t, &wsstream.Error{}, got)
		end := got.(*wsstream.Error)
		require.Equal(t, code, end.Code)
		require.Error(t, end.Err)
		require.NotErrorIs(t, got, io.EOF, "EOF is bare, and means a clean close")
		for _, s := range why {
			require.ErrorContains(t, end.Err, s)
		}
	}
}

func want1006(t *testing.T, e *end) {
	t.Helper()
	info, err := e.closed(t)
	require.Zero(t, info.Reason)
	var unclean *wsstream.Error
	require.ErrorAs(t, err, &unclean)
	require.Equal(t, 1006, unclean.Code)
}

func wantUnsent(t *testing.T, e *end, code int) {
	t.Helper()
	_, err := e.closed(t)
	var unclean *wsstream.Error
	require.ErrorAs(t, err, &unclean)
	require.Equal(t, code, unclean.Code)
	_, got := e.conn.Readable().Pull(patient(t))
	require.Same(t, unclean, got)
	require.Same(t, unclean, e.conn.Writable().Write(patient(t), wsstream.Text("x")))
}

// quickly makes the handshake without the harness, whose helpers belong to the test's goroutine.
func quickly(
	t *testing.T,
	c config,
	client bool,
	near, far net.Conn,
) (*wsstream.Conn, *wstest.Peer, error) {
	peer := wstest.NewPeer(t, far, otherRole(client))
	if client {
		conn := wsstream.Dial(t.Context(), "ws://example.test/", c.dial(near))
		peer.ServeHandshake()
		_, err := conn.Opened().Wait(t.Context())
		return conn, peer, err
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		peer.SendRaw(wstest.UpgradeRequest("/"))
	}()
	conn, err := wsstream.AcceptConn(t.Context(), near, c.accept())
	<-asked
	if err == nil {
		peer.ReadResponse()
	}
	return conn, peer, err
}

func withCode(code int) error { return &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: code}} }

// lostEnd returns the error of an end without a Close frame.
func lostEnd(t *testing.T) (err error) {
	synctest.Test(t, func(t *testing.T) {
		e := inMemory(t, config{}, true)
		e.peer.Close()
		_, err = e.closed(t)
	})
	return err
}

// stuff gives the connection, if on, more than the transport and the window hold, and returns how
// much.
func (e *end) stuff(t *testing.T, on bool) int {
	t.Helper()
	if !on {
		return 0
	}
	const size = 512 << 10
	ok, err := e.conn.Writable().TryWrite(wsstream.Binary(make([]byte, size)))
	require.NoError(t, err)
	require.True(t, ok)
	require.Positive(t, e.conn.Stats().Sent.Held, "the transport took it all")
	return size
}

// wantData reads one message of ours and returns its length.
func (e *end) wantData(t *testing.T) (size int) {
	t.Helper()
	for {
		f, err := e.peer.Next()
		require.NoError(t, err)
		require.True(t, f.Op.IsData(), "got %v", f)
		if size += len(f.Payload); f.Fin {
			return size
		}
	}
}

// wantClose reads on to our Close, which must be want.
func (e *end) wantClose(t *testing.T, want wstest.Frame) {
	t.Helper()
	require.Equal(t, want.String(), e.nextClose(t).String())
}

// wantFailure reads on to a Close of ours with code, and the half-close behind it.
func (e *end) wantFailure(t *testing.T, code uint16) {
	t.Helper()
	f := e.nextClose(t)
	got, reason := ws.ParseCloseFrameData(f.Payload)
	require.Equal(t, ws.StatusCode(code), got)
	require.NotEmpty(t, reason)
	e.peer.WantEOF("a half-close behind the Close")
}

func (e *end) nextClose(t *testing.T) wstest.Frame {
	t.Helper()
	for {
		f, err := e.peer.Next()
		require.NoError(t, err)
		if f.Op == wstest.OpClose {
			return f
		}
	}
}

// drop ends the transport after both Close frames: the server first.
func (e *end) drop(t *testing.T) {
	t.Helper()
	if e.client {
		e.peer.Close()
	} else {
		e.peer.WantEOF("the server drops the transport first")
	}
}

// echo shows that the connection goes on.
func (e *end) echo(t *testing.T) {
	t.Helper()
	e.peer.Send(wstest.Text("on"))
	require.Equal(t, "on", e.pull(t))
	require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("and on")))
	f, err := e.peer.Next()
	for err == nil && f.Op == wstest.OpPong {
		f, err = e.peer.Next()
	}
	require.NoError(t, err)
	require.Equal(t, wstest.Text("and on"), f)
}

// echoes is echo for any way to receive.
func (e *end) echoes(t *testing.T, next next) {
	t.Helper()
	e.peer.Send(wstest.Text("on"))
	require.Equal(t, "on", next.text(t))
	require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Text("and on")))
	e.peer.Want("a message", wstest.Text("and on"))
}

// alive requires that a message passes each way.
func (e *end) alive(t *testing.T) {
	t.Helper()
	e.echoes(t, byPull(t, e))
}

// wantPing reads a ping of ours and returns its pong.
func (e *end) wantPing(t *testing.T) wstest.Frame {
	t.Helper()
	f, err := e.peer.Next()
	require.NoError(t, err)
	require.Equal(t, wstest.OpPing, f.Op, "%v", f)
	require.Len(t, f.Payload, 8)
	f.Op = wstest.OpPong
	return f
}

func (e *end) newMessage(t *testing.T, ctx context.Context) *wsstream.MessageWriter {
	t.Helper()
	w, err := e.conn.Writable().NewMessage(ctx, wsstream.TypeText)
	require.NoError(t, err)
	return w
}

const allocSize = 64 // bytes of payload

// requireAllocs requires that f allocates want times a run, once f has come to a steady state.
// Allocations that come once in many runs do not count. Examples are a goroutine of the library, or
// a buffer after a garbage collection.
func requireAllocs(t *testing.T, want float64, f func()) {
	t.Helper()
	for range 200 {
		f()
	}
	if raceEnabled {
		return
	}
	require.Equal(t, want, testing.AllocsPerRun(2000, f), "allocations a run")
}

// Package socketio speaks Socket.IO 5 over Engine.IO 4, with WebSocket as its only transport. Copy
// it: it is short, and has backpressure where Socket.IO has none.
//
//	client, err := socketio.Dial(ctx, "ws://127.0.0.1:3000", nil)
//	socket, err := client.Join(ctx, "/", nil)
//	err = socket.Emit(ctx, "hello", "world")       // waits while the server does not keep up
//	reply, err := socket.Call(ctx, "add", 1, 2)    // waits for the acknowledgement
//	for {
//		event, err := socket.Pull(ctx)             // io.EOF after the server's disconnect
//		…
//	}
//
// Arguments are what encoding/json makes of JSON, with a []byte for each binary attachment.
//
// A socket holds 16 events that its program has not pulled. Behind them nothing is read, so the
// peer waits. Acknowledgements wait there, too: a program that calls Call must pull meanwhile.
package socketio

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

const held = 16 // events of a socket that its program has not pulled

// An Event is what the peer has emitted.
type Event struct {
	Name string
	Args []any

	socket *Socket
	id     int
}

// Ack answers an event for which the peer waits. It does nothing if the peer does not wait.
func (e Event) Ack(ctx context.Context, args ...any) error {
	if e.id < 0 {
		return nil
	}
	return e.socket.send(ctx, ack, e.id, args)
}

// A Socket is one namespace of a connection. Its methods may be called concurrently.
type Socket struct {
	Namespace string
	Auth      map[string]any // what the client sent to join

	link   *link
	events *stream.Queue[Event]
	joined chan error // of a client that joins: the server's answer

	mu      sync.Mutex
	calls   map[int]chan []any // guarded by mu: the calls that wait, by id
	callsID int                // guarded by mu
}

// Pull returns the next event. After the end of the namespace it returns io.EOF, and after the end
// of the connection its error.
func (s *Socket) Pull(ctx context.Context) (Event, error) { return s.events.Pull(ctx) }

// Emit sends an event. It waits while the peer does not keep up.
func (s *Socket) Emit(ctx context.Context, name string, args ...any) error {
	return s.send(ctx, event, -1, append([]any{name}, args...))
}

// Call sends an event and waits for its acknowledgement.
func (s *Socket) Call(ctx context.Context, name string, args ...any) ([]any, error) {
	reply := make(chan []any, 1)
	s.mu.Lock()
	id := s.callsID
	s.callsID++
	s.calls[id] = reply
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.calls, id)
		s.mu.Unlock()
	}()
	if err := s.send(ctx, event, id, append([]any{name}, args...)); err != nil {
		return nil, err
	}
	select {
	case values := <-reply:
		return values, nil
	case <-s.events.Done():
		return nil, stream.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Done returns a channel that is closed when the namespace has ended.
func (s *Socket) Done() <-chan struct{} { return s.events.Done() }

// Conn returns the connection, for its end and its figures.
func (s *Socket) Conn() *wsstream.Conn { return s.link.conn }

// Leave ends the namespace, and not the connection.
func (s *Socket) Leave(ctx context.Context) error {
	s.link.drop(s)
	return s.link.send(ctx, packet{kind: disconnect, namespace: s.Namespace, id: -1})
}

func (s *Socket) send(ctx context.Context, kind byte, id int, values []any) error {
	p, err := newPacket(kind, s.Namespace, id, values)
	if err != nil {
		return err
	}
	return s.link.send(ctx, p)
}

// take gives a packet of the peer's to the program.
func (s *Socket) take(ctx context.Context, p packet) error {
	values, err := p.values()
	if err != nil {
		return err
	}
	if p.kind == ack {
		s.mu.Lock()
		reply := s.calls[p.id]
		delete(s.calls, p.id)
		s.mu.Unlock()
		if reply != nil {
			reply <- values
		}
		return nil
	}
	name, ok := "", false
	if len(values) > 0 {
		name, ok = values[0].(string)
	}
	if !ok {
		return errPacket
	}
	err = s.events.Write(ctx, Event{Name: name, Args: values[1:], socket: s, id: p.id})
	if errors.Is(err, stream.ErrClosed) {
		return nil // our program has left the namespace
	}
	return err
}

// A link is a connection: what a client and a server have in common.
type link struct {
	conn    *wsstream.Conn
	sending chan struct{} // has room for the goroutine that sends a packet

	mu      sync.Mutex
	sockets map[string]*Socket // guarded by mu
}

func newLink(conn *wsstream.Conn) *link {
	return &link{conn: conn, sending: make(chan struct{}, 1), sockets: map[string]*Socket{}}
}

// send writes a packet: its attachments follow its text without another message between them.
func (l *link) send(ctx context.Context, p packet) error {
	select {
	case l.sending <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-l.sending }()
	w := l.conn.Writable()
	if err := w.Write(ctx, wsstream.Text(p.text())); err != nil {
		return err
	}
	for _, b := range p.attachments { // ctx must not divide them from their text
		if err := w.Write(l.conn.Context(), wsstream.Binary(b)); err != nil {
			return err
		}
	}
	return nil
}

// next returns the next packet of Socket.IO. It answers the peer's pings.
func (l *link) next(ctx context.Context) (p packet, err error) {
	for {
		m, err := l.conn.Readable().Pull(ctx)
		if err != nil {
			return p, err
		}
		if m.Type != wsstream.TypeText || len(m.Data) == 0 {
			return p, errPacket
		}
		switch m.Data[0] {
		case enginePing:
			l.pong()
		case enginePong, engineNoop:
		case engineClose:
			return p, io.EOF
		case engineMessage:
			return l.attachments(ctx, m.Data[1:])
		default:
			return p, errPacket
		}
	}
}

func (l *link) attachments(ctx context.Context, text []byte) (packet, error) {
	p, n, err := parse(text)
	for range n {
		m, pullErr := l.conn.Readable().Pull(ctx)
		if pullErr != nil {
			return p, pullErr
		}
		if m.Type != wsstream.TypeBinary {
			return p, errPacket
		}
		p.attachments = append(p.attachments, m.Data)
	}
	return p, err
}

// pong answers a ping. The reader must not wait for a peer that does not read.
func (l *link) pong() {
	m := wsstream.Text(string(enginePong))
	if sent, err := l.conn.Writable().TryWrite(m); !sent && err == nil {
		go l.conn.Writable().Write(l.conn.Context(), m) //nolint:errcheck // ends with the connection
	}
}

func (l *link) socket(namespace string) *Socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sockets[namespace]
}

// add returns a new socket, or false if there is one for the namespace.
func (l *link) add(namespace string, auth map[string]any) (*Socket, bool) {
	s := &Socket{
		Namespace: namespace,
		Auth:      auth,
		link:      l,
		events:    stream.NewQueue[Event](held),
		joined:    make(chan error, 1),
		calls:     map[int]chan []any{},
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sockets[namespace] != nil {
		return nil, false
	}
	l.sockets[namespace] = s
	return s, true
}

// drop ends a socket that our program has done with.
func (l *link) drop(s *Socket) {
	l.forget(s)
	_ = s.events.Cancel(nil)
}

func (l *link) forget(s *Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sockets, s.Namespace)
}

// remove ends a socket with io.EOF, or with err. Its events may still be pulled. The goroutine that
// reads calls it.
func (l *link) remove(s *Socket, err error) {
	l.forget(s)
	if err == nil || errors.Is(err, io.EOF) {
		_ = s.events.Close(context.Background()) // this goroutine makes the Writes: none waits
	} else {
		_ = s.events.Fail(context.Background(), err)
	}
}

// end ends all sockets.
func (l *link) end(err error) {
	l.mu.Lock()
	sockets := l.sockets
	l.sockets = map[string]*Socket{}
	l.mu.Unlock()
	for _, s := range sockets {
		l.remove(s, err)
	}
}

// A Client is a connection to a server.
type Client struct{ link *link }

// Dial connects to the server at url, for example "wss://example.org". The connection has no
// namespace yet.
func Dial(ctx context.Context, url string, o *wsstream.DialOptions) (*Client, error) {
	conn := wsstream.Dial(ctx, strings.TrimSuffix(url, "/")+"/socket.io/?EIO=4&transport=websocket", o)
	m, err := conn.Readable().Pull(ctx)
	if err == nil && (m.Type != wsstream.TypeText || len(m.Data) == 0 || m.Data[0] != engineOpen) {
		err = errPacket
	}
	if err != nil {
		conn.CloseNow()
		return nil, err
	}
	c := &Client{newLink(conn)}
	go c.read() // ends with the connection
	return c, nil
}

// Conn returns the connection.
func (c *Client) Conn() *wsstream.Conn { return c.link.conn }

// Close closes the connection.
func (c *Client) Close(ctx context.Context) error {
	return c.link.conn.Shutdown(ctx, wsstream.CloseInfo{Code: 1000})
}

// Join joins a namespace: "/" is the first one. auth is for the server, and may be nil.
func (c *Client) Join(ctx context.Context, namespace string, auth map[string]any) (*Socket, error) {
	s, ok := c.link.add(namespace, auth)
	if !ok {
		return nil, fmt.Errorf("socketio: %s is joined already", namespace)
	}
	p := packet{kind: connect, namespace: namespace, id: -1}
	var err error
	if auth != nil {
		p.data, err = json.Marshal(auth)
	}
	if err == nil {
		err = c.link.send(ctx, p)
	}
	if err == nil {
		select {
		case err = <-s.joined:
		case <-s.events.Done():
			_, err = s.Pull(ctx)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		c.link.drop(s)
		return nil, err
	}
	return s, nil
}

func (c *Client) read() {
	ctx := c.link.conn.Context()
	for {
		p, err := c.link.next(ctx)
		if err == nil {
			err = c.take(ctx, p)
		}
		if err != nil {
			c.link.end(err)
			_ = c.link.conn.Readable().Cancel(err) // closes, unless the connection has ended
			return
		}
	}
}

func (c *Client) take(ctx context.Context, p packet) error {
	s := c.link.socket(p.namespace)
	if s == nil {
		return nil // it was left meanwhile
	}
	switch p.kind {
	case connect:
		s.joined <- nil
	case connectError:
		var refusal struct{ Message string }
		_ = json.Unmarshal(p.data, &refusal) // the message is for people
		s.joined <- fmt.Errorf("socketio: %s: %s", p.namespace, refusal.Message)
	case disconnect:
		c.link.remove(s, nil)
	default:
		return s.take(ctx, p)
	}
	return nil
}

// A Server is an http.Handler for the path /socket.io/.
type Server struct {
	// Serve is called for each namespace that a client joins, on a goroutine of its own. When it
	// returns, the namespace ends. r is the request of the connection.
	Serve func(ctx context.Context, s *Socket) error

	// Allow refuses a namespace with an error, whose text the client gets. If nil, "/" alone is
	// allowed.
	Allow func(s *Socket) error

	// PingInterval is the time between two of Socket.IO's pings, which a client waits for. If zero,
	// 25 seconds.
	PingInterval time.Duration

	Options wsstream.AcceptOptions
}

// pingTimeout is what clients add to PingInterval before they give up.
const pingTimeout = 20 * time.Second

// ServeHTTP serves one connection. The client's silence ends it by wsstream's own keepalive.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("EIO") != "4" || q.Get("transport") != "websocket" {
		http.Error(w, `{"code":0,"message":"Transport unknown"}`, http.StatusBadRequest)
		return
	}
	o := srv.Options
	if o.PingInterval == 0 {
		o.PingInterval = srv.interval()
	}
	wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
		return srv.serve(r.Context(), newLink(conn))
	}, &o).ServeHTTP(w, r)
}

func (srv *Server) interval() time.Duration {
	if srv.PingInterval > 0 {
		return srv.PingInterval
	}
	return 25 * time.Second
}

func (srv *Server) serve(ctx context.Context, l *link) error {
	limit := srv.Options.MaxMessageSize
	if limit <= 0 {
		limit = 1 << 20
	}
	open := fmt.Sprintf(`0{"sid":%q,"upgrades":[],"pingInterval":%d,"pingTimeout":%d,"maxPayload":%d}`,
		rand.Text(), srv.interval().Milliseconds(), pingTimeout.Milliseconds(), limit)
	if err := l.conn.Writable().Write(ctx, wsstream.Text(open)); err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { srv.beat(ctx, l.conn) }) // ends with the connection
	for {
		p, err := l.next(ctx)
		if err == nil {
			err = srv.take(ctx, l, p, &running)
		}
		if err != nil {
			l.end(err)
			_ = l.conn.Readable().Cancel(err)
			return err
		}
	}
}

// beat sends Socket.IO's pings. A client cuts the connection if they do not come.
func (srv *Server) beat(ctx context.Context, conn *wsstream.Conn) {
	tick := time.NewTicker(srv.interval())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if conn.Writable().Write(ctx, wsstream.Text(string(enginePing))) != nil {
			return
		}
	}
}

func (srv *Server) take(ctx context.Context, l *link, p packet, running *sync.WaitGroup) error {
	switch s := l.socket(p.namespace); {
	case p.kind == connect && s == nil:
		return srv.join(ctx, l, p, running)
	case s == nil || p.kind == connect:
		return nil // it was left meanwhile, or is joined already
	case p.kind == disconnect:
		l.remove(s, nil)
		return nil
	default:
		return s.take(ctx, p)
	}
}

func (srv *Server) join(ctx context.Context, l *link, p packet, running *sync.WaitGroup) error {
	var auth map[string]any
	if len(p.data) > 0 && json.Unmarshal(p.data, &auth) != nil {
		return errPacket
	}
	s, _ := l.add(p.namespace, auth)
	if err := srv.allow(s); err != nil {
		l.remove(s, nil)
		message, _ := json.Marshal(map[string]string{"message": err.Error()})
		return l.send(ctx, packet{kind: connectError, namespace: p.namespace, id: -1, data: message})
	}
	id := fmt.Appendf(nil, `{"sid":%q}`, rand.Text())
	if err := l.send(ctx, packet{kind: connect, namespace: p.namespace, id: -1, data: id}); err != nil {
		return err
	}
	running.Go(func() { // ends with the connection, as all calls of s do
		ctx := context.WithoutCancel(ctx) // or it would end before the last events are pulled
		if err := srv.Serve(ctx, s); err != nil {
			l.conn.CloseNow()
		} else if s == l.socket(s.Namespace) {
			_ = s.Leave(ctx)
		}
	})
	return nil
}

func (srv *Server) allow(s *Socket) error {
	switch {
	case srv.Allow != nil:
		return srv.Allow(s)
	case s.Namespace != "/":
		return errors.New("Invalid namespace") //nolint:staticcheck // as Socket.IO says it
	default:
		return nil
	}
}

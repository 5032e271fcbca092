// Package socketcluster speaks version 2 of SocketCluster's protocol, as a client and as a server,
// without authentication. Copy it.
//
//	s, err := socketcluster.Dial(ctx, "ws://127.0.0.1:8000/socketcluster/", nil)
//	err = s.Transmit(ctx, "hello", "world")       // waits while the server does not keep up
//	err = s.Invoke(ctx, "add", []int{1, 2}, &sum) // waits for the answer
//	err = s.Subscribe(ctx, "news")
//	err = s.Publish(ctx, "news", "it rains")
//	for {
//		p, err := s.Pull(ctx)                     // a Packet of a channel, or of the server itself
//		…
//	}
//
// A socket holds 16 packets that its program has not pulled. Behind them nothing is read, so the
// peer waits. Answers wait there, too: a program that calls Invoke must pull meanwhile.
package socketcluster

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

const held = 16 // packets of a socket that its program has not pulled

// A Packet is what the peer has sent.
type Packet struct {
	Event   string // "#publish" for what was published to a channel
	Channel string // of what was published
	Data    json.RawMessage

	socket *Socket
	id     int
}

// Reply answers a packet that the peer has invoked. It does nothing for others.
func (p Packet) Reply(ctx context.Context, data any) error { return p.answer(ctx, data, nil) }

// Fail answers with an error.
func (p Packet) Fail(ctx context.Context, cause error) error {
	return p.answer(ctx, nil, &remoteError{Name: "Error", Message: cause.Error()})
}

func (p Packet) answer(ctx context.Context, data any, failure *remoteError) error {
	if p.id == 0 {
		return nil
	}
	return p.socket.write(ctx, frame{Reply: p.id, Data: data, Error: failure})
}

// A frame is a packet on the wire: an event, or the reply to one.
type frame struct {
	Event string       `json:"event,omitempty"`
	Call  int          `json:"cid,omitempty"`
	Reply int          `json:"rid,omitempty"`
	Data  any          `json:"data,omitempty"`
	Error *remoteError `json:"error,omitempty"`
}

type remoteError struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

func (e *remoteError) Error() string { return "socketcluster: " + e.Message }

type published struct {
	Channel string `json:"channel"`
	Data    any    `json:"data"`
}

// A Socket is a connection. Its methods may be called concurrently.
type Socket struct {
	conn    *wsstream.Conn
	packets *stream.Queue[Packet]

	mu     sync.Mutex
	calls  map[int]chan reply // guarded by mu: the calls that wait
	lastID int                // guarded by mu
}

type reply struct {
	data json.RawMessage
	err  *remoteError
}

func newSocket(conn *wsstream.Conn) *Socket {
	return &Socket{conn: conn, packets: stream.NewQueue[Packet](held), calls: map[int]chan reply{}}
}

// Conn returns the connection.
func (s *Socket) Conn() *wsstream.Conn { return s.conn }

// Pull returns the next packet, and after the end of the connection its error.
func (s *Socket) Pull(ctx context.Context) (Packet, error) { return s.packets.Pull(ctx) }

// Transmit sends an event that has no answer. It waits while the peer does not keep up.
func (s *Socket) Transmit(ctx context.Context, event string, data any) error {
	return s.write(ctx, frame{Event: event, Data: data})
}

// Invoke sends an event, waits for the answer and reads it into what result points to. A nil
// result drops it.
func (s *Socket) Invoke(ctx context.Context, event string, data, result any) error {
	answer := make(chan reply, 1)
	s.mu.Lock()
	s.lastID++
	id := s.lastID
	s.calls[id] = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.calls, id)
		s.mu.Unlock()
	}()
	if err := s.write(ctx, frame{Event: event, Call: id, Data: data}); err != nil {
		return err
	}
	select {
	case r := <-answer:
		if r.err != nil {
			return r.err
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(r.data, result)
	case <-s.packets.Done():
		return stream.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Subscribe subscribes a client to a channel.
func (s *Socket) Subscribe(ctx context.Context, channel string) error {
	return s.Invoke(ctx, "#subscribe", map[string]string{"channel": channel}, nil)
}

// Unsubscribe ends a subscription.
func (s *Socket) Unsubscribe(ctx context.Context, channel string) error {
	return s.Invoke(ctx, "#unsubscribe", channel, nil)
}

// Publish publishes to a channel, and waits until the server has taken it.
func (s *Socket) Publish(ctx context.Context, channel string, data any) error {
	return s.Invoke(ctx, "#publish", published{channel, data}, nil)
}

func (s *Socket) write(ctx context.Context, f frame) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return s.conn.Writable().Write(ctx, wsstream.Message{Type: wsstream.TypeText, Data: b})
}

var errPacket = errors.New("socketcluster: bad packet")

// read takes packets until the end, and returns it. take returns false for a packet that is for the
// program. An empty message is a ping for a client, and its answer for a server.
func (s *Socket) read(ctx context.Context, answersPings bool, take func(Packet) (bool, error)) error {
	for m, err := range s.conn.Readable().All(ctx) {
		if err != nil {
			return err
		}
		if len(m.Data) == 0 {
			if answersPings {
				s.pong()
			}
			continue
		}
		batch := []json.RawMessage{m.Data}
		if m.Data[0] == '[' {
			if json.Unmarshal(m.Data, &batch) != nil {
				return errPacket
			}
		}
		for _, b := range batch {
			if err := s.take(ctx, b, take); err != nil {
				return err
			}
		}
	}
	return io.EOF
}

// pong answers a ping. The reader must not wait for a peer that does not read.
func (s *Socket) pong() {
	if sent, err := s.conn.Writable().TryWrite(wsstream.Text("")); !sent && err == nil {
		go s.conn.Writable().Write(s.conn.Context(), wsstream.Text("")) //nolint:errcheck // ends with it
	}
}

func (s *Socket) take(ctx context.Context, b []byte, take func(Packet) (bool, error)) error {
	var in struct {
		Event    string
		Cid, Rid int
		Data     json.RawMessage
		Error    *remoteError
	}
	if json.Unmarshal(b, &in) != nil {
		return errPacket
	}
	if in.Rid != 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if answer := s.calls[in.Rid]; answer != nil {
			delete(s.calls, in.Rid)
			answer <- reply{in.Data, in.Error}
		}
		return nil
	}
	p := Packet{Event: in.Event, Data: in.Data, socket: s, id: in.Cid}
	if p.Event == "#publish" {
		var d struct {
			Channel string
			Data    json.RawMessage
		}
		if json.Unmarshal(p.Data, &d) != nil {
			return errPacket
		}
		p.Channel, p.Data = d.Channel, d.Data
	}
	if taken, err := take(p); taken || err != nil {
		return err
	}
	return s.packets.Write(ctx, p)
}

// end ends Pull and the calls that wait. The goroutine that reads calls it.
func (s *Socket) end(err error) {
	if errors.Is(err, io.EOF) {
		_ = s.packets.Close(context.Background()) // this goroutine alone writes: it waits for none
	} else {
		_ = s.packets.Fail(context.Background(), err)
	}
	_ = s.conn.Readable().Cancel(err) // closes, unless the connection has ended
}

// Dial connects to a server.
func Dial(ctx context.Context, url string, o *wsstream.DialOptions) (*Socket, error) {
	s := newSocket(wsstream.Dial(ctx, url, o))
	if _, err := s.conn.Opened().Wait(ctx); err != nil {
		return nil, err
	}
	go func() { // ends with the connection
		s.end(s.read(s.conn.Context(), true, func(p Packet) (bool, error) {
			return p.Event != "#publish" && p.Event != "" && p.Event[0] == '#', nil // about authentication
		}))
	}()
	if err := s.Invoke(ctx, "#handshake", map[string]any{"authToken": nil}, nil); err != nil {
		s.conn.CloseNow()
		return nil, err
	}
	return s, nil
}

// A Server is an http.Handler. It must not be copied.
type Server struct {
	// Serve is called for each client. When it returns, the connection is closed.
	Serve func(ctx context.Context, s *Socket) error

	// PingInterval is the time between two of SocketCluster's pings, which a client waits for. If
	// zero, 8 seconds.
	PingInterval time.Duration

	Options wsstream.AcceptOptions

	mu       sync.Mutex
	channels map[string]*stream.Broadcast[wsstream.Message] // guarded by mu
}

// pingTimeout is what a client waits for a ping.
const pingTimeout = 20 * time.Second

// ServeHTTP serves one client.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := srv.Options
	if o.PingInterval == 0 {
		o.PingInterval = srv.interval() // a client that answers nothing is cut off
	}
	wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
		s := newSocket(conn)
		subscriptions := map[string]*stream.Subscription[wsstream.Message]{}
		var running sync.WaitGroup
		defer running.Wait()
		running.Go(func() { srv.beat(r.Context(), conn) }) // ends with the connection
		running.Go(func() {                                // ends with the connection
			s.end(s.read(r.Context(), false, func(p Packet) (bool, error) {
				return srv.take(r.Context(), p, subscriptions)
			}))
			for channel := range subscriptions {
				srv.leave(channel, subscriptions)
			}
		})
		err := srv.Serve(r.Context(), s)
		_ = s.packets.Cancel(nil)
		_ = conn.Writable().Fail(context.Background(), err) // what runs ends with the connection
		return err
	}, &o).ServeHTTP(w, r)
}

func (srv *Server) interval() time.Duration {
	if srv.PingInterval > 0 {
		return srv.PingInterval
	}
	return 8 * time.Second
}

// beat sends SocketCluster's pings: empty messages.
func (srv *Server) beat(ctx context.Context, conn *wsstream.Conn) {
	tick := time.NewTicker(srv.interval())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if conn.Writable().Write(ctx, wsstream.Text("")) != nil {
			return
		}
	}
}

// take does what a client asks of the server itself.
func (srv *Server) take(
	ctx context.Context, p Packet, subscriptions map[string]*stream.Subscription[wsstream.Message],
) (bool, error) {
	switch p.Event {
	case "#handshake":
		return true, p.Reply(ctx, map[string]any{
			"id": "socket", "pingTimeout": pingTimeout.Milliseconds(), "isAuthenticated": false,
		})
	case "#subscribe":
		var d struct{ Channel string }
		if json.Unmarshal(p.Data, &d) != nil || len(subscriptions) >= maxSubscriptions {
			return true, errPacket
		}
		if subscriptions[d.Channel] == nil {
			subscriptions[d.Channel] = srv.join(ctx, d.Channel, p.socket.conn)
		}
		return true, p.Reply(ctx, nil)
	case "#unsubscribe":
		var channel string
		if json.Unmarshal(p.Data, &channel) != nil {
			return true, errPacket
		}
		srv.leave(channel, subscriptions)
		return true, p.Reply(ctx, nil)
	case "#publish":
		if err := srv.Publish(ctx, p.Channel, p.Data); err != nil {
			return true, p.Fail(ctx, err)
		}
		return true, p.Reply(ctx, nil)
	}
	return false, nil
}

const (
	maxSubscriptions = 100 // of a client
	behind           = 256 // messages of a channel that wait for a slow client, which then misses some
)

// join subscribes a client to a channel. A client that does not keep up misses the oldest messages.
func (srv *Server) join(
	ctx context.Context, channel string, conn *wsstream.Conn,
) *stream.Subscription[wsstream.Message] {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	b := srv.channels[channel]
	if b == nil {
		if srv.channels == nil {
			srv.channels = map[string]*stream.Broadcast[wsstream.Message]{}
		}
		b = stream.NewBroadcast[wsstream.Message](nil)
		srv.channels[channel] = b
	}
	s := stream.Subscribe(b, stream.Count(behind), stream.DropOldest())
	s.Feed(ctx, conn.Writable(), &stream.PipeOptions{PreventClose: true, PreventAbort: true})
	return s
}

func (srv *Server) leave(channel string, subscriptions map[string]*stream.Subscription[wsstream.Message]) {
	s := subscriptions[channel]
	if s == nil {
		return
	}
	_ = s.Cancel(nil)
	delete(subscriptions, channel)
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if b := srv.channels[channel]; b != nil && b.Len() == 0 {
		delete(srv.channels, channel)
	}
}

// Publish publishes to a channel of the server.
func (srv *Server) Publish(ctx context.Context, channel string, data any) error {
	srv.mu.Lock()
	b := srv.channels[channel]
	srv.mu.Unlock()
	if b == nil {
		return nil // it has no subscriber
	}
	text, err := json.Marshal(frame{Event: "#publish", Data: published{channel, data}})
	if err != nil {
		return err
	}
	return b.Publish(ctx, wsstream.Message{Type: wsstream.TypeText, Data: text}.Prepare())
}

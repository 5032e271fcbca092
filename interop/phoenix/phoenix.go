// Package phoenix is a server for the clients of Phoenix Channels, with version 2 of their
// protocol. Copy it.
//
//	func join(ctx context.Context, topic string, params json.RawMessage) (phoenix.Joined, error) {
//		return phoenix.Joined{Serve: func(ctx context.Context, ch *phoenix.Channel) error {
//			for {
//				m, err := ch.Pull(ctx)
//				if err != nil {
//					return nil // the client has left
//				}
//				err = m.Reply(ctx, "ok", m.Payload)
//				…
//			}
//		}}, nil
//	}
//
//	http.Handle("/socket/websocket", &phoenix.Server{Join: join})
//
// A channel holds 16 messages that its program has not pulled. Behind them nothing is read, for all
// channels of the client, and its heartbeats wait, too: a client connects again after a minute.
package phoenix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

const (
	held        = 16 // messages of a channel that its program has not pulled
	maxChannels = 64 // of a client
)

// A Server is an http.Handler for the path that a client's Socket has, and "/websocket".
type Server struct {
	// Join is called when a client joins a topic. If it returns an error, the client gets its text
	// as the reason.
	Join func(ctx context.Context, topic string, params json.RawMessage) (Joined, error)

	Options wsstream.AcceptOptions
}

// A Joined is a channel that a client may join.
type Joined struct {
	Response any // for the client; nil is an empty one

	// Serve is called on a goroutine of the channel's own. When it returns, the channel ends. If it
	// returns an error, the client takes the channel for crashed, and joins again.
	Serve func(ctx context.Context, ch *Channel) error
}

// A Channel is one topic of a connection. Its methods may be called concurrently.
type Channel struct {
	Topic string

	joinRef  *string
	conn     *wsstream.Conn
	messages *stream.Queue[Message]
}

// A Message is what a client has pushed.
type Message struct {
	Event   string
	Payload json.RawMessage // nil if the payload is binary
	Binary  []byte

	channel *Channel
	ref     *string
}

// Pull returns the next message, and io.EOF after the client has left the channel or has gone.
func (ch *Channel) Pull(ctx context.Context) (Message, error) { return ch.messages.Pull(ctx) }

// Push sends an event. A payload of type []byte is sent as binary. Push waits while the client does
// not keep up.
func (ch *Channel) Push(ctx context.Context, event string, payload any) error {
	if b, ok := payload.([]byte); ok {
		return writeBinary(ctx, ch.conn, 0, b, text(ch.joinRef), ch.Topic, event)
	}
	return write(ctx, ch.conn, frame{JoinRef: ch.joinRef, Topic: ch.Topic, Event: event}, payload)
}

// Conn returns the connection.
func (ch *Channel) Conn() *wsstream.Conn { return ch.conn }

// Reply answers a message with a status, which is "ok" or "error". A response of type []byte is
// sent as binary.
func (m Message) Reply(ctx context.Context, status string, response any) error {
	ch := m.channel
	if b, ok := response.([]byte); ok {
		return writeBinary(ctx, ch.conn, 1, b, text(ch.joinRef), text(m.ref), ch.Topic, status)
	}
	return reply(ctx, ch.conn, frame{JoinRef: ch.joinRef, Ref: m.ref, Topic: ch.Topic}, status, response)
}

// A frame is what the protocol sends: an array of five values.
type frame struct {
	JoinRef, Ref *string
	Topic, Event string
	Payload      json.RawMessage
	Binary       []byte
}

var errFrame = errors.New("phoenix: bad frame")

func parse(m wsstream.Message) (f frame, err error) {
	if m.Type == wsstream.TypeBinary {
		return parseBinary(m.Data)
	}
	fields := []any{&f.JoinRef, &f.Ref, &f.Topic, &f.Event, &f.Payload}
	if err := json.Unmarshal(m.Data, &fields); err != nil || len(fields) != 5 {
		return f, errFrame
	}
	return f, nil
}

// parseBinary reads a binary push: a zero, the lengths of four strings, the strings, the payload.
func parseBinary(b []byte) (f frame, err error) {
	const n = 4
	if len(b) < 1+n || b[0] != 0 {
		return f, errFrame
	}
	var s [n]string
	rest := b[1+n:]
	for i, size := range b[1 : 1+n] {
		if len(rest) < int(size) {
			return f, errFrame
		}
		s[i], rest = string(rest[:size]), rest[size:]
	}
	return frame{JoinRef: &s[0], Ref: &s[1], Topic: s[2], Event: s[3], Binary: rest}, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func write(ctx context.Context, conn *wsstream.Conn, f frame, payload any) error {
	b, err := json.Marshal([]any{f.JoinRef, f.Ref, f.Topic, f.Event, payload})
	if err != nil {
		return err
	}
	return conn.Writable().Write(ctx, wsstream.Message{Type: wsstream.TypeText, Data: b})
}

func writeBinary(ctx context.Context, conn *wsstream.Conn, kind byte, payload []byte, s ...string) error {
	b := []byte{kind}
	for _, field := range s {
		if len(field) > 255 {
			return fmt.Errorf("phoenix: %q is too long for a binary payload", field)
		}
		b = append(b, byte(len(field)))
	}
	for _, field := range s {
		b = append(b, field...)
	}
	return conn.Writable().Write(ctx, wsstream.Binary(append(b, payload...)))
}

func reply(ctx context.Context, conn *wsstream.Conn, f frame, status string, response any) error {
	f.Event = "phx_reply"
	if response == nil {
		response = struct{}{}
	}
	return write(ctx, conn, f, map[string]any{"status": status, "response": response})
}

// A client is one connection. Its goroutine reads, and alone uses the map.
type client struct {
	server   *Server
	conn     *wsstream.Conn
	channels map[string]*Channel // by topic
	running  sync.WaitGroup      // the channels' programs
}

// ServeHTTP serves one client.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("vsn") != "2.0.0" {
		http.Error(w, "this server speaks version 2.0.0", http.StatusBadRequest)
		return
	}
	o := s.Options
	wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
		c := &client{server: s, conn: conn, channels: map[string]*Channel{}}
		defer c.running.Wait()
		err := c.read(r.Context())
		for _, ch := range c.channels {
			_ = ch.messages.Close(context.Background()) // this goroutine alone writes: it waits for none
		}
		_ = conn.Readable().Cancel(err) // ends the calls of the channels' programs
		return err
	}, &o).ServeHTTP(w, r)
}

func (c *client) read(ctx context.Context) error {
	for m, err := range c.conn.Readable().All(ctx) {
		if err != nil {
			return err
		}
		f, err := parse(m)
		if err == nil {
			err = c.take(ctx, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *client) take(ctx context.Context, f frame) error {
	ch := c.channels[f.Topic]
	switch {
	case f.Topic == "phoenix" && f.Event == "heartbeat":
		return reply(ctx, c.conn, f, "ok", nil)
	case f.Event == "phx_join":
		return c.join(ctx, f)
	case ch == nil || text(f.JoinRef) != text(ch.joinRef):
		return reply(ctx, c.conn, f, "error", map[string]string{"reason": "unmatched topic"})
	case f.Event == "phx_leave":
		c.leave(f.Topic)
		return reply(ctx, c.conn, f, "ok", nil)
	}
	m := Message{Event: f.Event, Payload: f.Payload, Binary: f.Binary, channel: ch, ref: f.Ref}
	if err := ch.messages.Write(ctx, m); !errors.Is(err, stream.ErrClosed) {
		return err
	}
	return nil // the channel's program has returned
}

// leave ends the channel of a topic, if there is one. Its program pulls io.EOF.
func (c *client) leave(topic string) {
	if ch := c.channels[topic]; ch != nil {
		_ = ch.messages.Close(context.Background())
		delete(c.channels, topic)
	}
}

func (c *client) join(ctx context.Context, f frame) error {
	joined, err := c.server.Join(ctx, f.Topic, f.Payload)
	if err == nil && len(c.channels) >= maxChannels {
		err = errors.New("too many channels")
	}
	if err != nil {
		return reply(ctx, c.conn, f, "error", map[string]string{"reason": err.Error()})
	}
	c.leave(f.Topic) // a client that joins twice has forgotten the first
	ch := &Channel{
		Topic:    f.Topic,
		joinRef:  f.JoinRef,
		conn:     c.conn,
		messages: stream.NewQueue[Message](held),
	}
	c.channels[f.Topic] = ch
	if err := reply(ctx, c.conn, f, "ok", joined.Response); err != nil {
		return err
	}
	c.running.Go(func() { // ends with the connection, as all calls of ch do
		ctx := context.WithoutCancel(ctx) // or it would end before the last messages are pulled
		end := frame{JoinRef: ch.joinRef, Ref: ch.joinRef, Topic: ch.Topic, Event: "phx_close"}
		if joined.Serve(ctx, ch) != nil {
			end.Event = "phx_error"
		}
		_ = ch.messages.Cancel(nil)
		_ = write(ctx, c.conn, end, struct{}{}) // it fails with the connection
	})
	return nil
}

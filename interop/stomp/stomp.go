// Package stomp is a broker of STOMP 1.2 over WebSocket, in memory: destinations have subscribers,
// and a subscriber that is slow misses the oldest messages. Copy it.
package stomp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A Frame is a frame of STOMP.
type Frame struct {
	Command string
	Header  map[string]string
	Body    []byte
}

var (
	errFrame = errors.New("stomp: bad frame")
	unescape = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\c`, ":", `\\`, `\`)
	escape   = strings.NewReplacer("\r", `\r`, "\n", `\n`, ":", `\c`, `\`, `\\`)
)

// Parse reads the frame of a message. A message with nothing but line ends is a heartbeat: its
// frame has no command.
func Parse(b []byte) (f Frame, err error) {
	if b = bytes.TrimLeft(b, "\r\n"); len(b) == 0 {
		return f, nil
	}
	command, b, ok := cutLine(b)
	f = Frame{Command: command, Header: map[string]string{}}
	for ok {
		var line string
		if line, b, ok = cutLine(b); line == "" {
			break
		}
		name, value, found := strings.Cut(line, ":")
		if name = unescape.Replace(name); !found {
			return f, errFrame
		}
		if _, repeated := f.Header[name]; !repeated { // the first one counts
			f.Header[name] = unescape.Replace(value)
		}
	}
	size := bytes.IndexByte(b, 0)
	if s, there := f.Header["content-length"]; there {
		size, err = strconv.Atoi(s)
	}
	if !ok || err != nil || size < 0 || size >= len(b) || b[size] != 0 {
		return f, errFrame
	}
	f.Body = b[:size]
	return f, nil
}

// cutLine returns the first line of b, and what follows its end.
func cutLine(b []byte) (line string, rest []byte, ok bool) {
	before, rest, ok := bytes.Cut(b, []byte("\n"))
	return string(bytes.TrimSuffix(before, []byte("\r"))), rest, ok
}

// Message returns a frame as a message.
func (f Frame) Message() wsstream.Message {
	var b bytes.Buffer
	b.WriteString(f.Command + "\n")
	for name, value := range f.Header {
		fmt.Fprintf(&b, "%s:%s\n", escape.Replace(name), escape.Replace(value))
	}
	fmt.Fprintf(&b, "content-length:%d\n\n%s\x00", len(f.Body), f.Body)
	return wsstream.Message{Type: wsstream.TypeBinary, Data: b.Bytes()}
}

// A Broker is an http.Handler. It must not be copied.
type Broker struct {
	// HeartBeat is how often the broker sends one. If zero, 10 seconds.
	HeartBeat time.Duration

	Options wsstream.AcceptOptions

	mu           sync.Mutex
	destinations map[string]*stream.Broadcast[Frame] // guarded by mu
}

const (
	maxSubscriptions = 100 // of a client
	behind           = 256 // frames of a subscription that wait for a slow client
)

// ServeHTTP serves one client.
func (b *Broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := b.Options
	o.Subprotocols = []string{"v12.stomp"}
	if o.PingInterval == 0 {
		o.PingInterval = b.heartBeat() // a client that answers nothing is cut off
	}
	wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
		s := &session{broker: b, conn: conn, subscriptions: map[string]subscription{}}
		var beating sync.WaitGroup
		defer beating.Wait()
		beating.Go(func() { s.beat(r.Context()) }) // ends with the connection
		err := s.serve(r.Context())
		for id := range s.subscriptions {
			s.unsubscribe(id)
		}
		_ = conn.Writable().Fail(context.Background(), err)
		return err
	}, &o).ServeHTTP(w, r)
}

func (b *Broker) heartBeat() time.Duration {
	if b.HeartBeat > 0 {
		return b.HeartBeat
	}
	return 10 * time.Second
}

// Send sends to a destination.
func (b *Broker) Send(ctx context.Context, destination string, header map[string]string, body []byte) error {
	b.mu.Lock()
	room := b.destinations[destination]
	b.mu.Unlock()
	if room == nil {
		return nil // it has no subscriber
	}
	return room.Publish(ctx, Frame{Command: "MESSAGE", Header: header, Body: body})
}

// A session is one connection. One goroutine uses it.
type session struct {
	broker        *Broker
	conn          *wsstream.Conn
	subscriptions map[string]subscription // by id
}

type subscription struct {
	destination string
	frames      *stream.Subscription[Frame]
}

// beat sends heartbeats: a line end.
func (s *session) beat(ctx context.Context) {
	tick := time.NewTicker(s.broker.heartBeat())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if s.conn.Writable().Write(ctx, wsstream.Text("\n")) != nil {
			return
		}
	}
}

func (s *session) serve(ctx context.Context) error {
	for m, err := range s.conn.Readable().All(ctx) {
		if err != nil {
			return err
		}
		f, err := Parse(m.Data)
		if err == nil && f.Command != "" {
			err = s.take(ctx, f)
		}
		if err != nil {
			_ = s.write(ctx, Frame{Command: "ERROR", Header: map[string]string{"message": err.Error()}})
			return err
		}
		if receipt := f.Header["receipt"]; receipt != "" {
			header := map[string]string{"receipt-id": receipt}
			if err := s.write(ctx, Frame{Command: "RECEIPT", Header: header}); err != nil {
				return err
			}
		}
		if f.Command == "DISCONNECT" {
			return nil
		}
	}
	return nil
}

func (s *session) write(ctx context.Context, f Frame) error {
	return s.conn.Writable().Write(ctx, f.Message())
}

func (s *session) take(ctx context.Context, f Frame) error {
	switch f.Command {
	case "CONNECT", "STOMP":
		beat := strconv.FormatInt(s.broker.heartBeat().Milliseconds(), 10)
		return s.write(ctx, Frame{Command: "CONNECTED", Header: map[string]string{
			"version": "1.2", "heart-beat": beat + ",0", // WebSocket's pings watch the client
		}})
	case "SEND":
		header := map[string]string{}
		for name, value := range f.Header {
			if name != "receipt" && name != "content-length" {
				header[name] = value
			}
		}
		return s.broker.Send(ctx, f.Header["destination"], header, f.Body)
	case "SUBSCRIBE":
		return s.subscribe(ctx, f.Header["id"], f.Header["destination"])
	case "UNSUBSCRIBE":
		s.unsubscribe(f.Header["id"])
		return nil
	case "DISCONNECT", "ACK", "NACK":
		return nil
	default:
		return fmt.Errorf("stomp: no command %q", f.Command)
	}
}

func (s *session) subscribe(ctx context.Context, id, destination string) error {
	if _, used := s.subscriptions[id]; used || id == "" || len(s.subscriptions) >= maxSubscriptions {
		return errors.New("stomp: bad subscription")
	}
	b := s.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	room := b.destinations[destination]
	if room == nil {
		if b.destinations == nil {
			b.destinations = map[string]*stream.Broadcast[Frame]{}
		}
		room = stream.NewBroadcast[Frame](nil)
		b.destinations[destination] = room
	}
	frames := stream.Subscribe(room, stream.Count(behind), stream.DropOldest())
	s.subscriptions[id] = subscription{destination, frames}
	sent := 0
	out := stream.MapWriter(s.conn.Writable(), func(f Frame) (wsstream.Message, error) {
		sent++
		header := map[string]string{"subscription": id, "message-id": fmt.Sprintf("%s-%d", id, sent)}
		maps.Copy(header, f.Header)
		f.Header = header
		return f.Message(), nil
	})
	frames.Feed(ctx, out, &stream.PipeOptions{PreventClose: true, PreventAbort: true})
	return nil
}

func (s *session) unsubscribe(id string) {
	sub, ok := s.subscriptions[id]
	if !ok {
		return
	}
	_ = sub.frames.Cancel(nil)
	delete(s.subscriptions, id)
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if room := s.broker.destinations[sub.destination]; room != nil && room.Len() == 0 {
		delete(s.broker.destinations, sub.destination)
	}
}

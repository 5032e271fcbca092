// Package signalr is a hub of SignalR: its JSON protocol, version 1, for clients that skip the
// negotiation. Copy it.
//
//	hub := &signalr.Hub{
//		Methods: map[string]signalr.Method{
//			"Add": func(_ context.Context, c *signalr.Client, args signalr.Args) (any, error) {
//				var a, b int
//				err := args.Scan(&a, &b)
//				return a + b, err
//			},
//		},
//	}
//	http.Handle("/hub", hub)
//
// A client's invocations run one after the other, as those of ASP.NET do by default. Meanwhile
// nothing more is read, so a client waits for a slow method. A method must not wait for a result of
// its own client: Client.Invoke is for streams and for other goroutines.
//
// An invocation to which the client streams items runs concurrently with others, and pulls the items
// from Args.Items. Each stream holds 16 items. Behind them nothing more is read, so a client that
// streams too fast waits.
package signalr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A Method answers an invocation. The client gets the text of its error.
type Method func(ctx context.Context, c *Client, args Args) (any, error)

// A Stream sends items to the client until it returns. send waits while the client does not keep
// up. ctx ends when the client cancels the stream, or with the connection.
type Stream func(ctx context.Context, c *Client, args Args, send func(item any) error) error

// Args are the arguments of an invocation.
type Args struct {
	Values []json.RawMessage

	// Items are what the client streams to this invocation, in the order of its arguments. Each ends
	// with io.EOF, or with the client's error. What is left of them when the invocation returns is
	// dropped. Pull with the invocation's context: it ends with the connection.
	Items []stream.Readable[json.RawMessage]
}

// Scan reads the values into what the pointers point to.
func (a Args) Scan(pointers ...any) error {
	if len(a.Values) != len(pointers) {
		return fmt.Errorf("%d arguments, and not %d", len(a.Values), len(pointers))
	}
	for i, p := range pointers {
		if err := json.Unmarshal(a.Values[i], p); err != nil {
			return fmt.Errorf("argument %d: %w", i, err)
		}
	}
	return nil
}

// A Hub is an http.Handler. Its fields must not be changed once it serves.
type Hub struct {
	Methods map[string]Method
	Streams map[string]Stream

	// Connected is called for each client, on a goroutine of its own. It may be nil.
	Connected func(ctx context.Context, c *Client)

	// KeepAlive is the time between two pings of SignalR. A client gives up after 30 seconds
	// without a message. If zero, 15 seconds.
	KeepAlive time.Duration

	Options wsstream.AcceptOptions
}

// The types of messages.
const (
	invocation       = 1
	streamItem       = 2
	completion       = 3
	streamInvocation = 4
	cancelInvocation = 5
	ping             = 6
	closing          = 7
)

// A message of the hub protocol.
type message struct {
	Type      int    `json:"type"`
	ID        string `json:"invocationId,omitempty"`
	Target    string `json:"target,omitempty"`
	Arguments []any  `json:"arguments,omitzero"`
	Item      any    `json:"item,omitempty"`
	Result    any    `json:"result,omitempty"`
	Error     string `json:"error,omitempty"`
	Reconnect bool   `json:"allowReconnect,omitempty"`

	// Of a message that has come:
	args    []json.RawMessage
	streams []string // ids of the streams to the invocation
	item    json.RawMessage
	result  json.RawMessage
}

func parse(record []byte) (m message, err error) {
	var in struct {
		Type         int
		InvocationID string
		Target       string
		Arguments    []json.RawMessage
		StreamIDs    []string
		Item         json.RawMessage
		Result       json.RawMessage
		Error        string
	}
	err = json.Unmarshal(record, &in)
	return message{Type: in.Type, ID: in.InvocationID, Target: in.Target, Error: in.Error,
		args: in.Arguments, streams: in.StreamIDs, item: in.Item, result: in.Result}, err
}

const separator = 0x1e // ends each record; a WebSocket message has one or more

const (
	maxStreams = 64 // of one client, each way
	heldItems  = 16 // of a stream of the client
)

var errProtocol = errors.New("signalr: the client broke the protocol")

// A Client is a connection to the hub. Its methods may be called concurrently.
type Client struct {
	hub  *Hub
	conn *wsstream.Conn

	mu      sync.Mutex
	cancels map[string]context.CancelFunc // guarded by mu: of streams, by invocation
	calls   map[string]chan message       // guarded by mu: invocations that wait for a result
	lastID  int                           // guarded by mu
	uploads map[string]*upload            // guarded by mu: streams of the client, by stream
	running sync.WaitGroup                // streams, the keepalive, Connected
}

type upload = stream.Queue[json.RawMessage]

// Conn returns the connection.
func (c *Client) Conn() *wsstream.Conn { return c.conn }

// Send invokes a method of the client, without a result. It waits while the client does not keep
// up.
func (c *Client) Send(ctx context.Context, target string, args ...any) error {
	return c.write(ctx, message{Type: invocation, Target: target, Arguments: list(args)})
}

// Invoke invokes a method of the client and reads its result into what result points to.
func (c *Client) Invoke(ctx context.Context, result any, target string, args ...any) error {
	reply := make(chan message, 1)
	c.mu.Lock()
	c.lastID++
	id := "s" + strconv.Itoa(c.lastID) // the client's numbers name its streams
	c.calls[id] = reply
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.calls, id)
		c.mu.Unlock()
	}()
	m := message{Type: invocation, ID: id, Target: target, Arguments: list(args)}
	if err := c.write(ctx, m); err != nil {
		return err
	}
	select {
	case m := <-reply:
		if m.Error != "" {
			return errors.New(m.Error)
		}
		return json.Unmarshal(m.result, result)
	case <-c.conn.Closed().Done():
		return context.Cause(c.conn.Context())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close ends the connection. The client gets the reason, and connects again if reconnect is true
// and it was built to.
func (c *Client) Close(ctx context.Context, reason string, reconnect bool) error {
	if err := c.write(ctx, message{Type: closing, Error: reason, Reconnect: reconnect}); err != nil {
		return err
	}
	return c.conn.Shutdown(ctx, wsstream.CloseInfo{Code: 1000})
}

func list(args []any) []any { return append([]any{}, args...) } // never null

func (c *Client) write(ctx context.Context, m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	b = append(b, separator)
	return c.conn.Writable().Write(ctx, wsstream.Message{Type: wsstream.TypeText, Data: b})
}

// ServeHTTP serves one client.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := h.Options
	if o.PingInterval == 0 {
		o.PingInterval = h.keepAlive() // a client that answers nothing is cut off
	}
	wsstream.Handler(h.serve, &o).ServeHTTP(w, r)
}

func (h *Hub) keepAlive() time.Duration {
	if h.KeepAlive > 0 {
		return h.KeepAlive
	}
	return 15 * time.Second
}

func (h *Hub) serve(conn *wsstream.Conn, r *http.Request) error {
	ctx := r.Context()
	c := &Client{
		hub:     h,
		conn:    conn,
		cancels: map[string]context.CancelFunc{},
		calls:   map[string]chan message{},
		uploads: map[string]*upload{},
	}
	records := stream.FlatMap(conn.Readable(), split)
	if err := c.handshake(ctx, records); err != nil {
		return err
	}
	defer c.running.Wait()
	defer conn.Readable().Cancel(nil)    //nolint:errcheck // it ends what runs
	c.running.Go(func() { c.beat(ctx) }) // ends with the connection
	if h.Connected != nil {
		c.running.Go(func() { h.Connected(ctx, c) }) // ends with the connection, by its context
	}
	for record, err := range stream.All(ctx, records) {
		if err != nil {
			return err
		}
		m, err := parse(record)
		if err == nil {
			err = c.take(ctx, m)
		}
		if err != nil {
			_ = c.write(ctx, message{Type: closing, Error: "the protocol was broken"})
			return err
		}
	}
	return nil
}

// split yields the records of a message.
func split(m wsstream.Message) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if n := len(m.Data); m.Type != wsstream.TypeText || n == 0 || m.Data[n-1] != separator {
			yield(nil, errProtocol)
			return
		}
		for record := range bytes.SplitSeq(m.Data[:len(m.Data)-1], []byte{separator}) {
			if !yield(record, nil) {
				return
			}
		}
	}
}

// handshake agrees on the protocol.
func (c *Client) handshake(ctx context.Context, records stream.Readable[[]byte]) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	record, err := records.Pull(ctx)
	if err != nil {
		return err
	}
	var hello struct {
		Protocol string
		Version  int
	}
	answer := "{}\x1e"
	if err = json.Unmarshal(record, &hello); err == nil && (hello.Protocol != "json" || hello.Version != 1) {
		err = errProtocol
		answer = `{"error":"this hub speaks version 1 of the protocol json"}` + "\x1e"
	}
	return errors.Join(err, c.conn.Writable().Write(ctx, wsstream.Text(answer)))
}

// beat sends SignalR's pings. The clients do not look at WebSocket's.
func (c *Client) beat(ctx context.Context) {
	tick := time.NewTicker(c.hub.keepAlive())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if c.write(ctx, message{Type: ping}) != nil {
			return
		}
	}
}

func (c *Client) take(ctx context.Context, m message) error {
	switch m.Type {
	case invocation:
		return c.invoke(ctx, m)
	case streamInvocation:
		return c.stream(ctx, m)
	case cancelInvocation:
		c.mu.Lock()
		defer c.mu.Unlock()
		if cancel := c.cancels[m.ID]; cancel != nil {
			cancel()
		}
	case streamItem:
		c.mu.Lock()
		items := c.uploads[m.ID]
		c.mu.Unlock()
		if items != nil { // or its invocation has returned
			return ignoreClosed(items.Write(ctx, m.item))
		}
	case completion:
		c.complete(m)
	case ping:
	case closing:
		return c.conn.Close(wsstream.CloseInfo{Code: 1000})
	default: // a later version's
	}
	return nil
}

// complete ends a stream of the client, or gives its result to an Invoke.
func (c *Client) complete(m message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if reply := c.calls[m.ID]; reply != nil {
		delete(c.calls, m.ID)
		reply <- m
	}
	items := c.uploads[m.ID]
	if items == nil {
		return
	}
	delete(c.uploads, m.ID)
	err := io.EOF
	if m.Error != "" {
		err = errors.New(m.Error)
	}
	_ = items.Fail(context.Background(), err) // this goroutine alone writes: it waits for none
}

// upload makes the streams that a client sends to an invocation. end drops what is left of them.
func (c *Client) upload(m message) (args Args, end func(), err error) {
	args.Values = m.args
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.uploads)+len(m.streams) > maxStreams {
		return args, nil, errProtocol
	}
	var queues []*upload
	for _, id := range m.streams {
		if c.uploads[id] != nil {
			return args, nil, errProtocol
		}
		q := stream.NewQueue[json.RawMessage](heldItems)
		c.uploads[id] = q
		queues = append(queues, q)
		args.Items = append(args.Items, q)
	}
	return args, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, id := range m.streams {
			_ = queues[i].Cancel(nil)
			if c.uploads[id] == queues[i] {
				delete(c.uploads, id)
			}
		}
	}, nil
}

// ignoreClosed is for a stream whose invocation has returned.
func ignoreClosed(err error) error {
	if errors.Is(err, stream.ErrClosed) {
		return nil
	}
	return err
}

func (c *Client) invoke(ctx context.Context, m message) error {
	args, end, err := c.upload(m)
	if err != nil {
		return err
	}
	if len(m.streams) == 0 {
		return c.answer(ctx, m, args)
	}
	c.running.Go(func() { // ends with the streams, or with the connection
		defer end()
		_ = c.answer(ctx, m, args) // it fails with the connection
	})
	return nil
}

func (c *Client) answer(ctx context.Context, m message, args Args) error {
	answer := message{Type: completion, ID: m.ID}
	if method := c.hub.Methods[m.Target]; method == nil {
		answer.Error = fmt.Sprintf("Unknown hub method '%s'", m.Target)
	} else if result, err := method(ctx, c, args); err != nil {
		answer.Error = err.Error()
	} else {
		answer.Result = result
	}
	if m.ID == "" { // the client wants no answer
		return nil
	}
	return c.write(ctx, answer)
}

func (c *Client) stream(ctx context.Context, m message) error {
	args, endUploads, err := c.upload(m)
	if err != nil {
		return err
	}
	source := c.hub.Streams[m.Target]
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	n := len(c.cancels)
	ok := source != nil && n < maxStreams && c.cancels[m.ID] == nil
	if ok {
		c.cancels[m.ID] = cancel
	}
	c.mu.Unlock()
	if !ok {
		cancel()
		endUploads()
		text := fmt.Sprintf("no stream '%s', or too many of them", m.Target)
		return c.write(ctx, message{Type: completion, ID: m.ID, Error: text})
	}
	c.running.Go(func() { // ends when the client cancels it, or with the connection
		defer endUploads()
		defer cancel()
		err := source(ctx, c, args, func(item any) error {
			return c.write(ctx, message{Type: streamItem, ID: m.ID, Item: item})
		})
		c.mu.Lock()
		delete(c.cancels, m.ID)
		c.mu.Unlock()
		end := message{Type: completion, ID: m.ID}
		if err != nil && ctx.Err() == nil {
			end.Error = err.Error()
		}
		_ = c.write(c.conn.Context(), end) // it fails with the connection
	})
	return nil
}

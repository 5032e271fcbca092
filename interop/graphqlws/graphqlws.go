// Package graphqlws is the server's side of the protocol graphql-transport-ws, which the package
// graphql-ws of npm speaks. It runs no queries: that is a function of its user's. Copy it.
package graphqlws

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A Server is an http.Handler.
type Server struct {
	// Run runs an operation. Each result goes to send, which waits while the client does not keep
	// up. ctx ends when the client completes the operation, or with the connection. The client gets
	// the text of the error.
	Run func(ctx context.Context, payload json.RawMessage, send func(result any) error) error

	Options wsstream.AcceptOptions
}

type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// The codes of the protocol's closes.
var (
	errInvalid      = end(4400, "Invalid message")
	errUnauthorized = end(4401, "Unauthorized")
	errTimeout      = end(4408, "Connection initialisation timeout")
	errSubscriber   = end(4409, "Subscriber already exists")
	errTooMany      = end(4429, "Too many initialisation requests")
)

func end(code int, reason string) error {
	return &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: code, Reason: reason}}
}

const (
	initTimeout   = 3 * time.Second
	maxOperations = 100 // of a client
)

// ServeHTTP serves one client.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := s.Options
	o.Subprotocols = []string{"graphql-transport-ws"}
	wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
		c := &client{
			server:  s,
			in:      stream.Decode(conn.Readable(), wsstream.JSON[message]()),
			out:     stream.Encode(conn.Writable(), wsstream.JSON[message]()),
			cancels: map[string]context.CancelFunc{},
		}
		defer c.running.Wait()
		err := c.serve(r.Context())
		_ = conn.Writable().Fail(context.Background(), err) // ends the operations
		return err
	}, &o).ServeHTTP(w, r)
}

type client struct {
	server  *Server
	in      stream.Readable[message]
	out     stream.Writable[message]
	running sync.WaitGroup // operations

	mu      sync.Mutex
	cancels map[string]context.CancelFunc // guarded by mu: of operations, by id
}

func (c *client) serve(ctx context.Context) error {
	limited, cancel := context.WithTimeoutCause(ctx, initTimeout, errTimeout)
	defer cancel()
	m, err := c.in.Pull(limited)
	if err != nil {
		return err
	}
	if m.Type != "connection_init" {
		return errUnauthorized
	}
	if err := c.out.Write(ctx, message{Type: "connection_ack"}); err != nil {
		return err
	}
	for m, err := range stream.All(ctx, c.in) {
		if err == nil {
			err = c.take(ctx, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *client) take(ctx context.Context, m message) error {
	switch m.Type {
	case "ping":
		return c.out.Write(ctx, message{Type: "pong"})
	case "pong":
		return nil
	case "subscribe":
		return c.subscribe(ctx, m)
	case "complete":
		c.mu.Lock()
		defer c.mu.Unlock()
		if cancel := c.cancels[m.ID]; cancel != nil {
			cancel()
		}
		return nil
	case "connection_init":
		return errTooMany
	default:
		return errInvalid
	}
}

func (c *client) subscribe(ctx context.Context, m message) error {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	used := m.ID == "" || c.cancels[m.ID] != nil || len(c.cancels) >= maxOperations
	if !used {
		c.cancels[m.ID] = cancel
	}
	c.mu.Unlock()
	if used {
		cancel()
		return errSubscriber
	}
	c.running.Go(func() { // ends when the client completes it, or with the connection
		defer cancel()
		err := c.server.Run(ctx, m.Payload, func(result any) error { return c.send(ctx, m.ID, "next", result) })
		c.mu.Lock()
		delete(c.cancels, m.ID)
		c.mu.Unlock()
		switch {
		case ctx.Err() != nil: // the client wants no answer
		case err != nil:
			_ = c.send(ctx, m.ID, "error", []any{map[string]string{"message": err.Error()}})
		default:
			_ = c.out.Write(ctx, message{ID: m.ID, Type: "complete"})
		}
	})
	return nil
}

func (c *client) send(ctx context.Context, id, kind string, payload any) error {
	b, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	return c.out.Write(ctx, message{ID: id, Type: kind, Payload: b})
}

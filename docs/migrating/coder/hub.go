package coder

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// A Hub sends the messages of each client to all clients. It disconnects a client that is more than
// 256 messages behind.
type Hub struct {
	mu      sync.Mutex
	clients map[*client]struct{}
}

type client struct {
	send chan []byte
	slow context.CancelFunc
}

// NewHub returns a Hub that is ready to serve.
func NewHub() *Hub { return &Hub{clients: make(map[*client]struct{})} }

func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	c := &client{make(chan []byte, 256), cancel}
	h.add(c)
	defer h.remove(c)
	go func() { // reads
		defer cancel()
		for {
			_, data, err := conn.Read(ctx)
			if err != nil {
				return
			}
			h.publish(data)
		}
	}()
	for {
		select {
		case data := <-c.send:
			if err := write(ctx, conn, data); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func write(ctx context.Context, conn *websocket.Conn, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, data)
}

func (h *Hub) publish(data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		select {
		case c.send <- data:
		default:
			c.slow() // which cuts the connection
		}
	}
}

func (h *Hub) add(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[c] = struct{}{}
}

func (h *Hub) remove(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
}

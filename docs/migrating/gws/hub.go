package gws

import (
	"net/http"
	"sync"

	"github.com/lxzan/gws"
)

// A Hub sends the messages of each client to all clients. The queue of each client has no limit.
type Hub struct {
	gws.BuiltinEventHandler
	upgrader *gws.Upgrader
	mu       sync.Mutex
	clients  map[*gws.Conn]struct{}
}

// NewHub returns a Hub that is ready to serve.
func NewHub() *Hub {
	h := &Hub{clients: make(map[*gws.Conn]struct{})}
	h.upgrader = gws.NewUpgrader(h, nil)
	return h
}

func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := h.upgrader.Upgrade(w, r)
	if err != nil {
		return
	}
	conn.ReadLoop()
}

// OnOpen adds a client.
func (h *Hub) OnOpen(conn *gws.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[conn] = struct{}{}
}

// OnClose removes a client.
func (h *Hub) OnClose(conn *gws.Conn, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, conn)
}

// OnMessage encodes a message once for all clients.
func (h *Hub) OnMessage(_ *gws.Conn, msg *gws.Message) {
	defer msg.Close()
	b := gws.NewBroadcaster(msg.Opcode, msg.Bytes())
	defer b.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	for conn := range h.clients {
		_ = b.Broadcast(conn)
	}
}

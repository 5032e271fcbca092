package gws

import (
	"net/http"
	"sync"

	"github.com/lxzan/gws"
)

// A Hub sends what each client says to all. The queue in front of each client has no bound.
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

// OnOpen lets a client in.
func (h *Hub) OnOpen(conn *gws.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[conn] = struct{}{}
}

// OnClose lets it go.
func (h *Hub) OnClose(conn *gws.Conn, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, conn)
}

// OnMessage encodes once for all.
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

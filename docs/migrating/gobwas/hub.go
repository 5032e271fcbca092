package gobwas

import (
	"net/http"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// A Hub sends the messages of each client to all clients. It cuts a client that is more than 256
// messages behind.
type Hub struct {
	mu      sync.Mutex
	clients map[chan []byte]struct{}
}

// NewHub returns a Hub that is ready to serve.
func NewHub() *Hub { return &Hub{clients: make(map[chan []byte]struct{})} }

func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	defer conn.Close()
	send := make(chan []byte, 256)
	h.mu.Lock()
	h.clients[send] = struct{}{}
	h.mu.Unlock()
	defer h.remove(send)
	// This goroutine writes. ReadClientData writes its pongs from the other, and they may land inside
	// a frame.
	go func() {
		defer conn.Close()
		for frame := range send {
			conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
			if _, err := conn.Write(frame); err != nil {
				return
			}
		}
	}()
	for {
		data, err := wsutil.ReadClientText(conn)
		if err != nil {
			return
		}
		h.publish(data)
	}
}

// publish encodes a message once for all clients.
func (h *Hub) publish(data []byte) {
	frame := ws.MustCompileFrame(ws.NewTextFrame(data))
	h.mu.Lock()
	defer h.mu.Unlock()
	for send := range h.clients {
		select {
		case send <- frame:
		default:
			delete(h.clients, send)
			close(send)
		}
	}
}

func (h *Hub) remove(send chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.clients[send]; ok {
		delete(h.clients, send)
		close(send)
	}
}

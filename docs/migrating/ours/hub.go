package ours

import (
	"net/http"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A Hub sends the messages of each client to all clients. It disconnects a client that is 64 KiB
// behind and has not taken a message for 5 s, and tells it why.
type Hub struct {
	http.Handler
	room *stream.Broadcast[wsstream.Message]
}

// NewHub returns a Hub that is ready to serve.
func NewHub() *Hub {
	h := &Hub{room: stream.NewBroadcast(&stream.BroadcastOptions[wsstream.Message]{
		SlowError: &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1008, Reason: "too slow"}},
	})}
	h.Handler = wsstream.Handler(h.join, &wsstream.AcceptOptions{
		WriteStallTimeout: 30 * time.Second, // cuts a client that takes nothing at all
	})
	return h
}

func (h *Hub) join(conn *wsstream.Conn, r *http.Request) error {
	slow := stream.DisconnectAfter(5 * time.Second)
	return stream.Join(r.Context(), conn.Duplex(), stream.Duplex[wsstream.Message, wsstream.Message]{
		Readable: stream.Subscribe(h.room, wsstream.Bytes(64<<10), slow),
		Writable: stream.MapWriter(h.room.Publisher(), prepare),
	})
}

// prepare makes a message that is encoded once for all clients.
func prepare(m wsstream.Message) (wsstream.Message, error) { return m.Prepare(), nil }

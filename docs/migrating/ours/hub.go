package ours

import (
	"net/http"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A Hub sends what each client says to all. Who is more than 64 KiB behind is sent away.
type Hub struct {
	room *stream.Broadcast[wsstream.Message]
}

// NewHub returns a Hub that is ready to serve.
func NewHub() *Hub {
	slow := &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1008, Reason: "too slow"}}
	return &Hub{stream.NewBroadcast(&stream.BroadcastOptions[wsstream.Message]{SlowError: slow})}
}

func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := wsstream.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	_ = stream.Join(r.Context(), conn.Duplex(), stream.Duplex[wsstream.Message, wsstream.Message]{
		Readable: h.room.Subscribe(wsstream.Bytes(64<<10), stream.Disconnect[wsstream.Message]),
		Writable: stream.MapWriter(h.room.Publisher(), prepare),
	})
}

// prepare lets a message be encoded once for all clients.
func prepare(m wsstream.Message) (wsstream.Message, error) { return m.Prepare(), nil }

package ours

import (
	"net/http"
	"time"

	"github.com/wsstream/wsstream"
)

// KeptAlive is an echo that pings, and gives up a client who does not answer.
func KeptAlive(interval, timeout time.Duration) http.HandlerFunc {
	o := &wsstream.AcceptOptions{PingInterval: interval, PongTimeout: timeout}
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := wsstream.Accept(w, r, o)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for msg, err := range conn.Readable().All(r.Context()) {
			if err != nil || conn.Writable().Write(r.Context(), msg) != nil {
				return
			}
		}
	}
}

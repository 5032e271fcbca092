package ours

import (
	"net/http"
	"time"

	"github.com/wsstream/wsstream"
)

// KeptAlive is an echo that pings, and cuts a client that does not answer.
func KeptAlive(interval, timeout time.Duration) http.Handler {
	return wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
		for msg, err := range conn.Readable().All(r.Context()) {
			if err != nil {
				return err
			}
			if err := conn.Writable().Write(r.Context(), msg); err != nil {
				return err
			}
		}
		return nil
	}, &wsstream.AcceptOptions{PingInterval: interval, PongTimeout: timeout})
}

package gorilla

import (
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// KeptAlive is an echo that pings, and cuts a client that does not answer. It has to read all the
// time, or it sees no pongs.
func KeptAlive(interval, timeout time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		alive := func(string) error { return conn.SetReadDeadline(time.Now().Add(timeout)) }
		conn.SetPongHandler(alive)
		alive("")
		done := make(chan struct{})
		defer close(done)
		go func() {
			ticker := time.NewTicker(interval)
			defer ticker.Stop()
			for {
				select {
				case <-ticker.C:
					conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(timeout))
				case <-done:
					return
				}
			}
		}()
		for {
			typ, data, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if err := conn.WriteMessage(typ, data); err != nil {
				return
			}
		}
	}
}

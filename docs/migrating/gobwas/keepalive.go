package gobwas

import (
	"net/http"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// KeptAlive is an echo that pings, and cuts a client that sends nothing.
func KeptAlive(interval, timeout time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		defer conn.Close()
		done := make(chan struct{})
		defer close(done)
		go func() {
			ticker := time.NewTicker(interval)
			defer ticker.Stop()
			for {
				select {
				case <-ticker.C:
					conn.Write(ws.CompiledPing) // one Write, or it may land inside a frame
				case <-done:
					return
				}
			}
		}()
		for {
			conn.SetReadDeadline(time.Now().Add(timeout))
			msgs, err := wsutil.ReadClientMessage(conn, nil) // pongs too
			if err != nil {
				return
			}
			for _, m := range msgs {
				if m.OpCode.IsControl() {
					err = wsutil.HandleClientControlMessage(conn, m)
				} else {
					err = wsutil.WriteServerMessage(conn, m.OpCode, m.Payload)
				}
				if err != nil {
					return
				}
			}
		}
	}
}

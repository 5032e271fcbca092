package coder

import (
	"context"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// KeptAlive is an echo that pings, and cuts a client that does not answer. It has to read all the
// time, or it sees no pongs.
func KeptAlive(interval, timeout time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() {
			ticker := time.NewTicker(interval)
			defer ticker.Stop()
			for {
				select {
				case <-ticker.C:
					if err := ping(ctx, conn, timeout); err != nil {
						cancel()
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}()
		for {
			typ, data, err := conn.Read(ctx)
			if err != nil {
				return
			}
			if err := conn.Write(ctx, typ, data); err != nil {
				return
			}
		}
	}
}

func ping(ctx context.Context, conn *websocket.Conn, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return conn.Ping(ctx)
}

package gws

import (
	"net/http"
	"time"

	"github.com/lxzan/gws"
)

// alive is an echo with a deadline, which each pong moves.
type alive struct {
	echo
	interval, timeout time.Duration
}

func (a alive) OnOpen(conn *gws.Conn) {
	a.OnPong(conn, nil)
	go func() {
		ticker := time.NewTicker(a.interval)
		defer ticker.Stop()
		for range ticker.C {
			if conn.WritePing(nil) != nil {
				return // the connection has ended
			}
		}
	}()
}

func (a alive) OnPong(conn *gws.Conn, _ []byte) {
	_ = conn.SetReadDeadline(time.Now().Add(a.timeout))
}

// KeptAlive is an echo that pings, and cuts a client that does not answer.
func KeptAlive(interval, timeout time.Duration) http.HandlerFunc {
	upgrader := gws.NewUpgrader(alive{interval: interval, timeout: timeout}, nil)
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		conn.ReadLoop()
	}
}

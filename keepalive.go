package wsstream

import "time"

// keepalive are the options that watch over a connection, with the defaults filled in.
type keepalive struct {
	pingInterval      time.Duration // 0 or less: none, as for all
	pongTimeout       time.Duration
	idleTimeout       time.Duration
	writeStallTimeout time.Duration
	readStallTimeout  time.Duration

	onPing, onPong func(payload []byte)
}

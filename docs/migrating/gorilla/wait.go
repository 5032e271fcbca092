package gorilla

import (
	"context"
	"time"

	"github.com/gorilla/websocket"
)

// Wait waits for a message, for patience at a time, and returns how often it looked. After the
// first deadline that passes every read fails. So there is no second look: a program has to dial
// again.
func Wait(
	ctx context.Context, url string, patience time.Duration,
) (msg string, tries int, err error) {
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
	if err != nil {
		return "", 0, err
	}
	defer conn.Close()
	for range 2 {
		tries++
		conn.SetReadDeadline(time.Now().Add(patience))
		_, data, readErr := conn.ReadMessage()
		if err = readErr; err == nil {
			return string(data), tries, nil
		}
	}
	return "", tries, err
}

package coder

import (
	"context"
	"time"

	"github.com/coder/websocket"
)

// Wait waits for a message, for patience at a time, and returns how often it looked. The first
// context that ends closes the connection. So there is no second look: a program has to dial again.
func Wait(
	ctx context.Context, url string, patience time.Duration,
) (msg string, tries int, err error) {
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return "", 0, err
	}
	defer conn.CloseNow()
	for range 2 {
		tries++
		try, cancel := context.WithTimeout(ctx, patience)
		_, data, readErr := conn.Read(try)
		cancel()
		if err = readErr; err == nil {
			return string(data), tries, nil
		}
	}
	return "", tries, err
}

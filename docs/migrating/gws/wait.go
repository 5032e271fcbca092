package gws

import (
	"context"
	"time"

	"github.com/lxzan/gws"
)

// Wait waits for a message, for patience at a time, and returns how often it looked. The first
// deadline that passes ends ReadLoop and the connection. So there is no second look: a program has
// to dial again.
func Wait(
	_ context.Context, url string, patience time.Duration,
) (msg string, tries int, err error) {
	a := newAnswers()
	conn, _, err := gws.NewClient(a, &gws.ClientOption{Addr: url})
	if err != nil {
		return "", 0, err
	}
	defer conn.NetConn().Close()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", 0, err
	}
	go conn.ReadLoop()
	text, ok := <-a.texts
	if !ok {
		return "", 1, <-a.ended
	}
	return text, 1, nil
}

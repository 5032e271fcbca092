package ours

import (
	"context"
	"time"

	"github.com/wsstream/wsstream"
)

// Wait waits for a message, for patience at a time, and returns how often it looked.
func Wait(
	ctx context.Context, url string, patience time.Duration,
) (msg string, tries int, err error) {
	conn := wsstream.Dial(ctx, url, nil)
	defer conn.CloseNow()
	for {
		tries++
		try, cancel := context.WithTimeout(ctx, patience)
		m, err := conn.Readable().Pull(try)
		timedOut := try.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil {
			return string(m.Data), tries, conn.Shutdown(ctx, wsstream.CloseInfo{Code: 1000})
		}
		if !timedOut {
			return "", tries, err
		}
		// do something else, and look again
	}
}

package gobwas

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/gobwas/ws/wsutil"
)

// Wait waits for a message, for patience at a time, and returns how often it looked. A deadline
// that passes between two messages does no harm. A deadline that passes inside a frame loses the
// bytes that were read of it, and the next look parses garbage.
func Wait(
	ctx context.Context, url string, patience time.Duration,
) (msg string, tries int, err error) {
	conn, err := dial(ctx, url)
	if err != nil {
		return "", 0, err
	}
	defer conn.Close()
	for {
		tries++
		conn.SetReadDeadline(time.Now().Add(patience))
		data, _, err := wsutil.ReadServerData(conn)
		if err == nil {
			return string(data), tries, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return "", tries, err
		}
	}
}

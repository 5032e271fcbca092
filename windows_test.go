package wsstream_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// The rule of docs/windows.md. The transport holds what comes in the first 10 ms, while nobody reads yet.
func TestAReaderMayPauseForAsLongAsItsWindowHoldsWhatComes(t *testing.T) {
	const messages, size = 1000, 1000 // a message a millisecond: 1 MB/s
	const pause = 50 * time.Millisecond
	for name, c := range map[string]struct {
		window int
		stalls bool
	}{
		"rate x pause fits":         {64 << 10, false},
		"rate x pause does not fit": {16 << 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, config{ReadWindow: c.window, Limit: 16 << 10}, func(t *testing.T, e *end) {
				start := time.Now()
				e.far.(*memnet.Conn).Drip(size, time.Millisecond)
				sent := goDo(func() (m wsstream.Message, err error) {
					for range messages {
						if err := e.peer.Write(wstest.Binary(make([]byte, size-8))); err != nil { // 8 bytes of header at most
							return m, err
						}
					}
					return m, nil
				})
				for n := range messages {
					if n%50 == 0 {
						<-time.After(pause)
					}
					e.pull(t)
				}
				require.NoError(t, (<-sent).err)
				line := messages * time.Millisecond
				if c.stalls {
					require.NotZero(t, e.conn.Stats().Received.Stalled)
					require.Greater(t, time.Since(start), line+line/5)
				} else {
					require.Zero(t, e.conn.Stats().Received.Stalled)
					require.Less(t, time.Since(start), line+line/5, "the line was never idle")
				}
			})
		})
	}
}

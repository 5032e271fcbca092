package battery

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/trial"
)

// The headings of what the battery notes.
const (
	Closes    = "closes"
	InFlood   = "messages before the end"
	FloodTo   = "flood to it"
	FloodFrom = "flood from it"
	Deflate   = "compression"
)

const (
	piece = 32 << 10 // bytes of a message of a flood
	count = 1024     // messages of a flood: 32 MiB
	pause = 3 * time.Second
)

// Swallowed is the note of a side that took the whole flood while nothing read.
const Swallowed = "none: swallowed 32 MiB"

func numbered(i int) wsstream.Message {
	b := make([]byte, piece)
	binary.BigEndian.PutUint32(b, uint32(i))
	return wsstream.Binary(b)
}

// floodTo writes a flood to a peer that reads nothing for three seconds. A tenth of a second before
// it reads again, what was written until then is what stalled the flood.
func (b *battery) floodTo(t *trial.T) {
	l := b.open(t, Options{})
	l.order("sink %d", pause.Milliseconds())
	ctx, cancel := limited(t, pause-pause/10)
	defer cancel()
	stalled, err := write(ctx, l.Conn, 0)
	if err != nil {
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	_, err = write(t.Context(), l.Conn, stalled)
	require.NoError(t, err)
	l.order("sunk")
	answer := l.answer()
	t.Note(FloodTo, "%s", bound(stalled))
	require.Equal(t, fmt.Sprintf("!sunk %d", count), answer)
}

// floodFrom reads nothing from a peer that floods for three seconds.
func (b *battery) floodFrom(t *trial.T) {
	l := b.open(t, Options{})
	l.order("flood %d %d", count, piece)
	ctx, cancel := limited(t, pause)
	defer cancel()
	<-ctx.Done() // the peer sends meanwhile: this is what is measured
	stalled := l.peer.Sent(l.since)
	held := l.Stats().Received.HeldMax
	for i := range count {
		m := l.pull()
		if i == 0 && string(m.Data) == "!no" {
			t.Cannot()
		}
		require.Len(t, m.Data, piece)
		require.EqualValues(t, i, binary.BigEndian.Uint32(m.Data))
	}
	require.Equal(t, "!flooded", l.answer())
	t.Note(FloodFrom, "%s", bound(stalled))
	require.LessOrEqual(t, held, int64(64<<10), "ReadWindow")
}

func bound(messages int) string {
	if messages >= count {
		return Swallowed
	}
	return trial.Bytes(int64(messages) * piece)
}

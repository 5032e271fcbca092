package battery

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
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

	moving = 16 // messages: a side that takes as many after Early is slow, and does not stall

	// Early is the first part of a flood's pause.
	Early = pause * 2 / 3
)

// Swallowed is the note of a side that took the whole flood while nothing read.
const Swallowed = "none: swallowed 32 MiB"

// numbered returns message i of a flood.
func numbered(i int) wsstream.Message {
	b := make([]byte, piece)
	binary.BigEndian.PutUint32(b, uint32(i))
	return wsstream.Binary(b)
}

// numberedText returns message i of a flood to a peer that gets texts alone.
func numberedText(i int) wsstream.Message {
	return wsstream.Text(fmt.Sprintf("%04d", i) + strings.Repeat(".", piece-4))
}

func (b *battery) numbered() func(i int) wsstream.Message {
	if b.settings.TextFloods {
		return numberedText
	}
	return numbered
}

// floodTo writes a flood to a peer that reads nothing for three seconds. A tenth of a second before
// it reads again, what was written until then is what stalled the flood.
func (b *battery) floodTo(t *trial.T) {
	l := b.open(t, Options{})
	l.order("sink %d", pause.Milliseconds())
	began := time.Now()
	ctx, cancel := limited(t, pause-pause/10)
	defer cancel()
	early, cancelEarly := limited(t, Early)
	defer cancelEarly()
	before, err := write(early, l.Conn, 0, b.numbered())
	stalled, room := before, l.Writable().DesiredSize()
	if err != nil {
		require.ErrorIs(t, err, context.DeadlineExceeded)
		stalled, err = write(ctx, l.Conn, before, b.numbered())
	}
	if err != nil {
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	if stalled < count && stalled-before < moving {
		held(t, l.Conn, began)
		if b.settings.Waits { // a kernel may take what waits at one of two moments, and not at both
			require.LessOrEqual(t, min(room, l.Writable().DesiredSize()), 0, "there is room")
		}
	}
	_, err = write(t.Context(), l.Conn, stalled, b.numbered())
	require.NoError(t, err)
	// The window and the message that exceeds it, with its header.
	require.LessOrEqual(t, l.Stats().Sent.HeldMax, int64(64<<10+piece+16), "WriteWindow")
	l.order("sunk")
	answer := l.answer()
	b.stall(t, FloodTo, before, stalled)
	require.Equal(t, fmt.Sprintf("!sunk %d", count), answer)
}

// held wants the figures of a connection whose peer has stopped a flood that began at a time.
func held(t *trial.T, conn *wsstream.Conn, began time.Time) {
	stalled := conn.Stats().Sent.Stalled
	require.Greater(t, stalled, pause/10, "Stalled")
	require.Less(t, stalled, time.Since(began), "Stalled")
}

// floodFrom reads nothing from a peer that floods for three seconds.
func (b *battery) floodFrom(t *trial.T) {
	l := b.open(t, Options{})
	l.order("flood %d %d", count, piece)
	early, cancelEarly := limited(t, Early)
	defer cancelEarly()
	ctx, cancel := limited(t, pause)
	defer cancel()
	<-early.Done() // the peer sends meanwhile: this is what is measured
	before := l.peer.Sent(l.since)
	<-ctx.Done()
	stalled := l.peer.Sent(l.since)
	received := l.Stats().Received
	number := b.numbered()
	for i := range count {
		m := l.pull()
		if i == 0 && string(m.Data) == "!no" {
			t.Cannot()
		}
		require.Len(t, m.Data, piece)
		require.Equal(t, number(i).Data[:4], m.Data[:4])
	}
	require.Equal(t, "!flooded", l.answer())
	b.stall(t, FloodFrom, before, stalled)
	require.LessOrEqual(t, received.HeldMax, int64(64<<10), "ReadWindow")
	if received.Held > 64<<10-piece { // some peers queue all before they send
		require.Positive(t, received.Stalled, "Stalled: nothing pulled, and the window was full")
	}
}

// stall notes how many messages a side had taken when it stalled. A peer that waits must stall.
func (b *battery) stall(t *trial.T, what string, before, messages int) {
	t.Note(what, "%s", Stall(before, messages))
	if b.settings.Waits {
		require.Less(t, messages, count, "nothing held the flood back")
	}
}

// Stall says how many messages a side had taken when it stalled. before is their number after
// Early.
func Stall(before, messages int) string {
	if messages < count && messages-before >= moving {
		return fmt.Sprintf("none: %s in %s, and more", trial.Bytes(int64(messages)*piece), pause)
	}
	return bound(messages)
}

func bound(messages int) string {
	if messages >= count {
		return Swallowed
	}
	return trial.Bytes(int64(messages) * piece)
}

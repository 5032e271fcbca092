package battery

import (
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/trial"
)

func (b *battery) compression(t *trial.T) {
	b.deflate(t, &wsstream.CompressionOptions{WindowBits: 15, PeerWindowBits: 15}, b.settings.Agreed.Takeover)
}

func (b *battery) noTakeover(t *trial.T) {
	b.deflate(t, &wsstream.CompressionOptions{
		WindowBits:            15,
		PeerWindowBits:        15,
		NoContextTakeover:     true,
		PeerNoContextTakeover: true,
	}, b.settings.Agreed.NoTakeover)
}

func (b *battery) smallWindows(t *trial.T) {
	b.deflate(t, &wsstream.CompressionOptions{WindowBits: 9, PeerWindowBits: 9}, b.settings.Agreed.Small)
}

// deflate exchanges texts that repeat what earlier ones said, between messages that do not
// compress. A peer that agrees to nothing exchanges them as they are.
func (b *battery) deflate(t *trial.T, c *wsstream.CompressionOptions, agreed string) {
	if b.settings.CompressAll {
		c.Threshold = -1
	}
	l := b.open(t, Options{Compression: c})
	opened, err := l.Opened().Wait(t.Context())
	require.NoError(t, err)
	if agreed != "" {
		require.Equal(t, agreed, opened.Extensions)
	}
	long := wsstream.Text(strings.Repeat(jsonText(7), 1000))
	l.echo(long)
	if opened.Extensions != "" {
		t.Note(Deflate, "%s", opened.Extensions)
		require.Less(t, l.Stats().Sent.HeldMax, int64(len(long.Data)/2), "compressed")
	}
	for i := range 50 {
		l.echo(wsstream.Text(jsonText(i)))
	}
	l.echo(wsstream.Binary(noise(70_000)))
	l.echo(wsstream.Text(jsonText(8)))
	if opened.Extensions == "" {
		t.Cannot()
	}
}

package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// halfWay is a meter of a transfer that has come half way.
func halfWay() *meter {
	m := &meter{size: 12_000_000}
	m.watch("sender", func() wsstream.Flow { return wsstream.Flow{Bytes: 7_000_000, Held: 64_000} })
	m.watch("receiver", func() wsstream.Flow { return wsstream.Flow{Bytes: 6_000_000, Held: 32_000} })
	return m
}

func TestWithoutATerminalProgressIsALineEveryOtherSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		stop := halfWay().start(&out)
		time.Sleep(5 * time.Second) //nolint:forbidigo // on the bubble's clock
		stop()
		require.Equal(t, " 50 %, 6.0 MB, 3.0 MB/s, held by sender  64 kB, receiver  32 kB\n"+
			" 50 %, 6.0 MB, 1.5 MB/s, held by sender  64 kB, receiver  32 kB\n", out.String())
	})
}

func TestProgressIsSilentUntilThereIsAConnection(t *testing.T) {
	require.Empty(t, new(meter).state().Text)
}

func TestAllProgressFits80Columns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{size: 1_000_000_000_000}
		most := wsstream.Flow{Bytes: 999_000_000_000, Held: 999_000}
		m.watch("sender", func() wsstream.Flow { return most })
		m.watch("receiver", func() wsstream.Flow { return most })
		time.Sleep(2 * time.Second) //nolint:forbidigo // on the bubble's clock
		require.LessOrEqual(t, len(strings.Join(m.state().Text, ", ")), 80-23)
	})
}

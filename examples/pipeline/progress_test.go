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
		require.Equal(t, " 6.0 MB, 3.0 MB/s; held by sender  64 kB, receiver  32 kB\n"+
			" 6.0 MB, 1.5 MB/s; held by sender  64 kB, receiver  32 kB\n", out.String())
	})
}

func TestProgressIsSilentUntilThereIsAConnection(t *testing.T) {
	var m meter
	var out strings.Builder
	m.line(&out)(false)
	show := m.bar(&out)
	show(false)
	show(true)
	require.Empty(t, out.String())
}

func TestOnATerminalProgressIsABar(t *testing.T) {
	for name, size := range map[string]int64{"size known": 12_000_000, "size unknown": 0, "size wrong": 10} {
		t.Run(name, func(t *testing.T) {
			m := halfWay()
			m.size = size
			var out strings.Builder
			show := m.bar(&out)
			show(false)
			show(true)
			require.Contains(t, out.String(), "held by sender  64 kB, receiver  32 kB")
			if size > 10 {
				require.Contains(t, out.String(), " 50% ")
			}
			require.True(t, strings.HasSuffix(out.String(), "\n"), "what follows has its own line")
		})
	}
}

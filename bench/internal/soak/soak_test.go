package soak

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSoakAccountsForAllMessagesAndEnds(t *testing.T) {
	l := simulate(t, Config{For: time.Minute, Conns: 40, Restarts: 2, Seed: 1}, nil)
	require.Zero(t, l.Broken, sprint(l))
	require.Greater(t, ended(l), 100)
	require.Positive(t, l.Ends[Outcome{ActShutdown, goes, goes}])
	require.Positive(t, l.Ends[Outcome{ActClose, normal, normal}])
	require.Positive(t, l.Ends[Outcome{ActReset, lost, lost}])
	require.Positive(t, l.Failed["the server does not listen: the server is restarted"])
	require.Positive(t, l.Retried)
	require.Positive(t, l.Stalled)
	require.Greater(t, len(l.Back), 40)
	require.Greater(t, l.Received, uint64(500))
	require.Equal(t, l.Sent, l.Received+l.Lost)
}

func TestSoakFindsWhatATransportDoesToMessages(t *testing.T) {
	var kept []byte
	for name, tc := range map[string]struct {
		says   string
		mangle func(n int, frame []byte) []byte
	}{
		"nothing": {"", func(_ int, f []byte) []byte { return f }},
		"lost": {"message 3 came, in place of message 2", func(n int, f []byte) []byte {
			if n == 2 {
				return nil
			}
			return f
		}},
		"lost at the end": {"messages and a clean end", func(n int, f []byte) []byte {
			if n > 2 {
				return nil
			}
			return f
		}},
		"duplicated": {"message 2 came again", func(n int, f []byte) []byte {
			if n == 2 {
				return append(f, f...)
			}
			return f
		}},
		"swapped": {"message 3 came, in place of message 2", func(n int, f []byte) []byte {
			switch n {
			case 2:
				kept = f
				return nil
			case 3:
				return append(f, kept...)
			}
			return f
		}},
		"truncated": {"bytes of", func(n int, f []byte) []byte {
			if n == 2 {
				return shorter(f)
			}
			return f
		}},
		"changed": {"wrong checksum", func(n int, f []byte) []byte {
			if n == 2 {
				f[len(f)-1] ^= 1
			}
			return f
		}},
	} {
		t.Run(name, func(t *testing.T) {
			// one client at a time, whose messages are not compressed
			l := simulate(t, Config{For: time.Minute, Conns: 1, Seed: 3}, func(nc net.Conn) net.Conn {
				return &mangler{Conn: nc, mangle: tc.mangle}
			})
			if tc.says == "" {
				require.Zero(t, l.Broken, sprint(l))
				return
			}
			requireFault(t, l, tc.says)
		})
	}
}

func TestSoakFindsAnEndThatNoActExplains(t *testing.T) {
	l := simulate(t, Config{For: 30 * time.Second, Conns: 4, Seed: 4}, func(nc net.Conn) net.Conn {
		time.AfterFunc(5*time.Second, func() { reset(nc) })
		return nc
	})
	requireFault(t, l, `the acts [] do not explain it`)
}

func TestSoakFindsAHandshakeThatFailsWhileTheServerIsUp(t *testing.T) {
	l := simulate(t, Config{For: 10 * time.Second, Conns: 4, Seed: 5}, func(nc net.Conn) net.Conn {
		reset(nc)
		return nc
	})
	requireFault(t, l, "the handshake failed, and no act explains it")
}

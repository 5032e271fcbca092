//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

func TestOurPingsAreAnsweredByPeersWhoseProgramsReadNothing(t *testing.T) {
	for name, connect := range map[string]func(t *testing.T) *wsstream.Conn{
		"a page with WebSocketStream": func(t *testing.T) *wsstream.Conn {
			s := serve(t, nil)
			open(t, s.page()).run(t, closers["WebSocketStream"].open)
			return s.accepted(t)
		},
		"a page with WebSocket": func(t *testing.T) *wsstream.Conn {
			s := serve(t, nil)
			open(t, s.page()).run(t, `self.ws = new WebSocket(url)`)
			return s.accepted(t)
		},
		"ws as a client": func(t *testing.T) *wsstream.Conn {
			s := serve(t, nil)
			node(t, `new WebSocket('`+s.ws()+`', { perMessageDeflate: false })`)
			return s.accepted(t)
		},
		"undici": func(t *testing.T) *wsstream.Conn {
			s := serve(t, nil)
			node(t, `new undici.WebSocket('`+s.ws()+`')`)
			return s.accepted(t)
		},
		"ws as a server": func(t *testing.T) *wsstream.Conn {
			return wsstream.Dial(patient(t), said[string](t, node(t, `await accepted(await listen())`)), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := connect(t)
			t.Cleanup(conn.CloseNow)
			for range 3 {
				rtt, err := conn.Ping(patient(t))
				require.NoError(t, err)
				require.Greater(t, rtt, time.Duration(0))
			}
			write(t, conn, wsstream.Text("unread"))
			_, err := conn.Ping(patient(t))
			require.NoError(t, err)
		})
	}
}

func TestKeepaliveKeepsAQuietPageThroughAProxyThatCutsWhoIsSilent(t *testing.T) {
	pongs := make(chan string, 1000)
	backend := serve(t, &wsstream.AcceptOptions{
		PingInterval: 200 * time.Millisecond,
		PongTimeout:  10 * time.Second,
		OnPong:       func(payload []byte) { pongs <- string(payload) },
	})
	s := proxied(t, backend, with(t, documented(t), "proxy_read_timeout", "proxy_read_timeout 2s;"))
	p := open(t, s.page())
	p.run(t, openStream)
	conn := s.accepted(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	_, err := conn.Readable().Pull(ctx)
	require.Equal(t, context.DeadlineExceeded, err)
	require.GreaterOrEqual(t, len(pongs), 3)
	p.run(t, `await writer.write('still here')`)
	require.Equal(t, "still here", string(pull(t, conn).Data))
}

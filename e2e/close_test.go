//go:build e2e

package e2e

import (
	"strconv"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// closers is how a page closes, and learns of the end, in its two ways.
var closers = map[string]struct{ open, end string }{
	"WebSocketStream": {`self.ws = new WebSocketStream(url); await ws.opened;`,
		`return await end(ws.closed)`},
	"WebSocket": {`self.ws = classic(url); await ws.opened;`, `return await ws.end`},
}

func TestAPageThatLeavesIsSeen(t *testing.T) {
	for name, client := range closers {
		for how, leave := range map[string]func(t *testing.T, s *site, p *tab){
			"it goes to another page": func(t *testing.T, s *site, p *tab) { p.visit(t, s.page()) },
			"its tab is closed":       func(_ *testing.T, _ *site, p *tab) { p.close() },
			"its process crashes": func(_ *testing.T, _ *site, p *tab) {
				// the page cannot answer: the call ends with the tab
				go chromedp.Call(p.ctx, page.Crash, cdp.Empty{})
			},
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				s := serve(t, nil)
				p := open(t, s.page())
				p.run(t, client.open)
				conn := s.accepted(t)
				leave(t, s, p)
				wantEnd(t, conn, 1001)
				info, err := conn.Closed().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, 1001, info.Code)
			})
		}
	}
}

func TestThePagesLastMessagesComeBeforeItsEnd(t *testing.T) {
	s := serve(t, nil)
	p := open(t, s.page())
	p.run(t, closers["WebSocket"].open+`for (let i = 0; i < 100; i++) ws.send('' + i); ws.close(4000, 'all sent')`)
	conn := s.accepted(t)
	n := 0
	for m, err := range conn.Readable().All(patient(t)) {
		if err != nil {
			break
		}
		require.Equal(t, strconv.Itoa(n), string(m.Data))
		n++
	}
	require.Equal(t, 100, n)
	wantEnd(t, conn, 4000)
	info, err := conn.Closed().Wait(patient(t))
	require.NoError(t, err)
	require.Equal(t, wsstream.CloseInfo{Code: 4000, Reason: "all sent"}, info)
}

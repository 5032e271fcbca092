//go:build e2e

package e2e

import (
	"strconv"
	"strings"
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

func TestAPagesCloseIsOurEndAndItsAnswerIsThePagesEnd(t *testing.T) {
	long := strings.Repeat("é", 61) + "x" // 123 bytes
	for _, c := range []struct {
		stream, classic string
		want            wsstream.CloseInfo
	}{
		{`{ closeCode: 1000 }`, `1000`, wsstream.CloseInfo{Code: 1000}},
		{`{ closeCode: 1000, reason: 'done' }`, `1000, 'done'`,
			wsstream.CloseInfo{Code: 1000, Reason: "done"}},
		{`{ closeCode: 3000, reason: '水 😀' }`, `3000, '水 😀'`,
			wsstream.CloseInfo{Code: 3000, Reason: "水 😀"}},
		{`{ closeCode: 4999, reason: '` + long + `' }`, `4999, '` + long + `'`,
			wsstream.CloseInfo{Code: 4999, Reason: long}},
		{`{ reason: 'only a reason' }`, `1000, 'only a reason'`,
			wsstream.CloseInfo{Code: 1000, Reason: "only a reason"}},
		{``, ``, wsstream.CloseInfo{Code: 1005}},
	} {
		for name, arg := range map[string]string{"WebSocketStream": c.stream, "WebSocket": c.classic} {
			t.Run(name+"/"+arg, func(t *testing.T) {
				s := serve(t, nil)
				p := open(t, s.page())
				p.run(t, closers[name].open)
				conn := s.accepted(t)
				p.run(t, `ws.close(`+arg+`)`)
				info, err := conn.Closed().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, c.want, info)
				got := eval[ended](t, p, closers[name].end)
				require.True(t, got.Clean)
				require.Equal(t, c.want.Code, got.Code, "we answer with the same code")
			})
		}
	}
}

func TestOurCloseIsThePagesEndAndItsAnswerIsOurs(t *testing.T) {
	for _, c := range []struct{ send, want wsstream.CloseInfo }{
		{wsstream.CloseInfo{Code: 1000}, wsstream.CloseInfo{Code: 1000}},
		{wsstream.CloseInfo{Code: 1001, Reason: "the server stops"},
			wsstream.CloseInfo{Code: 1001, Reason: "the server stops"}},
		{wsstream.CloseInfo{Code: 1011}, wsstream.CloseInfo{Code: 1011}},
		{wsstream.CloseInfo{Code: 1012, Reason: "again"},
			wsstream.CloseInfo{Code: 1012, Reason: "again"}},
		{wsstream.CloseInfo{Code: 1014}, wsstream.CloseInfo{Code: 1014}},
		{wsstream.CloseInfo{Code: 3000, Reason: "水 😀"}, wsstream.CloseInfo{Code: 3000, Reason: "水 😀"}},
		{wsstream.CloseInfo{Code: 4999}, wsstream.CloseInfo{Code: 4999}},
		{wsstream.CloseInfo{Reason: "only a reason"},
			wsstream.CloseInfo{Code: 1000, Reason: "only a reason"}},
		{wsstream.CloseInfo{}, wsstream.CloseInfo{Code: 1005}},
	} {
		for name, client := range closers {
			t.Run(name+"/"+c.send.String(), func(t *testing.T) {
				s := serve(t, nil)
				p := open(t, s.page())
				p.run(t, client.open)
				conn := s.accepted(t)
				require.NoError(t, conn.Shutdown(patient(t), c.send))
				require.Equal(t, ended{Code: c.want.Code, Reason: c.want.Reason, Clean: true},
					eval[ended](t, p, client.end))
				info, err := conn.Closed().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, c.want.Code, info.Code, "Chromium answers with the same code")
			})
		}
	}
}

func TestACutConnectionIsUncleanAndWithoutACodeForThePage(t *testing.T) {
	for name, client := range closers {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil)
			p := open(t, s.page())
			p.run(t, client.open)
			s.accepted(t).CloseNow()
			got := eval[ended](t, p, client.end)
			require.False(t, got.Clean)
			require.Equal(t, 1006, got.Code)
		})
	}
}

func TestAPageIsToldWhichOfOurLimitsItBroke(t *testing.T) {
	for name, client := range closers {
		t.Run(name, func(t *testing.T) {
			s := serve(t, &wsstream.AcceptOptions{MaxMessageSize: 1000})
			p := open(t, s.page())
			p.run(t, client.open)
			conn := s.accepted(t)
			if name == "WebSocket" {
				p.run(t, `ws.send(binary(1001))`)
			} else {
				p.run(t, `(await ws.opened).writable.getWriter().write(binary(1001))`)
			}
			_, err := conn.Readable().Pull(patient(t))
			require.ErrorContains(t, err, "MaxMessageSize")
			got := eval[ended](t, p, client.end)
			require.Equal(t, 1009, got.Code)
		})
	}
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

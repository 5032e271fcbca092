//go:build e2e

package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

func TestOpenedSaysTheSameToThePageAndToUs(t *testing.T) {
	for _, c := range []struct {
		name     string
		offered  string // by the page
		spoken   []string
		protocol string
	}{
		{"no subprotocol", `[]`, nil, ""},
		{"none wanted", `[]`, []string{"v2"}, ""},
		{"the one", `["v2"]`, []string{"v1", "v2"}, "v2"},
		{"the first that the page names", `["v3", "v2", "v1"]`, []string{"v1", "v2"}, "v2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, &wsstream.AcceptOptions{Subprotocols: c.spoken})
			p := open(t, s.page())
			type opened struct{ Protocol, Extensions, URL, Streams string }
			got := eval[opened](t, p, `
				self.wss = new WebSocketStream(url, { protocols: `+c.offered+` });
				const { protocol, extensions, readable, writable } = await wss.opened;
				const streams = readable.constructor.name + ' ' + writable.constructor.name;
				return { protocol, extensions, url: wss.url, streams }`)
			require.Equal(t, opened{c.protocol, "", s.ws(), "ReadableStream WritableStream"}, got)

			conn := s.accepted(t)
			ours, err := conn.Opened().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, c.protocol, ours.Protocol)
			require.Empty(t, ours.Extensions)
			require.Equal(t, s.ws(), conn.URL())
			require.Equal(t, s.URL, ours.Header.Get("Origin"))
		})
	}
}

func TestAPageThatSpeaksNoneOfOurSubprotocolsDoesNotOpen(t *testing.T) {
	s := serve(t, &wsstream.AcceptOptions{Subprotocols: []string{"v1"}})
	p := open(t, s.page())
	require.Equal(t, "WebSocketError", eval[ended](t, p,
		`return await end(new WebSocketStream(url, { protocols: ['v9'] }).opened)`).Error)
	// 101 without a subprotocol, which Chromium does not take
	_, err := s.accepted(t).Closed().Wait(patient(t))
	require.Equal(t, 1006, wsstream.CloseCode(err))
}

func TestAPageOfAnotherOriginIsRefusedUnlessOriginsNamesIt(t *testing.T) {
	other := serve(t, nil)
	p := open(t, other.page())
	open := func(s *site) string {
		return `const wss = new WebSocketStream('` + s.ws() + `'); return await end(wss.opened)`
	}

	s := serve(t, nil)
	require.Equal(t, "WebSocketError", eval[ended](t, p, open(s)).Error)
	err := s.refusal(t)
	var refused *wsstream.HandshakeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusForbidden, refused.Status)
	require.ErrorContains(t, err, other.URL)

	named := serve(t, &wsstream.AcceptOptions{Origins: []string{other.URL}})
	require.Empty(t, eval[ended](t, p, open(named)).Error)
	named.accepted(t)

	pattern := serve(t, &wsstream.AcceptOptions{Origins: []string{"127.0.0.1:*"}})
	require.Empty(t, eval[ended](t, p, open(pattern)).Error)
	pattern.accepted(t)
}

func TestASignalThatHasEndedIsNoConnection(t *testing.T) {
	s := serve(t, nil)
	p := open(t, s.page())
	require.Equal(t, "AbortError", eval[ended](t, p, `
		const wss = new WebSocketStream(url, { signal: AbortSignal.abort() });
		return await end(wss.opened)`).Error)
	require.Empty(t, eval[ended](t, p, `return await end(new WebSocketStream(url).opened)`).Error)
	s.accepted(t)
	require.Empty(t, s.conns, "the first one never came")
	require.Empty(t, s.refused)
}

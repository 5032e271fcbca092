package wsstream_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// badOptions are those that Dial and Accept share, and what their errors name.
var badOptions = map[string]wsstream.DialOptions{
	"ReadWindow is 1":                        {ReadWindow: 1},
	"ReadWindow is 255":                      {ReadWindow: 255},
	"WriteWindow is 1":                       {WriteWindow: 1},
	"WriteWindow is 255":                     {WriteWindow: 255},
	`Subprotocols: "a b"`:                    {Subprotocols: []string{"a b"}},
	`Subprotocols: "A" appears twice`:        {Subprotocols: []string{"a", "A"}},
	"Header: the field Upgrade":              {Header: http.Header{"Upgrade": {"x"}}},
	"Header: the field Sec-Websocket-Accept": {Header: http.Header{"sec-websocket-accept": {"x"}}},
	`Header: ""`:                             {Header: http.Header{"": {"x"}}},
	`Header: "X Y"`:                          {Header: http.Header{"X Y": {"x"}}},
	`Header: "X\r\nY"`:                       {Header: http.Header{"X\r\nY": {"x"}}},
	`Header: "X:"`:                           {Header: http.Header{"X:": {"x"}}},
	"Header: the value of X-Cr":              {Header: http.Header{"X-Cr": {"a\rb"}}},
	"Header: the value of X-Lf":              {Header: http.Header{"X-Lf": {"fine", "a\nUpgrade: b"}}},
	"Header: the value of X-Nul":             {Header: http.Header{"X-Nul": {"\x00"}}},
	"Header: the value of X-Del":             {Header: http.Header{"X-Del": {"\x7f"}}},
}

// TestOptionsThatAreBadFailDial: the error is a plain one, and nothing is dialled.
func TestOptionsThatAreBadFailDial(t *testing.T) {
	for says, o := range badOptions {
		t.Run(says, func(t *testing.T) {
			var d dialled
			o.NetDial = d.dial
			conn := wsstream.Dial(t.Context(), "ws://example.test/", &o)
			err := notOpened(t, conn)
			requirePlain(t, err)
			require.ErrorContains(t, err, says)
			_, pulled := conn.Readable().Pull(t.Context())
			require.Equal(t, err, pulled)
			require.Equal(t, err, conn.Writable().Write(t.Context(), wsstream.Text("x")))
			require.Zero(t, d.calls.Load())
		})
	}
}

// badAccept returns the bad options as a server's, and those that only it has.
func badAccept() map[string]wsstream.AcceptOptions {
	all := map[string]wsstream.AcceptOptions{
		`Origins: "["`:                   {Origins: []string{"fine.test", "["}},
		`"https://app.test/" has a path`: {Origins: []string{"https://app.test/"}},
		`"app.test/*" has a path`:        {Origins: []string{"app.test/*"}},
		"an empty pattern":               {Origins: []string{""}},
	}
	for says, o := range badOptions {
		all[says] = wsstream.AcceptOptions{
			ReadWindow:   o.ReadWindow,
			WriteWindow:  o.WriteWindow,
			Subprotocols: o.Subprotocols,
			Header:       o.Header,
		}
	}
	return all
}

// TestOptionsThatAreBadAnswer500: the error is a plain one, and the client is not told more.
func TestOptionsThatAreBadAnswer500(t *testing.T) {
	for says, o := range badAccept() {
		t.Run(says, func(t *testing.T) {
			w := httptest.NewRecorder()
			_, err := wsstream.Accept(w, httptest.NewRequest(http.MethodGet, "/", nil), &o)
			requirePlain(t, err)
			require.ErrorContains(t, err, says)
			require.Equal(t, http.StatusInternalServerError, w.Code)
			require.NotContains(t, w.Body.String(), says, "that is not the client's business")
		})
	}
}

// TestOptionsThatAreBadFailAcceptConn: the error is a plain one, and nothing is read.
func TestOptionsThatAreBadFailAcceptConn(t *testing.T) {
	for says, o := range badAccept() {
		t.Run(says, func(t *testing.T) {
			near, far := memnet.Pipe(0)
			defer far.Close()
			_, err := wsstream.AcceptConn(t.Context(), near, &o)
			requirePlain(t, err)
			require.ErrorContains(t, err, says)
			require.True(t, near.Closed())
		})
	}
}

func TestOptionsAreCopied(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		release := make(chan struct{})
		o := &wsstream.DialOptions{
			Subprotocols: []string{"a", "b"},
			Header:       http.Header{"X-Mine": {"before"}},
			WriteWindow:  1000,
			TLSConfig:    &tls.Config{},
			NetDial: func(context.Context, string, string) (net.Conn, error) {
				<-release
				return near, nil
			},
		}
		conn := wsstream.Dial(t.Context(), "ws://example.test/", o)
		defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
		o.Subprotocols[0] = "changed"
		o.Header.Set("X-Mine", "after")
		o.Header.Set("X-New", "after")
		o.WriteWindow, o.NetDial, o.TLSConfig.ServerName = 1, nil, "after"
		close(release)
		req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake("Sec-WebSocket-Protocol: a")
		require.Equal(t, "a, b", req.Header.Get("Sec-WebSocket-Protocol"))
		require.Equal(t, "before", req.Header.Get("X-Mine"))
		require.Empty(t, req.Header.Get("X-New"))
		_, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
		require.Equal(t, 1000, conn.Writable().DesiredSize())
	})
}

func TestOptionsTLSConfigIsCopied(t *testing.T) {
	srv := httptest.NewTLSServer(greet)
	defer srv.Close()
	config := &tls.Config{RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	wait := make(chan struct{})
	conn := wsstream.Dial(t.Context(), srv.URL, &wsstream.DialOptions{
		TLSConfig: config,
		NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			<-wait
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	})
	defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
	config.RootCAs, config.ServerName = nil, "elsewhere.test"
	close(wait)
	_, err := conn.Opened().Wait(patient(t))
	require.NoError(t, err)
	require.Empty(t, config.NextProtos)
}

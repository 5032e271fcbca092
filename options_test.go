package wsstream_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

var quiet = log.New(io.Discard, "", 0)

// badOptions are those that Dial and Accept share, and what their errors name.
var badOptions = map[string]wsstream.DialOptions{
	"ReadWindow is 1":                        {ReadWindow: 1},
	"ReadWindow is 255":                      {ReadWindow: 255},
	"WriteWindow is 1":                       {WriteWindow: 1},
	"WriteWindow is 255":                     {WriteWindow: 255},
	`Subprotocols: "a b"`:                    {Subprotocols: []string{"a b"}},
	`Subprotocols: "A" stands twice`:         {Subprotocols: []string{"a", "A"}},
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

func TestABadOptionOfDialIsAPlainErrorAndNothingIsDialled(t *testing.T) {
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
		all[says] = wsstream.AcceptOptions{ReadWindow: o.ReadWindow, WriteWindow: o.WriteWindow, Subprotocols: o.Subprotocols, Header: o.Header}
	}
	return all
}

func TestABadOptionOfAcceptIsAPlainErrorAnswered500(t *testing.T) {
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

func TestABadOptionOfAcceptConnIsAPlainErrorAndNothingIsRead(t *testing.T) {
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

func TestTheSmallestWindowsAreEnough(t *testing.T) {
	onEveryPath(t, config{ReadWindow: 256, WriteWindow: 256}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Binary(make([]byte, 10_000)))
		require.Len(t, e.pull(t), 10_000)
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, 10_000))))
		require.Len(t, readMessage(t, e), 10_000)
	})
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
		req := wstest.NewPeer(t, far, false).ServeHandshake("Sec-WebSocket-Protocol: a")
		require.Equal(t, "a, b", req.Header.Get("Sec-WebSocket-Protocol"))
		require.Equal(t, "before", req.Header.Get("X-Mine"))
		require.Empty(t, req.Header.Get("X-New"))
		_, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
		require.Equal(t, 1000, conn.Writable().DesiredSize())
	})
}

func TestTheTLSConfigIsCopiedWhenDialIsCalled(t *testing.T) {
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

func TestTheHeaderOfAcceptIsSentWithTheResponse(t *testing.T) {
	onEveryService(t, &wsstream.AcceptOptions{Header: http.Header{"Set-Cookie": {"a=b", "c=d"}}}, func(t *testing.T, s service) {
		res, err := s.ask(t, wstest.UpgradeRequest("/"))
		require.NoError(t, err)
		require.Equal(t, []string{"a=b", "c=d"}, res.Header.Values("Set-Cookie"))
	})
}

func TestReadWindowBoundsWhatIsHeldAndANegativeOneDoesNot(t *testing.T) {
	for name, tc := range map[string]struct{ window, most int }{
		"default":  {0, 64 << 10},
		"set":      {1000, 1000},
		"negative": {-1, 200_000},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, config{ReadWindow: tc.window, Limit: 1 << 20}, func(t *testing.T, e *end) {
				require.NoError(t, e.peer.Write(wstest.Binary(make([]byte, 199_000)), wstest.Binary(nil)))
				<-time.After(time.Minute)
				held := e.conn.Stats().Received.Held
				require.LessOrEqual(t, held, int64(tc.most))
				require.Greater(t, held, int64(tc.most)*9/10, "all that there is credit for is read")
			})
		})
	}
}

func TestWriteWindowIsDesiredSize(t *testing.T) {
	for name, tc := range map[string]struct{ window, size int }{
		"default":  {0, 64 << 10},
		"set":      {1000, 1000},
		"negative": {-1, math.MaxInt},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{WriteWindow: tc.window}, func(t *testing.T, e *end) {
				require.Equal(t, tc.size, e.conn.Writable().DesiredSize())
			})
			var d dialled
			conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{WriteWindow: tc.window, NetDial: d.dial})
			notOpened(t, conn)
			require.Zero(t, conn.Writable().DesiredSize())
		})
	}
}

func TestMaxMessageSizeBoundsWhatAPullAssembles(t *testing.T) {
	for name, tc := range map[string]struct{ limit, fits int }{
		"default": {0, 1 << 20},
		"set":     {1000, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{MaxMessageSize: tc.limit}, func(t *testing.T, e *end) {
				sent := make(chan error, 1)
				go func() {
					sent <- e.peer.Write(wstest.Binary(make([]byte, tc.fits)), wstest.Binary(make([]byte, tc.fits+1)))
				}()
				require.Len(t, e.pull(t), tc.fits)
				pulled := goPull(t, e)
				e.peer.WantClose("one byte more is too big", 1009)
				require.NoError(t, <-sent)
				e.peer.Close()
				require.ErrorContains(t, (<-pulled).err, "MaxMessageSize")
			})
		})
	}
}

func TestANegativeMaxMessageSizeIsNone(t *testing.T) {
	onEveryPath(t, config{MaxMessageSize: -1}, func(t *testing.T, e *end) {
		go func() { _ = e.peer.Write(wstest.Binary(make([]byte, 3<<20))) }()
		require.Len(t, e.pull(t), 3<<20)
	})
}

func TestMaxFrameSizeCutsMessages(t *testing.T) {
	for name, tc := range map[string]struct {
		limit  int
		frames []int // of a message of 150,000 bytes
	}{
		"default":  {0, []int{65536, 65536, 18928}},
		"set":      {100_000, []int{100_000, 50_000}},
		"negative": {-1, []int{150_000}},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{MaxFrameSize: tc.limit}, func(t *testing.T, e *end) {
				wrote := goWrite(t, e, wsstream.Binary(make([]byte, 150_000)))
				for i, want := range tc.frames {
					f, err := e.peer.Next()
					require.NoError(t, err)
					require.Len(t, f.Payload, want)
					require.Equal(t, i == len(tc.frames)-1, f.Fin)
				}
				require.NoError(t, (<-wrote).err)
			})
		})
	}
}

func TestHandshakeTimeoutOfDialAndAccept(t *testing.T) {
	for name, tc := range map[string]struct{ timeout, want time.Duration }{
		"default": {0, 10 * time.Second},
		"set":     {20 * time.Second, 20 * time.Second}, // less than patient's
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				defer far.Close()
				start := time.Now()
				notOpened(t, dialOver(t, near, &wsstream.DialOptions{HandshakeTimeout: tc.timeout}))
				require.Equal(t, tc.want, time.Since(start))

				near, far = memnet.Pipe(0)
				go func() {
					_, _ = io.Copy(io.Discard, far)
					_ = far.Close() // or the refusal waits a second for that
				}()
				start = time.Now()
				_, err := wsstream.AcceptConn(t.Context(), near, &wsstream.AcceptOptions{HandshakeTimeout: tc.timeout})
				require.Error(t, err)
				require.Equal(t, tc.want, time.Since(start))
			})
		})
	}
}

func TestANegativeHandshakeTimeoutIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := [2]*memnet.Conn{}
		d[0], d[1] = memnet.Pipe(0)
		d[0].Drip(1, time.Minute)
		d[1].Drip(1, time.Minute)
		start := time.Now()
		client := dialOver(t, d[0], &wsstream.DialOptions{HandshakeTimeout: -1})
		server, err := wsstream.AcceptConn(t.Context(), d[1], &wsstream.AcceptOptions{HandshakeTimeout: -1})
		require.NoError(t, err)
		defer func() { server.CloseNow(); <-server.Closed().Done() }()
		_, err = client.Opened().Wait(t.Context())
		require.NoError(t, err)
		require.Greater(t, time.Since(start), time.Hour)
	})
}

func TestCloseTimeoutBoundsTheClosing(t *testing.T) {
	for name, tc := range map[string]struct{ timeout, want time.Duration }{
		"default":  {0, 5 * time.Second},
		"set":      {time.Minute, time.Minute},
		"negative": {-1, 24 * time.Hour}, // when the peer answers after all
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, config{CloseTimeout: tc.timeout}, func(t *testing.T, e *end) {
				start := time.Now()
				late := time.AfterFunc(24*time.Hour, func() { _ = e.peer.Write(wstest.Close(1000, "")); e.peer.Close() })
				defer late.Stop()
				require.NoError(t, e.conn.Close(wsstream.CloseInfo{}))
				_, err := e.conn.Closed().Wait(t.Context())
				require.Equal(t, tc.timeout < 0, err == nil, "%v", err)
				require.Equal(t, tc.want, time.Since(start))
			})
		})
	}
}

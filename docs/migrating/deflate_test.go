package migrating

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	coderws "github.com/coder/websocket"
	gorillaws "github.com/gorilla/websocket"
	gwsws "github.com/lxzan/gws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// jsonText is JSON text of about n bytes, of its own for each seed.
func jsonText(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 77))
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"name":"user-%d","price":%.2f},`,
			r.Uint32(), r.IntN(1000), r.Float64()*100)
	}
	return b.String()
}

// texts are what is said to an echo: empty, short, like the one before, longer than all windows.
func texts() []string {
	small, large := jsonText(1, 1000), jsonText(2, 200_000)
	return []string{"", "short", small, small, large, strings.Repeat("é", 50_000), large, "end"}
}

// options are ours, for each side.
var options = map[string]*wsstream.CompressionOptions{
	"defaults":      {Threshold: -1},
	"15 bits":       {Threshold: -1, WindowBits: 15},
	"own contexts":  {Threshold: -1, NoContextTakeover: true, PeerNoContextTakeover: true},
	"our own alone": {Threshold: -1, NoContextTakeover: true},
}

// compressing are the other libraries' echo servers.
var compressing = map[string]http.HandlerFunc{
	"gorilla": func(w http.ResponseWriter, r *http.Request) {
		up := gorillaws.Upgrader{EnableCompression: true}
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			kind, p, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, p) != nil {
				return
			}
		}
	},
	"coder, takeover": coderEcho(coderws.CompressionContextTakeover),
	"coder":           coderEcho(coderws.CompressionNoContextTakeover),
	"gws, takeover": gwsEcho(gwsws.PermessageDeflate{
		Enabled: true, Threshold: 1,
		ServerContextTakeover: true, ServerMaxWindowBits: 12,
		ClientContextTakeover: true, ClientMaxWindowBits: 12,
	}),
	"gws": gwsEcho(gwsws.PermessageDeflate{Enabled: true, Threshold: 1}),
}

func coderEcho(mode coderws.CompressionMode) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		o := &coderws.AcceptOptions{CompressionMode: mode, CompressionThreshold: 1}
		c, err := coderws.Accept(w, r, o)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for {
			kind, p, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, p) != nil {
				return
			}
		}
	}
}

type gwsHandler struct{ gwsws.BuiltinEventHandler }

func (gwsHandler) OnMessage(c *gwsws.Conn, m *gwsws.Message) {
	defer m.Close()
	_ = c.WriteMessage(m.Opcode, m.Bytes())
}

func (gwsHandler) OnPing(c *gwsws.Conn, p []byte) { _ = c.WritePong(p) }

func gwsEcho(pd gwsws.PermessageDeflate) http.HandlerFunc {
	up := gwsws.NewUpgrader(gwsHandler{}, &gwsws.ServerOption{PermessageDeflate: pd})
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r)
		if err == nil {
			c.ReadLoop()
		}
	}
}

func TestOurClientCompressesWithEveryServer(t *testing.T) {
	for server, h := range compressing {
		for name, o := range options {
			t.Run(server+"/"+name, func(t *testing.T) {
				conn := wsstream.Dial(t.Context(), serve(t, h), &wsstream.DialOptions{Compression: o})
				defer conn.CloseNow()
				opened, err := conn.Opened().Wait(t.Context())
				require.NoError(t, err)
				require.Contains(t, opened.Extensions, "permessage-deflate")
				for i, s := range texts() {
					require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text(s)))
					m, err := conn.Readable().Pull(t.Context())
					require.NoError(t, err, "message %d", i)
					require.Equal(t, s, string(m.Data), "message %d", i)
				}
				_ = conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000})
			})
		}
	}
}

func TestEveryClientCompressesWithOurServer(t *testing.T) {
	for name, o := range options {
		h := func(w http.ResponseWriter, r *http.Request) {
			conn, err := wsstream.Accept(w, r, &wsstream.AcceptOptions{Compression: o})
			if err != nil {
				return
			}
			defer conn.CloseNow()
			opened, _, _ := conn.Opened().Peek()
			if opened.Extensions == "" {
				return // the echo that does not come fails the test
			}
			for m, err := range conn.Readable().All(context.Background()) {
				if err != nil || conn.Writable().Write(context.Background(), m) != nil {
					return
				}
			}
		}
		for client, echo := range map[string]func(t *testing.T, url string, s []string) []string{
			"gorilla":         gorillaSays,
			"coder":           coderSays(coderws.CompressionNoContextTakeover),
			"coder, takeover": coderSays(coderws.CompressionContextTakeover),
			"gws":             gwsSays,
		} {
			t.Run(client+"/"+name, func(t *testing.T) {
				require.Equal(t, texts(), echo(t, serve(t, http.HandlerFunc(h)), texts()))
			})
		}
	}
}

func gorillaSays(t *testing.T, url string, texts []string) (got []string) {
	d := gorillaws.Dialer{EnableCompression: true}
	c, resp, err := d.Dial(url, nil)
	require.NoError(t, err)
	defer c.Close()
	require.Contains(t, resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
	for _, s := range texts {
		require.NoError(t, c.WriteMessage(gorillaws.TextMessage, []byte(s)))
		_, p, err := c.ReadMessage()
		require.NoError(t, err)
		got = append(got, string(p))
	}
	return got
}

func coderSays(
	mode coderws.CompressionMode,
) func(t *testing.T, url string, texts []string) []string {
	return func(t *testing.T, url string, texts []string) (got []string) {
		o := &coderws.DialOptions{CompressionMode: mode, CompressionThreshold: 1}
		c, resp, err := coderws.Dial(t.Context(), url, o)
		require.NoError(t, err)
		defer c.CloseNow()
		require.Contains(t, resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
		c.SetReadLimit(-1)
		for _, s := range texts {
			require.NoError(t, c.Write(t.Context(), coderws.MessageText, []byte(s)))
			_, p, err := c.Read(t.Context())
			require.NoError(t, err)
			got = append(got, string(p))
		}
		return got
	}
}

type gwsCollector struct {
	gwsws.BuiltinEventHandler
	got chan string
}

func (g gwsCollector) OnMessage(_ *gwsws.Conn, m *gwsws.Message) {
	defer m.Close()
	g.got <- m.Data.String()
}

func (g gwsCollector) OnClose(*gwsws.Conn, error) { close(g.got) }

func gwsSays(t *testing.T, url string, texts []string) (got []string) {
	in := gwsCollector{got: make(chan string, len(texts))}
	c, resp, err := gwsws.NewClient(in, &gwsws.ClientOption{
		Addr: url,
		PermessageDeflate: gwsws.PermessageDeflate{
			Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true, Threshold: 1,
		},
	})
	require.NoError(t, err)
	require.Contains(t, resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
	go c.ReadLoop()
	for _, s := range texts {
		require.NoError(t, c.WriteMessage(gwsws.OpcodeText, []byte(s)))
		got = append(got, <-in.got)
	}
	_ = c.NetConn().Close()
	for range in.got { // until the loop has ended
	}
	return got
}

//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

//go:embed page.js
var pageJS string

// A site is an HTTP server with a page at /feed/ and WebSockets at /feed/ws.
type site struct {
	URL     string
	conns   chan *wsstream.Conn
	refused chan error
}

// serve starts a site. The Conns that it accepts are the test's: see accepted.
func serve(t *testing.T, o *wsstream.AcceptOptions) *site {
	s := &site{conns: make(chan *wsstream.Conn, 16), refused: make(chan error, 16)}
	mux := http.NewServeMux()
	mux.HandleFunc("/feed/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!doctype html><title>e2e</title><link rel=icon href=data:,><script>"+pageJS+
			"const url = location.href.replace(/^http/, 'ws') + 'ws';</script>")
	})
	mux.HandleFunc("/feed/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := wsstream.Accept(w, r, o)
		if err != nil {
			s.refused <- err
			return
		}
		s.conns <- conn
	})
	server := httptest.NewUnstartedServer(mux)
	server.Config.ConnState = func(nc net.Conn, state http.ConnState) {
		if state == http.StateNew { // small, so that stalls are seen soon
			nc.(*net.TCPConn).SetReadBuffer(64 << 10)
			nc.(*net.TCPConn).SetWriteBuffer(64 << 10)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// page is the address of the site's page.
func (s *site) page() string { return s.URL + "/feed/" }

// ws is the address of the site's WebSockets.
func (s *site) ws() string { return strings.Replace(s.URL, "http", "ws", 1) + "/feed/ws" }

// accepted waits for the next Conn. The end of the test cuts it.
func (s *site) accepted(t *testing.T) *wsstream.Conn {
	t.Helper()
	select {
	case conn := <-s.conns:
		t.Cleanup(conn.CloseNow)
		return conn
	case err := <-s.refused:
		require.NoError(t, err)
	case <-patient(t).Done():
		require.Fail(t, "nobody came")
	}
	return nil
}

// refusal waits for a handshake that failed.
func (s *site) refusal(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.refused:
		return err
	case conn := <-s.conns:
		conn.CloseNow()
		require.Fail(t, "it was let in")
	case <-patient(t).Done():
		require.Fail(t, "nobody came")
	}
	return nil
}

// patient returns the context of what must come.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// patiently is a test whose context is patient's.
type patiently struct{ *testing.T }

func (p patiently) Context() context.Context { return patient(p.T) }

// A note describes a message as both sides can compare it; page.js has its twin.
type note struct {
	Text bool   `json:"text"`
	Size int    `json:"size"`
	Sum  string `json:"sum"` // sha256
}

// An ended is how a connection ended for a browser or for Node: the values of WebSocketStream's
// closed, or of the event of WebSocket's onclose.
type ended struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
	Clean  bool   `json:"clean"`
	Error  string `json:"error"` // the name of what closed rejected with
}

func pull(t *testing.T, conn *wsstream.Conn) wsstream.Message {
	t.Helper()
	m, err := conn.Readable().Pull(patient(t))
	require.NoError(t, err)
	return m
}

func write(t *testing.T, conn *wsstream.Conn, m wsstream.Message) {
	t.Helper()
	require.NoError(t, conn.Writable().Write(patient(t), m))
}

// readNote reads a message to its end and describes it.
func readNote(m *wsstream.MessageReader) (note, error) {
	h := sha256.New()
	n, err := io.Copy(h, m)
	return note{m.Type() == wsstream.TypeText, int(n), hex.EncodeToString(h.Sum(nil))}, err
}

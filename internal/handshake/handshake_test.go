package handshake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A guest is an Owner that notes what it is told.
type guest struct {
	url     string
	refused error // of Admit
	ended   bool  // before the answer
}

func (g *guest) Requested(url string)    { g.url = url }
func (g *guest) Admit() error            { return g.refused }
func (g *guest) Answering(_ func()) bool { return !g.ended }

// clientOf returns a Client of ws://example.test/x whose NetDial returns nc.
func clientOf(t *testing.T, nc net.Conn) *Client {
	u, _, err := ParseURL("ws://example.test/x")
	require.NoError(t, err)
	return &Client{
		URL:  u,
		Host: u.Host,
		NetDial: func(context.Context, string, string) (net.Conn, error) {
			return nc, nil
		},
	}
}

func TestHandshakeOfBothSidesAgrees(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := clientOf(t, near)
	c.Subprotocols = []string{"a", "b"}
	c.Deflate = &deflate.Config{Bits: 15, PeerBits: 12}
	s := &Server{
		Subprotocols: []string{"b"},
		Deflate:      &deflate.Config{Bits: 12, PeerBits: 10},
	}
	type result struct {
		*Transport
		err error
	}
	accepted := make(chan result, 1)
	g := new(guest)
	go func() {
		t, err := s.AcceptConn(context.Background(), far, g)
		accepted <- result{t, err}
	}()
	dialled, err := c.Dial(t.Context())
	require.NoError(t, err)
	server := <-accepted
	require.NoError(t, server.err)
	require.Equal(t, "ws://example.test/x", g.url)
	require.Equal(t, "b", dialled.Agreed.Protocol)
	require.Equal(t, "b", server.Agreed.Protocol)
	require.Equal(t, dialled.Agreed.Extensions, server.Agreed.Extensions)
	require.Equal(t, dialled.Agreed.Deflate.Ours, server.Agreed.Deflate.Peer)
	require.Equal(t, dialled.Agreed.Deflate.Peer, server.Agreed.Deflate.Ours)
	require.Equal(t, "a, b", server.Agreed.Header.Get("Sec-WebSocket-Protocol"))
	require.Equal(t, "websocket", dialled.Agreed.Header.Get("Upgrade"))
	require.Empty(t, dialled.Buffered)
	require.Empty(t, server.Buffered)
}

func TestDialReturnsTheInputBehindTheResponse(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	go func() {
		r, _, _, err := readRequest(far, 0)
		if err == nil {
			_, _ = io.WriteString(far, "HTTP/1.1 101 Switching Protocols\r\n"+
				"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
				AcceptKey(r.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\nframes")
		}
	}()
	got, err := clientOf(t, near).Dial(t.Context())
	require.NoError(t, err)
	require.Equal(t, "frames", string(got.Buffered))
}

// TestRequestsShareNoBytes: memory that is used again shows nothing of the request before.
func TestRequestsShareNoBytes(t *testing.T) {
	long := strings.Repeat("x", 3<<10)
	for i, header := range []string{"A: " + long, "B: b", "C: " + long, "D: d"} {
		near, far := net.Pipe()
		go func() {
			_, _ = io.WriteString(near, "GET / HTTP/1.1\r\nHost: h\r\n"+header+"\r\n\r\nrest")
			_ = near.Close()
		}()
		r, rest, no, err := readRequest(far, 0)
		require.NoError(t, err)
		require.Nil(t, no)
		name, value, _ := strings.Cut(header, ": ")
		require.Equal(t, http.Header{name: {value}}, r.Header, "request %d", i)
		body, err := io.ReadAll(io.MultiReader(bytes.NewReader(rest), far))
		require.NoError(t, err)
		require.Equal(t, "rest", string(body))
		body, err = io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Empty(t, body)
	}
}

func TestRefusalIsAFailureOnBothSides(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	refused := make(chan error, 1)
	go func() {
		g := &guest{refused: errors.New("full")}
		_, err := new(Server).AcceptConn(context.Background(), far, g)
		refused <- err
	}()
	_, err := clientOf(t, near).Dial(t.Context())
	client := err.(*Failure)
	require.Equal(t, http.StatusServiceUnavailable, client.Status)
	require.Contains(t, string(client.Body), "full")
	require.EqualError(t, err, "the server did not switch to WebSocket")
	require.NoError(t, near.Close()) // the server waits for that
	server := (<-refused).(*Failure)
	require.Equal(t, http.StatusServiceUnavailable, server.Status)
	require.EqualError(t, server, "full")
}

func TestProxyThatCannotBeReachedIsAProxyFailure(t *testing.T) {
	c := clientOf(t, nil)
	c.Proxy = func(*http.Request) (*url.URL, error) {
		return url.Parse("http://user:secret@proxy.test")
	}
	_, err := c.Dial(t.Context())
	p, ok := err.(*Failure).Err.(*ProxyFailure)
	require.True(t, ok)
	require.Equal(t, "http://proxy.test", p.Proxy)
	require.Equal(t, errNoConn, p.Err)
	require.EqualError(t, err, errNoConn.Error())
}

func TestAcceptConnEndsWithAnOwnerThatHasEnded(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	r := clientOf(t, near).request(newKey())
	go func() { _ = r.Write(near) }()
	_, err := new(Server).AcceptConn(t.Context(), far, &guest{ended: true})
	require.EqualError(t, err, errAbandoned.Error())
}

// The client takes nothing of the response.
func TestAcceptConnEndsWithTheTimeoutWhileItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		r := clientOf(t, near).request(newKey())
		go func() { _ = r.Write(near) }()
		_, err := (&Server{Timeout: time.Second}).AcceptConn(t.Context(), far, new(guest))
		require.Equal(t, &Failure{Err: ErrTimeout}, err)
	})
}

func TestAcceptConnEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		cause := errors.New("no longer")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		_, err := (&Server{Timeout: time.Minute}).AcceptConn(ctx, far, new(guest))
		require.Equal(t, cause, err)
	})
}

// A takenOver is a ResponseWriter whose connection is nc.
type takenOver struct {
	*httptest.ResponseRecorder
	nc net.Conn
}

func (w takenOver) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.nc, bufio.NewReadWriter(bufio.NewReader(w.nc), bufio.NewWriter(w.nc)), nil
}

func TestAcceptWithoutTimeoutClearsTheDeadlineOfTheHTTPServer(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	require.NoError(t, far.SetDeadline(time.Unix(1, 0)))
	go func() { _, _ = io.Copy(io.Discard, near) }()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, values := range clientOf(t, nil).request(newKey()).Header {
		r.Header.Set(name, values[0])
	}
	_, err := new(Server).Accept(takenOver{httptest.NewRecorder(), far}, r, new(guest))
	require.NoError(t, err)
}

func TestReadRequestRefusesAHeaderWithoutEnd(t *testing.T) {
	for sent, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a": "malformed header: it has no end",
		"GET":                       "malformed header: it has no end",
	} {
		near, far := net.Pipe()
		go func() {
			_, _ = io.WriteString(near, sent)
			_ = near.Close()
		}()
		_, _, no, err := readRequest(far, 0)
		require.NoError(t, err)
		require.Equal(t, http.StatusBadRequest, no.status)
		require.EqualError(t, no.err, want)
	}
}

func TestRedactedErrorsShowWholeURLsWithoutCredentials(t *testing.T) {
	for text, want := range map[string]string{
		`parse "http://proxy.test:x/": invalid port ":x"`: `parse "…": invalid port "…"`,
		`Get "http://proxy.test:80/a": refused`:           `Get "http://proxy.test:80/a": refused`,
		`Get "http://user:pass@proxy.test/a": refused`:    `…proxy.test/a": refused`,
		`no URL "here"`: `no URL "…"`,
	} {
		require.Equal(t, want, redactText(text))
	}
	require.Equal(t, "http://proxy.test", Redact("http://u:p@proxy.test"))
}

// AcceptConn once took the host in the URL of such a request for its Host.
func TestAcceptConnRefusesARequestWhoseURLAloneHasAHost(t *testing.T) {
	const fields = " HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	for request, status := range map[string]string{
		"GET http://example.test/" + fields: "400",
		"GET /" + fields:                    "400",
		"GET http://example.test/" + fields + "hOST: example.test\r\n": "101",
	} {
		nc := newPlayed([]byte(request+"\r\n"), nil)
		_, err := new(Server).AcceptConn(t.Context(), nc, new(guest))
		require.Equal(t, status == "101", err == nil, request)
		require.Contains(t, nc.out.String(), "HTTP/1.1 "+status)
	}
}

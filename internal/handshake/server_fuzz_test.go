package handshake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A handed is a listener with one connection.
type handed struct{ conns chan net.Conn }

func hand(nc net.Conn) *handed {
	h := &handed{make(chan net.Conn, 1)}
	h.conns <- nc
	close(h.conns)
	return h
}

func (h *handed) Accept() (net.Conn, error) {
	if nc, ok := <-h.conns; ok {
		return nc, nil
	}
	return nil, net.ErrClosed
}

func (h *handed) Close() error   { return nil }
func (h *handed) Addr() net.Addr { return &net.TCPAddr{} }

// serveHTTP answers the request on nc as a handler of net/http does.
func serveHTTP(s *Server, nc net.Conn) (t *Transport) {
	ended := make(chan struct{})
	srv := http.Server{
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close") // what follows is not another request
			if t, _ = s.Accept(w, r, new(guest)); t != nil {
				close(ended)
			}
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(ended)
			}
		},
	}
	_ = srv.Serve(hand(nc))
	<-ended
	return t
}

// apart is a line of which a server may make what it likes. AcceptConn refuses one that goes on
// with another, and net/http an Expect that it does not know.
//
// RFC 9112, section 5.2; RFC 9110, section 10.1.1.
var apart = regexp.MustCompile(`(?i)\n([ \t]|expect:)`)

var aKey = regexp.MustCompile(`^[A-Za-z0-9+/]{22}==$`)

// asks reports whether a request is a client's handshake.
//
// RFC 6455, section 4.2.1.
func asks(r *http.Request) bool {
	h := r.Header
	key, version, origin := h["Sec-Websocket-Key"], h["Sec-Websocket-Version"], h["Origin"]
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor >= 1 && r.Host != "" &&
		lists(h, "Connection", "upgrade") && lists(h, "Upgrade", "websocket") &&
		len(key) == 1 && aKey.MatchString(key[0]) &&
		slices.Equal(version, []string{"13"}) &&
		(len(origin) == 0 || len(origin) == 1 && (origin[0] == "" || naiveOrigin(origin[0], r.Host))) &&
		r.ContentLength == 0 && r.TransferEncoding == nil
}

// lists reports whether a field lists a word.
func lists(h http.Header, field, word string) bool {
	isWord := func(s string) bool { return strings.Trim(s, " \t") == word }
	return slices.ContainsFunc(strings.Split(lower(strings.Join(h[field], ",")), ","), isWord)
}

// FuzzRequest sends a server any bytes, cut as cuts say. A request that it takes is a handshake. On
// a bare connection it takes a request if net/http and a handler do, and answers with the same
// response.
func FuzzRequest(f *testing.F) {
	f.Fuzz(func(t *testing.T, request string, cuts []byte, compress bool) {
		if strings.Count(request, "\n") >= maxHeaderLines {
			return
		}
		s := &Server{Subprotocols: []string{"a", "b"}}
		if compress {
			s.Deflate = &deflate.Config{Bits: 12, PeerBits: 10}
		}
		nc, other := newPlayed([]byte(request), cuts), newPlayed([]byte(request), cuts)
		bare, err := s.AcceptConn(context.Background(), nc, new(guest))
		served := serveHTTP(s, other)
		if !apart.MatchString(request) {
			require.Equal(t, served != nil, err == nil, "%v; %s", err, other.out.String())
		}
		if err == nil && served != nil {
			require.Equal(t, other.out.String(), nc.out.String())
			require.Equal(t, other.rest(served.Buffered), nc.rest(bare.Buffered))
			require.Equal(t, served.Agreed, bare.Agreed)
		}
		asked, readErr := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
		if err == nil {
			require.NoError(t, readErr)
			require.True(t, asks(asked))
			return
		}
		_, failed := errors.AsType[*Failure](err)
		require.True(t, failed)
		if nc.out.Len() == 0 {
			require.Empty(t, request)
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(nc.out.Bytes())), nil)
		require.NoError(t, err)
		require.GreaterOrEqual(t, resp.StatusCode, 400)
		vague := []int{http.StatusBadRequest, http.StatusForbidden} // FuzzOrigin knows origins better
		require.True(t, slices.Contains(vague, resp.StatusCode) || !asks(asked))
		require.True(t, resp.Close)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.EqualValues(t, resp.ContentLength, len(text))
	})
}

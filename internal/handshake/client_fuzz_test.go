package handshake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
)

// ours stands for the Sec-WebSocket-Accept of our key in the responses of fuzz targets.
const ours = "{accept}"

// answered returns a transport that answers our request with response.
func answered(response string, cuts []byte) *played {
	return newAnswer(func(request string) []byte {
		key := fieldOf(request, "Sec-WebSocket-Key")
		return []byte(strings.ReplaceAll(response, ours, AcceptKey(key)))
	}, cuts)
}

// readNaively reads the final response in what came, as net/http does, and returns what follows.
func readNaively(came []byte) (*http.Response, *bufio.Reader, error) {
	br := bufio.NewReader(bytes.NewReader(came))
	for {
		resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodGet})
		if err != nil || resp.StatusCode/100 != 1 ||
			resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, br, err
		}
	}
}

// lower returns s with the upper case letters of ASCII in lower case.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// upgrades reports whether a response is a server's answer to our request.
func upgrades(resp *http.Response, accept string, offered []string, optional, compress bool) bool {
	h := resp.Header
	protocols := h["Sec-Websocket-Protocol"]
	extensions := h["Sec-Websocket-Extensions"]
	if len(extensions) > 0 && !compress {
		if extensions[0] != "" || len(extensions) > 1 {
			return false
		}
	} else if len(extensions) > 1 {
		return false
	} else if len(extensions) == 1 {
		if _, _, err := (deflate.Config{Bits: 15, PeerBits: 15}).Check(extensions); err != nil {
			return false
		}
	}
	return resp.StatusCode == http.StatusSwitchingProtocols &&
		resp.ProtoAtLeast(1, 1) &&
		len(h["Upgrade"]) == 1 && lower(h["Upgrade"][0]) == "websocket" &&
		lists(h, "Connection", "upgrade") &&
		slices.Equal(h["Sec-Websocket-Accept"], []string{accept}) &&
		(len(protocols) == 0 && (optional || len(offered) == 0) ||
			len(protocols) == 1 && slices.Contains(offered, protocols[0]))
}

// FuzzResponse answers a client with any bytes, cut as cuts say. The client must read what net/http
// reads of them, and take a response only if it is an answer to the request.
func FuzzResponse(f *testing.F) {
	f.Fuzz(func(t *testing.T, response string, cuts []byte, offers, optional, compress bool) {
		if strings.Count(response, "\n") > maxHeaderLines {
			return
		}
		nc := answered(response, cuts)
		c := clientOf(t, nc)
		c.SubprotocolOptional = optional
		if offers {
			c.Subprotocols = []string{"a", "b"}
		}
		if compress {
			c.Deflate = &deflate.Config{Bits: 15, PeerBits: 15}
		}
		got, err := c.Dial(context.Background())

		accept := AcceptKey(fieldOf(nc.out.String(), "Sec-WebSocket-Key"))
		came := []byte(strings.ReplaceAll(response, ours, accept))
		want, rest, wantErr := readNaively(came)
		failed, _ := errors.AsType[*Failure](err)
		switch {
		case wantErr != nil:
			require.Error(t, err)
			require.Zero(t, failed.Status)
			require.Nil(t, failed.Header)
		case upgrades(want, accept, c.Subprotocols, optional, compress):
			require.NoError(t, err)
			require.Equal(t, want.Header, got.Agreed.Header)
			require.Equal(t, want.Header.Get("Sec-WebSocket-Protocol"), got.Agreed.Protocol)
			behind, _ := io.ReadAll(rest)
			require.Equal(t, string(behind), nc.rest(got.Buffered))
		default:
			require.Error(t, err)
			require.Equal(t, want.StatusCode, failed.Status)
			require.Equal(t, want.Header, failed.Header)
			body, _ := io.ReadAll(io.LimitReader(want.Body, 1<<10))
			require.True(t, bytes.Equal(body, failed.Body))
		}
	})
}

// FuzzConnect answers a CONNECT with any bytes. The proxy connects only with a response of 2xx.
// What follows belongs to the server, and must not come before we ask for it.
func FuzzConnect(f *testing.F) {
	f.Fuzz(func(t *testing.T, response string, cuts []byte, credentials bool) {
		if strings.Count(response, "\n") > maxHeaderLines {
			return
		}
		nc := answered(response, cuts)
		u := &url.URL{Scheme: "http", Host: "proxy.test"}
		if credentials {
			u.User = url.UserPassword("user", secret)
		}
		err := clientOf(t, nc).ask(nc, u, "example.test:80")
		require.Equal(t, credentials, fieldOf(nc.out.String(), "Proxy-Authorization") != "")

		want, rest, wantErr := readNaively([]byte(response))
		no, _ := errors.AsType[*ProxyFailure](err)
		switch {
		case wantErr != nil:
			require.Error(t, err)
			require.Nil(t, no)
		case want.StatusCode/100 != 2:
			require.NotNil(t, no)
			require.Equal(t, want.StatusCode, no.Status)
			require.Equal(t, want.Header, no.Header)
			body, _ := io.ReadAll(io.LimitReader(want.Body, 1<<10))
			require.True(t, bytes.Equal(body, no.Body))
		case err == nil:
			behind, _ := io.ReadAll(rest)
			require.Equal(t, string(behind), nc.rest(nil), "nothing of the server's is lost")
		default:
			require.Nil(t, no)
			require.NotZero(t, rest.Buffered())
		}
		if err != nil {
			require.NotContains(t, err.Error(), secret)
		}
	})
}

// naiveSOCKS returns how many bytes a SOCKS proxy answers with until it has connected. It returns
// -1 if b is no such answer.
//
// RFC 1928, sections 3 and 6; RFC 1929, section 2.
func naiveSOCKS(b []byte, credentials bool) int {
	at := 0
	take := func(n int) []byte {
		if at+n > len(b) {
			return make([]byte, n) // a version of 0 is none
		}
		at += n
		return b[at-n : at]
	}
	method := take(2)
	switch {
	case method[0] != 5:
		return -1
	case method[1] == 2 && credentials:
		if status := take(2); status[0] != 1 || status[1] != 0 {
			return -1
		}
	case method[1] != 0 && credentials, method[1] == 255:
		return -1 // without credentials package proxy takes any other method for none
	}
	reply := take(4)
	if reply[0] != 5 || reply[1] != 0 || reply[2] != 0 {
		return -1
	}
	size := map[byte]int{1: 4, 4: 16}[reply[3]]
	if reply[3] == 3 {
		if at == len(b) {
			return -1
		}
		size = int(take(1)[0])
	} else if size == 0 {
		return -1
	}
	if at+size+2 > len(b) {
		return -1
	}
	return at + size + 2
}

// FuzzSOCKS answers a client of SOCKS with any bytes. It connects only with the answers of the
// RFCs, and takes no byte behind them.
func FuzzSOCKS(f *testing.F) {
	f.Fuzz(func(t *testing.T, answers, cuts []byte, credentials bool) {
		nc := newPlayed(answers, cuts)
		u := &url.URL{Scheme: "socks5", Host: "proxy.test"}
		if credentials {
			u.User = url.UserPassword("user", secret)
		}
		got, err := clientOf(t, nc).through(context.Background(), u, "example.test:80")
		n := naiveSOCKS(answers, credentials)
		if n < 0 {
			require.Error(t, err)
			require.NotContains(t, err.Error(), secret)
			return
		}
		require.NoError(t, err)
		require.Equal(t, nc, got)
		require.Equal(t, string(answers[n:]), nc.rest(nil))
	})
}

package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestACrowdHearsAllThatIsSaid(t *testing.T) {
	var out, errs bytes.Buffer
	args := strings.Fields("-listen 127.0.0.1:0 -crowd 1000 -rate 10 -for 2s")
	status := run(t.Context(), args, &out, &errs)
	require.Zero(t, status, errs.String())
	require.True(t, strings.HasPrefix(out.String(), "open http://127.0.0.1:"), "to listen to them")
	require.Contains(t, out.String(), "1000 people came in")
	require.Contains(t, out.String(), "things were said")
}

func TestBadArgumentsAreOneLine(t *testing.T) {
	for args, says := range map[string]string{
		"-crowd -1":                 "-crowd",
		"-rate 0":                   "-rate",
		"-for 0s":                   "-for",
		"-listen nowhere:1:2":       "nowhere",
		"more":                      "more",
		"-listen 127.0.0.1:0 -what": "what",
	} {
		t.Run(args, func(t *testing.T) {
			var out, errs bytes.Buffer
			require.Equal(t, 1, run(t.Context(), strings.Fields(args), &out, &errs))
			require.Contains(t, errs.String(), says)
			require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
		})
	}
}

func TestAServerEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	require.Zero(t, run(ctx, []string{"-listen", "127.0.0.1:0"}, &out, &errs), errs.String())
}

// inRoom starts a room, and returns the address of its WebSocket.
func inRoom(t *testing.T) (r *room, url string) {
	r = newRoom()
	server := httptest.NewServer(r.handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = r.close(context.Background()) })
	return r, "ws" + strings.TrimPrefix(server.URL, "http") + "/room"
}

func TestANameIsRequired(t *testing.T) {
	_, url := inRoom(t)
	for _, name := range []string{"", "%20", strings.Repeat("x", longestName+1)} {
		c := wsstream.Dial(t.Context(), url+"?name="+name, nil)
		_, err := c.Readable().Pull(t.Context())
		require.Equal(t, 4000, wsstream.CloseCode(err))
		c.CloseNow()
	}
}

func TestATextThatIsTooLongIsRefused(t *testing.T) {
	_, url := inRoom(t)
	c := wsstream.Dial(t.Context(), url+"?name=ann", nil)
	defer c.CloseNow()
	long := strings.Repeat("x", longestText+1)
	require.NoError(t, c.Writable().Write(t.Context(), wsstream.Text(long)))
	_, err := c.Readable().Pull(t.Context())
	require.Equal(t, 1009, wsstream.CloseCode(err))
}

func TestPeopleWhoLeaveAreNotCounted(t *testing.T) {
	r, url := inRoom(t)
	leaves := wsstream.Dial(t.Context(), url+"?name=ann", nil)
	_, err := leaves.Opened().Wait(t.Context())
	require.NoError(t, err)
	require.NoError(t, leaves.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
	stays := wsstream.Dial(t.Context(), url+"?name=bob", nil)
	defer stays.CloseNow()
	for {
		require.NoError(t, stays.Writable().Write(t.Context(), wsstream.Text("hello")))
		m, err := stays.Readable().Pull(t.Context())
		require.NoError(t, err)
		if strings.Contains(string(m.Data), `"people":1`) {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Equal(t, 1, r.people)
}

func TestThePageIsServed(t *testing.T) {
	r := newRoom()
	w := httptest.NewRecorder()
	r.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Header().Get("Content-Type"), "text/html")
	require.Contains(t, w.Body.String(), "WebSocketStream")
}

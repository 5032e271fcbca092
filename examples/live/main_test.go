package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBadArgumentsAreOneLine(t *testing.T) {
	for args, says := range map[string]string{
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
	require.Contains(t, out.String(), "open http://127.0.0.1:")
}

func TestThePageAndItsPartsAreServed(t *testing.T) {
	h := newSite().handler()
	for path, says := range map[string]string{
		"/":         "Backpressure",
		"/live.js":  "WebSocketStream",
		"/live.css": "prefers-color-scheme",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Body.String(), says)
	}
}

// A visitor is a page of a test's.
type visitor struct {
	t       *testing.T
	url     string
	conn    *wsstream.Conn
	reports stream.Readable[report]
}

func visit(t *testing.T) *visitor {
	s := newSite()
	server := httptest.NewServer(s.handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = s.accept.Shutdown(context.Background()) })
	v := &visitor{t: t, url: "ws" + strings.TrimPrefix(server.URL, "http")}
	v.conn = v.dial("/show")
	v.reports = stream.Decode(v.conn.Readable(), wsstream.JSON[report]())
	return v
}

func (v *visitor) dial(path string) *wsstream.Conn {
	conn := wsstream.Dial(v.t.Context(), v.url+path, nil)
	v.t.Cleanup(conn.CloseNow)
	return conn
}

// until waits for a report that is as wanted.
func (v *visitor) until(wanted func(r report) bool) report {
	for {
		r, err := v.reports.Pull(v.t.Context())
		require.NoError(v.t, err)
		if wanted(r) {
			return r
		}
	}
}

func TestALaneWhoseOtherEndDoesNotReadHoldsAWindow(t *testing.T) {
	v := visit(t)
	id := v.until(func(report) bool { return true }).ID
	v.dial("/flood?show=" + id + "&lane=" + classic)
	var last int64
	r := v.until(func(r report) bool { // the kernel's buffers are full, and no more is sent
		now := r.Lanes[classic].Sent
		full := now > 0 && now == last && r.Lanes[classic].Held > 0
		last = now
		return full
	})
	require.LessOrEqual(t, r.Lanes[classic].Held, int64(wsstream.DefaultWriteWindow+chunk+16))
}

func TestTheClientInGoTakesTheFloodAtTheSpeedOfItsSlider(t *testing.T) {
	v := visit(t)
	sliders := stream.Encode(v.conn.Writable(), wsstream.JSON[control]())
	require.NoError(t, sliders.Write(t.Context(), control{Producer: fastest, Client: 0}))
	before := v.until(func(r report) bool {
		return r.Lanes[goClient].Waiting >= wsstream.DefaultReadWindow
	}).Lanes[goClient].Received
	require.NoError(t, sliders.Write(t.Context(), control{Producer: fastest, Client: fastest}))
	v.until(func(r report) bool { return r.Lanes[goClient].Received > before+1<<20 })
}

func TestAFloodOfNoShowIsRefused(t *testing.T) {
	v := visit(t)
	_, err := v.dial("/flood?show=none&lane=" + classic).Readable().Pull(t.Context())
	require.Equal(t, 4004, wsstream.CloseCode(err))
}

func TestTheFloodEndsWithItsPage(t *testing.T) {
	v := visit(t)
	id := v.until(func(report) bool { return true }).ID
	lane := v.dial("/flood?show=" + id + "&lane=" + streaming)
	_, err := lane.Readable().Pull(t.Context())
	require.NoError(t, err)
	v.conn.CloseNow()
	for err == nil {
		_, err = lane.Readable().Pull(t.Context())
	}
	require.Equal(t, 1001, wsstream.CloseCode(err))
}

func TestASpeedOfZeroWaitsForAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeed(0)
		passed := make(chan error, 1)
		go func() { passed <- s.Wait(t.Context()) }()
		synctest.Wait()
		require.Empty(t, passed)
		s.set(chunk)
		require.NoError(t, <-passed)
		began := time.Now()
		require.NoError(t, s.Wait(t.Context()))
		require.Equal(t, time.Second, time.Since(began).Round(time.Millisecond))
		s.set(0)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Equal(t, context.Canceled, s.Wait(ctx))
	})
}

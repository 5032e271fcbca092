package promws_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/promws"
	"github.com/wsstream/wsstream/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPrometheusReadsTheFiguresOfTheMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var meter wsstream.Meter
		o := &wstest.PairOptions{Accept: &wsstream.AcceptOptions{Meter: &meter, ReadWindow: 256}}
		a, b, c, d := wstest.Pair(t, o), wstest.Pair(t, o), wstest.Pair(t, o), wstest.Pair(t, o)
		require.NoError(t, a.Client.Writable().Write(t.Context(), wsstream.Text("12345")))
		_, err := a.Server.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.NoError(t, a.Server.Writable().Write(t.Context(), wsstream.Text("123")))
		require.NoError(t, b.Server.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
		c.Server.CloseNow()
		require.NoError(t, d.Client.Shutdown(t.Context(), wsstream.CloseInfo{Code: 4002}))
		_, err = wsstream.Accept(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil),
			o.Accept)
		require.Error(t, err)
		// no Pull, so the input is read in the background
		<-time.After(time.Second)
		// 256 with its header
		require.NoError(t, a.Client.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 248))))
		synctest.Wait()
		<-time.After(90 * time.Second)

		registry := prometheus.NewPedanticRegistry()
		require.NoError(t, registry.Register(promws.NewCollector(&meter)))
		require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(strings.TrimSpace(`
# HELP wsstream_connection_held_bytes_max The most bytes that one connection ever held.
# TYPE wsstream_connection_held_bytes_max gauge
wsstream_connection_held_bytes_max{direction="in"} 256
wsstream_connection_held_bytes_max{direction="out"} 5
# HELP wsstream_connections WebSocket connections that are open.
# TYPE wsstream_connections gauge
wsstream_connections 1
# HELP wsstream_connections_closed_total WebSocket connections that have ended, with a closing handshake (clean) or otherwise (unclean), by close code.
# TYPE wsstream_connections_closed_total counter
wsstream_connections_closed_total{code="1000",end="clean"} 1
wsstream_connections_closed_total{code="1006",end="unclean"} 1
wsstream_connections_closed_total{code="4xxx",end="clean"} 1
# HELP wsstream_connections_opened_total WebSocket connections that have opened.
# TYPE wsstream_connections_opened_total counter
wsstream_connections_opened_total 4
# HELP wsstream_handshakes_refused_total WebSocket handshakes that the server refused, by HTTP status.
# TYPE wsstream_handshakes_refused_total counter
wsstream_handshakes_refused_total{status="405"} 1
# HELP wsstream_held_bytes Bytes held by open connections: not pulled (in), or not taken by the transport (out).
# TYPE wsstream_held_bytes gauge
wsstream_held_bytes{direction="in"} 256
wsstream_held_bytes{direction="out"} 0
# HELP wsstream_message_bytes_total Payload of whole messages.
# TYPE wsstream_message_bytes_total counter
wsstream_message_bytes_total{direction="in"} 5
wsstream_message_bytes_total{direction="out"} 3
# HELP wsstream_messages_total Whole messages, pulled (in) or accepted to be sent (out).
# TYPE wsstream_messages_total counter
wsstream_messages_total{direction="in"} 1
wsstream_messages_total{direction="out"} 1
# HELP wsstream_stalled_seconds_total Time without credit, the sum of all connections: the consumer (in) or the peer (out) was slower.
# TYPE wsstream_stalled_seconds_total counter
wsstream_stalled_seconds_total{direction="in"} 90
wsstream_stalled_seconds_total{direction="out"} 0
`)+"\n")))
		problems, err := testutil.GatherAndLint(registry)
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func TestMetersAreToldApartByLabels(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for _, kind := range []string{"feed", "chat"} {
		r := prometheus.WrapRegistererWith(prometheus.Labels{"kind": kind}, registry)
		require.NoError(t, r.Register(promws.NewCollector(new(wsstream.Meter))))
	}
	n, err := testutil.GatherAndCount(registry, "wsstream_connections")
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

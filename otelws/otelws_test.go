package otelws_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/otelws"
	"github.com/wsstream/wsstream/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collect returns what a reader sees, a point a line.
func collect(t *testing.T, reader sdk.Reader) (lines []string) {
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	for _, scope := range all.ScopeMetrics {
		require.Equal(t, otelws.Name, scope.Scope.Name)
		for _, m := range scope.Metrics {
			require.NotEmpty(t, m.Description)
			switch sum := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range sum.DataPoints {
					lines = append(lines, line(m, sum.IsMonotonic, p.Attributes, p.Value))
				}
			case metricdata.Sum[float64]:
				for _, p := range sum.DataPoints {
					lines = append(lines, line(m, sum.IsMonotonic, p.Attributes, p.Value))
				}
			default:
				t.Fatalf("%s is a %T", m.Name, m.Data)
			}
		}
	}
	return lines
}

func line(m metricdata.Metrics, monotonic bool, set attribute.Set, value any) string {
	kind := map[bool]string{true: "counter", false: "up-down"}[monotonic]
	return fmt.Sprintf("%s %s %s [%s] %v", m.Name, kind, m.Unit,
		set.Encoded(attribute.DefaultEncoder()), value)
}

func TestOpenTelemetryReadsTheFiguresOfTheMeter(t *testing.T) {
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

		reader := sdk.NewManualReader()
		provider := sdk.NewMeterProvider(sdk.WithReader(reader))
		registration, err := otelws.Register(&meter, provider, attribute.String("url.path", "/feed"))
		require.NoError(t, err)
		require.ElementsMatch(t, []string{
			"wsstream.connection.count up-down {connection} [url.path=/feed] 1",
			"wsstream.connection.opened counter {connection} [url.path=/feed] 4",
			"wsstream.connection.closed counter {connection} [url.path=/feed,wsstream.close.clean=true,wsstream.close.code=1000] 1",
			"wsstream.connection.closed counter {connection} [url.path=/feed,wsstream.close.clean=false,wsstream.close.code=1006] 1",
			"wsstream.connection.closed counter {connection} [url.path=/feed,wsstream.close.clean=true,wsstream.close.code=4xxx] 1",
			"wsstream.handshake.refused counter {handshake} [http.response.status_code=405,url.path=/feed] 1",
			"wsstream.messages counter {message} [network.io.direction=receive,url.path=/feed] 1",
			"wsstream.messages counter {message} [network.io.direction=transmit,url.path=/feed] 1",
			"wsstream.io counter By [network.io.direction=receive,url.path=/feed] 5",
			"wsstream.io counter By [network.io.direction=transmit,url.path=/feed] 3",
			"wsstream.buffer.usage up-down By [network.io.direction=receive,url.path=/feed] 256",
			"wsstream.buffer.usage up-down By [network.io.direction=transmit,url.path=/feed] 0",
			"wsstream.stall.time counter s [network.io.direction=receive,url.path=/feed] 90",
			"wsstream.stall.time counter s [network.io.direction=transmit,url.path=/feed] 0",
		}, collect(t, reader))
		require.NoError(t, registration.Unregister())
		require.Empty(t, collect(t, reader))
	})
}

func TestMetersAreToldApartByAttributes(t *testing.T) {
	reader := sdk.NewManualReader()
	otel.SetMeterProvider(sdk.NewMeterProvider(sdk.WithReader(reader)))
	for _, kind := range []string{"feed", "chat"} {
		_, err := otelws.Register(new(wsstream.Meter), nil, attribute.String("kind", kind))
		require.NoError(t, err)
	}
	require.Subset(t, collect(t, reader), []string{
		"wsstream.connection.count up-down {connection} [kind=feed] 0",
		"wsstream.connection.count up-down {connection} [kind=chat] 0",
	})
}

var errFull = errors.New("no more instruments")

// A fullProvider's meters make only the first n instruments.
type fullProvider struct {
	noop.MeterProvider
	n int
}

func (p *fullProvider) Meter(string, ...metric.MeterOption) metric.Meter { return &fullMeter{p: p} }

type fullMeter struct {
	noop.Meter
	p *fullProvider
}

func (m *fullMeter) made() error {
	if m.p.n--; m.p.n < 0 {
		return errFull
	}
	return nil
}

func (m *fullMeter) Int64ObservableCounter(
	string, ...metric.Int64ObservableCounterOption,
) (metric.Int64ObservableCounter, error) {
	return noop.Int64ObservableCounter{}, m.made()
}

func (m *fullMeter) Int64ObservableUpDownCounter(
	string, ...metric.Int64ObservableUpDownCounterOption,
) (metric.Int64ObservableUpDownCounter, error) {
	return noop.Int64ObservableUpDownCounter{}, m.made()
}

func (m *fullMeter) Float64ObservableCounter(
	string, ...metric.Float64ObservableCounterOption,
) (metric.Float64ObservableCounter, error) {
	return noop.Float64ObservableCounter{}, m.made()
}

func TestAnInstrumentThatCannotBeMadeIsAnError(t *testing.T) {
	const instruments = 8
	for n := range instruments {
		_, err := otelws.Register(new(wsstream.Meter), &fullProvider{n: n})
		require.ErrorIs(t, err, errFull, "after %d", n)
	}
	_, err := otelws.Register(new(wsstream.Meter), &fullProvider{n: instruments})
	require.NoError(t, err)
}

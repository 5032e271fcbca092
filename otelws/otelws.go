// Package otelws gives the figures of a [wsstream.Meter] to OpenTelemetry.
//
//	var meter wsstream.Meter // in the Meter of AcceptOptions
//	registration, err := otelws.Register(&meter, nil)
//
// The names follow the semantic conventions. The attribute network.io.direction is "receive" for
// data from the peers and "transmit" for data to them. An up-down counter is marked with ±:
//
//	wsstream.connection.count ±  {connection}  open connections
//	wsstream.connection.opened   {connection}  connections that opened
//	wsstream.connection.closed   {connection}  connections that ended, by wsstream.close.clean
//	                                           and wsstream.close.code
//	wsstream.handshake.refused   {handshake}   handshakes that the server refused, by
//	                                           http.response.status_code
//	wsstream.messages            {message}     whole messages, pulled or accepted, by direction
//	wsstream.io                  By            their payload, by direction
//	wsstream.buffer.usage ±      By            buffered now: not pulled, or not taken by the
//	                                           transport, by direction
//	wsstream.stall.time          s             time without credit, the sum of all connections,
//	                                           by direction
//
// A close code is "1000" to "1014", "3xxx" or "4xxx". It is the peer's code, 1005 if its Close had
// none, and 1006 if no Close came. A counter by code or status exists from its first event on. Only
// clean ends with 1000 and unclean ends with 1006 always exist.
//
// The instruments are observable: a message costs nothing. The connections are asked when a reader
// collects.
package otelws

import (
	"context"
	"maps"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/wsstream/wsstream"
)

// Name is the name of the instrumentation scope.
const Name = "github.com/wsstream/wsstream/otelws"

// Register reports the figures of m through p, or through otel.GetMeterProvider() if p is nil. Each
// figure has the attributes attrs, which distinguish one Meter from another. Call Unregister of the
// Registration to end the reports. An error comes from the provider.
func Register(
	m *wsstream.Meter, p metric.MeterProvider, attrs ...attribute.KeyValue,
) (metric.Registration, error) {
	if p == nil {
		p = otel.GetMeterProvider()
	}
	i := newInstruments(p.Meter(Name))
	if i.err != nil {
		return nil, i.err
	}
	own := attribute.NewSet(attrs...)
	with := func(a ...attribute.KeyValue) metric.ObserveOption {
		return metric.WithAttributeSet(attribute.NewSet(append(own.ToSlice(), a...)...))
	}
	none := metric.WithAttributeSet(own)
	const direction = "network.io.direction"
	received := with(attribute.String(direction, "receive"))
	sent := with(attribute.String(direction, "transmit"))
	return i.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		t := m.Totals()
		o.ObserveInt64(i.open, t.Open, none)
		o.ObserveInt64(i.opened, t.Opened, none)
		ends := map[wsstream.End]int64{{Code: "1000", Clean: true}: 0, {Code: "1006"}: 0}
		maps.Copy(ends, t.Ends)
		for e, n := range ends {
			o.ObserveInt64(i.closed, n, with(attribute.Bool("wsstream.close.clean", e.Clean),
				attribute.String("wsstream.close.code", e.Code)))
		}
		for status, n := range t.Refused {
			o.ObserveInt64(i.refused, n, with(attribute.Int("http.response.status_code", status)))
		}
		i.observe(o, t.Received, received)
		i.observe(o, t.Sent, sent)
		return nil
	}, i.open, i.opened, i.closed, i.refused, i.messages, i.io, i.held, i.stalled)
}

type instruments struct {
	meter          metric.Meter
	open, held     metric.Int64ObservableUpDownCounter
	opened, closed metric.Int64ObservableCounter
	refused        metric.Int64ObservableCounter
	messages, io   metric.Int64ObservableCounter
	stalled        metric.Float64ObservableCounter
	err            error // the first
}

func newInstruments(m metric.Meter) *instruments {
	i := &instruments{meter: m}
	i.open = i.upDown("wsstream.connection.count", "{connection}",
		"WebSocket connections that are open.")
	i.opened = i.counter("wsstream.connection.opened", "{connection}",
		"WebSocket connections that have opened.")
	i.closed = i.counter("wsstream.connection.closed", "{connection}",
		"WebSocket connections that have ended, with a closing handshake or otherwise.")
	i.refused = i.counter("wsstream.handshake.refused", "{handshake}",
		"WebSocket handshakes that the server refused.")
	i.messages = i.counter("wsstream.messages", "{message}",
		"Whole messages, pulled or accepted to be sent.")
	i.io = i.counter("wsstream.io", "By", "Payload of whole messages.")
	i.held = i.upDown("wsstream.buffer.usage", "By",
		"Bytes held by open connections: not pulled, or not taken by the transport.")
	stalled, err := m.Float64ObservableCounter("wsstream.stall.time", metric.WithUnit("s"),
		metric.WithDescription("Time without credit, the sum of all connections: the consumer or the peer was slower."))
	i.stalled = stalled
	i.failed(err)
	return i
}

func (i *instruments) counter(name, unit, what string) metric.Int64ObservableCounter {
	c, err := i.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(what))
	i.failed(err)
	return c
}

func (i *instruments) upDown(name, unit, what string) metric.Int64ObservableUpDownCounter {
	c, err := i.meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit),
		metric.WithDescription(what))
	i.failed(err)
	return c
}

func (i *instruments) failed(err error) {
	if i.err == nil {
		i.err = err
	}
}

func (i *instruments) observe(o metric.Observer, f wsstream.Flow, direction metric.ObserveOption) {
	o.ObserveInt64(i.messages, f.Messages, direction)
	o.ObserveInt64(i.io, f.Bytes, direction)
	o.ObserveInt64(i.held, f.Held, direction)
	o.ObserveFloat64(i.stalled, f.Stalled.Seconds(), direction)
}

// Package promws gives the figures of a [wsstream.Meter] to Prometheus.
//
//	var meter wsstream.Meter // in the Meter of AcceptOptions
//	prometheus.MustRegister(promws.NewCollector(&meter))
//
// The metrics are, with direction "in" for what came from the peers and "out" for what went to them:
//
//	wsstream_connections                             gauge    that are open
//	wsstream_connections_opened_total                counter  that have opened
//	wsstream_connections_closed_total{end}           counter  that have ended, "clean" or "unclean"
//	wsstream_messages_total{direction}               counter  whole messages, pulled or accepted
//	wsstream_message_bytes_total{direction}          counter  their payload
//	wsstream_held_bytes{direction}                   gauge    held now: not pulled, or not taken by the transport
//	wsstream_connection_held_bytes_max{direction}    gauge    the most that one connection ever held
//	wsstream_stalled_seconds_total{direction}        counter  without credit, all connections together
//
// They cost a message nothing: the connections are asked when Prometheus asks. One Meter a kind of connection, each with a
// label of its own, tells them apart: see the example.
package promws

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wsstream/wsstream"
)

var (
	open   = desc("connections", "WebSocket connections that are open.")
	opened = desc("connections_opened_total", "WebSocket connections that have opened.")
	closed = desc("connections_closed_total", "WebSocket connections that have ended, with a closing handshake (clean) or otherwise (unclean).", "end")

	messages = desc("messages_total", "Whole messages, pulled (in) or accepted to be sent (out).", "direction")
	bytes    = desc("message_bytes_total", "Payload of whole messages.", "direction")
	held     = desc("held_bytes", "Bytes held by open connections: not pulled (in), or not taken by the transport (out).", "direction")
	most     = desc("connection_held_bytes_max", "The most bytes that one connection ever held.", "direction")
	stalled  = desc("stalled_seconds_total", "Time without credit, the sum of all connections: the consumer (in) or the peer (out) was slower.", "direction")

	all = []*prometheus.Desc{open, opened, closed, messages, bytes, held, most, stalled}
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("wsstream_"+name, help, labels, nil)
}

// NewCollector returns a collector of m's figures. It may be used from any number of goroutines at once, and keeps
// nothing but m. Labels of your own come from prometheus.WrapRegistererWith.
func NewCollector(m *wsstream.Meter) prometheus.Collector { return collector{m} }

type collector struct{ meter *wsstream.Meter }

func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range all {
		ch <- d
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	t := c.meter.Totals()
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	gauge(open, t.Open)
	count(opened, float64(t.Opened))
	count(closed, float64(t.Clean), "clean")
	count(closed, float64(t.Unclean), "unclean")
	for direction, f := range map[string]wsstream.Flow{"in": t.Received, "out": t.Sent} {
		count(messages, float64(f.Messages), direction)
		count(bytes, float64(f.Bytes), direction)
		gauge(held, f.Held, direction)
		gauge(most, f.HeldMax, direction)
		count(stalled, f.Stalled.Seconds(), direction)
	}
}

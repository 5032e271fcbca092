// Package promws gives the figures of a [wsstream.Meter] to Prometheus.
//
//	var meter wsstream.Meter // in the Meter of AcceptOptions
//	prometheus.MustRegister(promws.NewCollector(&meter))
//
// These are the metrics. direction is "in" for data from the peers and "out" for data to them. A
// gauge is marked with ±:
//
//	wsstream_connections ±                          open connections
//	wsstream_connections_opened_total               connections that opened
//	wsstream_connections_closed_total{end,code}     connections that ended, "clean" or "unclean"
//	wsstream_handshakes_refused_total{status}       handshakes that the server refused
//	wsstream_messages_total{direction}              whole messages, pulled or accepted
//	wsstream_message_bytes_total{direction}         their payload
//	wsstream_held_bytes{direction} ±                buffered now: not pulled, or not taken by
//	                                                the transport
//	wsstream_connection_held_bytes_max{direction} ± the most that one connection buffered
//	wsstream_stalled_seconds_total{direction}       time without credit, the sum of all
//	                                                connections
//
// A close code is "1000" to "1014", "3xxx" or "4xxx". It is the peer's code, 1005 if its Close had
// none, and 1006 if no Close came. A counter by code or status exists from its first event on. Only
// {clean,1000} and {unclean,1006} always exist.
//
// A message costs nothing: the collector asks the connections when Prometheus collects. To
// distinguish kinds of connections, give each kind a Meter and a label, as in the example.
package promws

import (
	"maps"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wsstream/wsstream"
)

var (
	open   = desc("connections", "WebSocket connections that are open.")
	opened = desc("connections_opened_total", "WebSocket connections that have opened.")
	closed = desc("connections_closed_total",
		"WebSocket connections that have ended, with a closing handshake (clean) or otherwise (unclean), by close code.", "end", "code")

	refused = desc("handshakes_refused_total",
		"WebSocket handshakes that the server refused, by HTTP status.", "status")

	messages = desc("messages_total", "Whole messages, pulled (in) or accepted to be sent (out).",
		"direction")
	bytes = desc("message_bytes_total", "Payload of whole messages.", "direction")
	held  = desc("held_bytes",
		"Bytes held by open connections: not pulled (in), or not taken by the transport (out).", "direction")
	most = desc("connection_held_bytes_max", "The most bytes that one connection ever held.",
		"direction")
	stalled = desc("stalled_seconds_total",
		"Time without credit, the sum of all connections: the consumer (in) or the peer (out) was slower.", "direction")

	all = []*prometheus.Desc{open, opened, closed, refused, messages, bytes, held, most, stalled}
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("wsstream_"+name, help, labels, nil)
}

// NewCollector returns a collector of m's figures. Its methods may be called concurrently. It keeps
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
	ends := map[wsstream.End]int64{{Code: "1000", Clean: true}: 0, {Code: "1006"}: 0}
	maps.Copy(ends, t.Ends)
	for e, n := range ends {
		count(closed, float64(n), map[bool]string{true: "clean", false: "unclean"}[e.Clean], e.Code)
	}
	for status, n := range t.Refused {
		count(refused, float64(n), strconv.Itoa(status))
	}
	for direction, f := range map[string]wsstream.Flow{"in": t.Received, "out": t.Sent} {
		count(messages, float64(f.Messages), direction)
		count(bytes, float64(f.Bytes), direction)
		gauge(held, f.Held, direction)
		gauge(most, f.HeldMax, direction)
		count(stalled, f.Stalled.Seconds(), direction)
	}
}

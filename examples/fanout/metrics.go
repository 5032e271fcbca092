package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/promws"
)

// metrics are what a gateway tells Prometheus, beside the figures of its connections.
type metrics struct {
	registry *prometheus.Registry
	refused  prometheus.Counter

	subscribers, states                    *prometheus.GaugeVec
	delivered, fetches, fetched, failures  *prometheus.CounterVec
	published, positions, positionFailures *prometheus.CounterVec
	interruptions                          *prometheus.CounterVec
}

// newMetrics returns the metrics of a gateway whose connections have a meter.
func newMetrics(meter *wsstream.Meter) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fanout_" + name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "fanout_" + name, Help: help}, labels)
		m.registry.MustRegister(g)
		return g
	}
	m.refused = counter("tokens_refused_total", "Handshakes that were refused for their token.").
		WithLabelValues()
	m.subscribers = gauge("subscribers", "Subscriptions.", "topic")
	m.states = gauge("subscriber_states",
		"Subscriptions that are live, blocked by their client, or fetching from the stream.",
		"topic", "state")
	m.delivered = counter("messages_delivered_total",
		"Messages written to subscribers, from the ring or from the stream.", "topic", "from")
	m.fetches = counter("fetches_total", "Direct gets from the stream.", "topic")
	m.fetched = counter("messages_fetched_total",
		"Messages that direct gets brought. Those that had no credit are fetched again later.", "topic")
	m.failures = counter("fetch_failures_total", "Direct gets that failed.", "topic")
	m.published = counter("messages_published_total",
		"Messages of clients that the broker has acknowledged.", "topic")
	m.positions = counter("positions_stored_total",
		"Acknowledged positions that were stored.", "topic")
	m.positionFailures = counter("position_failures_total",
		"Acknowledged positions that could not be stored, and were tried again.", "topic")
	m.interruptions = counter("consumer_interruptions_total",
		"How often a consumer of the broker was replaced by another one.", "topic")
	m.registry.MustRegister(promws.NewCollector(meter),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsGC)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// topicMetrics are the metrics of a topic.
type topicMetrics struct {
	subscribers                                        prometheus.Gauge
	byState                                            map[subscriberState]prometheus.Gauge
	fromRing, fromStream, fetches, fetched             prometheus.Counter
	fetchFailures, published, positions, interruptions prometheus.Counter
	positionFailures                                   prometheus.Counter
}

// topic returns the metrics of a topic, whose ring exists.
func (m *metrics) topic(t *topic) *topicMetrics {
	ring := func(name, help string, of func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fanout_" + name, Help: help, ConstLabels: prometheus.Labels{"topic": t.name},
		}, of))
	}
	ring("ring_head", "The number of the newest message in the ring.", func() float64 {
		_, head := t.ring.bounds()
		return float64(head)
	})
	ring("ring_messages", "Messages in the ring.", func() float64 {
		n, _, _, _ := t.ring.size()
		return float64(n)
	})
	ring("ring_bytes", "Bytes of the messages in the ring.", func() float64 {
		_, bytes, _, _ := t.ring.size()
		return float64(bytes)
	})
	return &topicMetrics{
		subscribers: m.subscribers.WithLabelValues(t.name),
		byState: map[subscriberState]prometheus.Gauge{
			live:     m.states.WithLabelValues(t.name, "live"),
			blocked:  m.states.WithLabelValues(t.name, "blocked"),
			fetching: m.states.WithLabelValues(t.name, "fetching"),
		},
		fromRing:         m.delivered.WithLabelValues(t.name, "ring"),
		fromStream:       m.delivered.WithLabelValues(t.name, "stream"),
		fetches:          m.fetches.WithLabelValues(t.name),
		fetched:          m.fetched.WithLabelValues(t.name),
		fetchFailures:    m.failures.WithLabelValues(t.name),
		published:        m.published.WithLabelValues(t.name),
		positions:        m.positions.WithLabelValues(t.name),
		positionFailures: m.positionFailures.WithLabelValues(t.name),
		interruptions:    m.interruptions.WithLabelValues(t.name),
	}
}

// changed counts a subscriber that goes from one state to another.
func (m *topicMetrics) changed(from, to subscriberState) {
	if g := m.byState[from]; g != nil {
		g.Dec()
	}
	if g := m.byState[to]; g != nil {
		g.Inc()
	}
}

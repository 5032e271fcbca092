package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/wsstream/wsstream"
)

// A benchReport is what bench prints with --json.
type benchReport struct {
	Mode        string  `json:"mode"`
	Connections int     `json:"connections"`
	Slow        int     `json:"slow"`
	Seconds     float64 `json:"seconds"`
	Sent        traffic `json:"sent"`
	Received    traffic `json:"received"`
	Unanswered  int64   `json:"unanswered"`
	Early       int64   `json:"closed_early"` // connections, by the server

	// Corrected says that latencies count from when a message was due.
	Corrected bool               `json:"corrected"`
	Latency   map[string]float64 `json:"latency_ms,omitempty"`
}

// A traffic is one direction of all connections.
type traffic struct {
	Messages  int64   `json:"messages"`
	Bytes     int64   `json:"bytes"`
	PerSecond float64 `json:"messages_per_second"` // during the load
	BytesPerS float64 `json:"bytes_per_second"`
	HeldMax   int64   `json:"held_max"`
	Stalled   float64 `json:"stalled_seconds"`
}

// newTraffic takes the figures at the very end, and those at the end of the load.
func newTraffic(f, during wsstream.Flow, took time.Duration) traffic {
	return traffic{
		Messages:  f.Messages,
		Bytes:     f.Bytes,
		PerSecond: math.Round(float64(during.Messages)/took.Seconds()*10) / 10,
		BytesPerS: math.Round(float64(during.Bytes) / took.Seconds()),
		HeldMax:   f.HeldMax,
		Stalled:   math.Round(f.Stalled.Seconds()*1000) / 1000,
	}
}

// quantiles are those of the report, with their names.
var quantiles = []struct {
	name string
	at   float64
}{
	{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}, {"p99.99", 99.99},
}

func (b *bench) report(t, during wsstream.Totals, took time.Duration) error {
	r := benchReport{
		Mode:        b.mode,
		Connections: b.connections,
		Slow:        int(math.Round(b.slow * float64(b.connections))),
		Seconds:     math.Round(took.Seconds()*1000) / 1000,
		Sent:        newTraffic(t.Sent, during.Sent, took),
		Received:    newTraffic(t.Received, during.Received, took),
		Unanswered:  b.late.Load(),
		Early:       b.early.Load(),
		Corrected:   b.rate > 0,
	}
	if h := b.latency.h; h != nil {
		r.Latency = map[string]float64{
			"min": float64(h.Min()) / 1000, "mean": math.Round(h.Mean()) / 1000,
			"max": float64(h.Max()) / 1000,
		}
		for _, q := range quantiles {
			r.Latency[q.name] = float64(h.ValueAtPercentile(q.at)) / 1000
		}
	}
	if b.json {
		return json.NewEncoder(b.stdout).Encode(r)
	}
	return b.print(&r)
}

// print prints a report for people.
func (b *bench) print(r *benchReport) error {
	slow := ""
	if r.Slow > 0 {
		slow = fmt.Sprintf(", %d of them slow", r.Slow)
	}
	var text strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&text, format+"\n", args...) }
	line("%s: %d connections%s, %v s", r.Mode, r.Connections, slow, r.Seconds)
	for _, d := range []struct {
		name string
		traffic
	}{{"sent", r.Sent}, {"received", r.Received}} {
		line("%-9s %d messages, %s; %.0f messages and %s a second; "+
			"a connection held at most %s", d.name, d.Messages, bytes(d.Bytes), d.PerSecond,
			bytes(int64(d.BytesPerS)), bytes(d.HeldMax))
	}
	if r.Latency != nil {
		from := "from when each was sent: a stall counts once, see --rate"
		if r.Corrected {
			from = "from when each was due: corrected for coordinated omission"
		}
		line("latency   %s", from)
		for _, q := range quantiles {
			line("  %-7s %10.3f ms", q.name, r.Latency[q.name])
		}
		line("  %-7s %10.3f ms", "max", r.Latency["max"])
	}
	if r.Unanswered > 0 {
		line("%d messages were not answered", r.Unanswered)
	}
	if r.Early > 0 {
		line("%d connections were closed by the server before the end", r.Early)
	}
	_, err := fmt.Fprint(b.stdout, text.String())
	return err
}

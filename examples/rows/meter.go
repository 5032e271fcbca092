package main

import (
	"fmt"
	"io"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/examples/internal/console"
)

// A meter looks at a transfer from time to time, and keeps the largest heap that it saw.
type meter struct {
	sent, received   *tally
	sender, receiver *wsstream.Conn
	total            int64 // how many rows there will be; 0 if unknown

	begin time.Time
	took  time.Duration // set by the meter's goroutine, as is peak
	peak  uint64        // bytes
}

// start looks at the heap, and shows on w how the transfer comes along, until stop is called.
func (m *meter) start(w io.Writer) (stop func()) {
	m.begin = time.Now()
	silence := console.Progress(w, time.Second, m.state)
	quit := make(chan struct{}) // closed by stop
	var wg sync.WaitGroup
	wg.Go(func() { // ends with stop
		look := time.NewTicker(10 * time.Millisecond)
		defer look.Stop()
		for {
			m.peak = max(m.peak, heap())
			select {
			case <-look.C:
			case <-quit:
				m.took = time.Since(m.begin)
				return
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
		silence()
	}
}

// heap is how many bytes there are of objects on the heap, garbage included.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func (m *meter) state() console.State {
	n := m.received.n.Load()
	return console.State{Done: n, Total: m.total, Text: []string{
		humanize.Comma(n) + " rows",
		speed(n, time.Since(m.begin)),
		fmt.Sprintf("heap %6s", humanize.Bytes(heap())),
		fmt.Sprintf("sender holds %6s", humanize.Bytes(uint64(m.sender.Stats().Sent.Held))),
		fmt.Sprintf("receiver %6s", humanize.Bytes(uint64(m.receiver.Stats().Received.Held))),
	}}
}

// report prints what was sent and received, and what was held meanwhile.
func (m *meter) report(w io.Writer, workers int) error {
	table := [][]string{{""}, {"rows"}, {"messages"}, {"bytes"}, {"held at most"}, {"window"}}
	for _, side := range []struct {
		name string
		*tally
		flow wsstream.Flow
	}{{"sent", m.sent, m.sender.Stats().Sent}, {"received", m.received, m.receiver.Stats().Received}} {
		table[0] = append(table[0], side.name)
		for i, n := range []int64{side.n.Load(), side.flow.Messages, side.flow.Bytes, side.flow.HeldMax,
			window} {
			table[i+1] = append(table[i+1], humanize.Comma(n))
		}
	}
	if err := console.Table(w, table...); err != nil {
		return err
	}
	// One batch is filled, a batch is in the hands of each worker, and one in those of the Pipe and of
	// the consumer.
	marks := uint64((workers+3)*batchMark + 2*window)
	n := m.received.n.Load()
	_, err := fmt.Fprintf(w, "%s rows in %v: %s\nmarks %s, peak of the heap %s\n", humanize.Comma(n),
		m.took.Round(time.Millisecond), speed(n, m.took), humanize.Bytes(marks), humanize.Bytes(m.peak))
	if err != nil {
		return err
	}
	return console.Sums(w, m.sent.sum(), m.received.sum())
}

// speed is n rows in a time, for people.
func speed(n int64, took time.Duration) string {
	return humanize.Comma(int64(float64(n)/max(took, time.Microsecond).Seconds())) + " rows/s"
}

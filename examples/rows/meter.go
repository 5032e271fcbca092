package main

import (
	"fmt"
	"io"
	"runtime/metrics"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/wsstream/wsstream"
)

// A meter looks at a transfer from time to time, and keeps the largest heap that it saw.
type meter struct {
	sent, received   *tally
	sender, receiver *wsstream.Conn
	total            int64 // how many rows there will be; 0 if nobody knows

	begin time.Time
	took  time.Duration // set by the meter's goroutine, as is peak
	peak  uint64        // bytes
}

// start looks at the heap, and shows on w how the transfer comes along, until stop is called.
func (m *meter) start(w io.Writer) (stop func()) {
	m.begin = time.Now()
	quit := make(chan struct{}) // closed by stop
	var wg sync.WaitGroup
	wg.Go(func() { // ends with stop
		look, show := time.NewTicker(10*time.Millisecond), time.NewTicker(time.Second)
		defer look.Stop()
		defer show.Stop()
		for {
			m.peak = max(m.peak, heap())
			select {
			case <-look.C:
			case <-show.C:
				m.show(w)
			case <-quit:
				m.took = time.Since(m.begin)
				return
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
	}
}

// heap is how many bytes there are of objects on the heap, garbage included.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func (m *meter) show(w io.Writer) {
	n, took := m.received.n.Load(), time.Since(m.begin)
	of := ""
	if m.total > 0 {
		of = fmt.Sprintf(" of %s (%d %%)", humanize.Comma(m.total), 100*n/m.total)
	}
	_, _ = fmt.Fprintf(w, "%s rows%s, %s; held by sender %s, receiver %s; heap %s\n", humanize.Comma(n), of, speed(n, took),
		humanize.Bytes(uint64(m.sender.Stats().Sent.Held)), humanize.Bytes(uint64(m.receiver.Stats().Received.Held)), humanize.Bytes(heap()))
}

// report prints what was sent and received, and what was held meanwhile.
func (m *meter) report(w io.Writer, workers int) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\trows\tmessages\tbytes\theld at most\twindow\tsha256")
	for _, r := range []struct {
		name string
		*tally
		flow wsstream.Flow
	}{{"sent", m.sent, m.sender.Stats().Sent}, {"received", m.received, m.receiver.Stats().Received}} {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.name, humanize.Comma(r.n.Load()), humanize.Comma(r.flow.Messages),
			humanize.Comma(r.flow.Bytes), humanize.Comma(r.flow.HeldMax), humanize.Comma(window), r.sum())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	// One batch is filled, a batch is in the hands of each worker, and one in those of the Pipe and of the consumer.
	marks := uint64((workers+3)*batchMark + 2*window)
	_, err := fmt.Fprintf(w, "%s rows in %v: %s; the marks add up to %s, the heap's peak was %s\n", humanize.Comma(m.received.n.Load()),
		m.took.Round(time.Millisecond), speed(m.received.n.Load(), m.took), humanize.Bytes(marks), humanize.Bytes(m.peak))
	return err
}

// speed is n rows in a time, for people.
func speed(n int64, took time.Duration) string {
	return humanize.Comma(int64(float64(n)/max(took, time.Microsecond).Seconds())) + " rows/s"
}

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/wsstream/wsstream"
)

// A meter shows how a transfer comes along. It looks at the connections' figures from time to time; the transfer
// does not know of it.
type meter struct {
	size int64 // about how many bytes there will be, 0 if nobody knows

	mu    sync.Mutex
	ends  []end     // guarded by mu, as is begin
	begin time.Time // of the first end
}

type end struct {
	name string
	flow func() wsstream.Flow
}

// watch adds an end to what is shown.
func (m *meter) watch(name string, flow func() wsstream.Flow) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.begin.IsZero() {
		m.begin = time.Now()
	}
	m.ends = append(m.ends, end{name, flow})
}

// read returns how many bytes have come to where the meter sees them last, in what time, and what each end holds:
// nothing, as long as there is no end.
func (m *meter) read() (done int64, took time.Duration, held string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var parts []string
	for i, e := range m.ends {
		f := e.flow()
		if i == 0 || f.Bytes < done {
			done = f.Bytes
		}
		parts = append(parts, fmt.Sprintf("%s %6s", e.name, humanize.Bytes(uint64(f.Held))))
	}
	if len(parts) > 0 {
		held = "held by " + strings.Join(parts, ", ")
	}
	return done, time.Since(m.begin), held
}

// start shows the meter on w until stop is called: as a bar on a terminal, else as a line every other second.
func (m *meter) start(w io.Writer) (stop func()) {
	show, every := m.line(w), 2*time.Second
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		show, every = m.bar(w), 100*time.Millisecond
	}
	quit := make(chan struct{}) // closed by stop
	var wg sync.WaitGroup
	wg.Go(func() { // ends with stop
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				show(false)
			case <-quit:
				show(true)
				return
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
	}
}

func (m *meter) line(w io.Writer) (show func(last bool)) {
	return func(last bool) {
		done, took, held := m.read()
		if held == "" || last { // and the report says the rest
			return
		}
		_, _ = fmt.Fprintf(w, "%7s, %s; %s\n", humanize.Bytes(uint64(done)), speed(done, took), held)
	}
}

func (m *meter) bar(w io.Writer) (show func(last bool)) {
	size := m.size
	if size == 0 {
		size = -1 // a spinner
	}
	bar := progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowCount(),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetSpinnerChangeInterval(0),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetWidth(10), // all of it fits 80 columns
	)
	return func(last bool) {
		done, _, held := m.read()
		if held == "" {
			return
		}
		switch {
		case size > 0 && last:
			done = min(done, size)
		case size > 0:
			done = min(done, size-1) // a full bar is deaf, and size is a guess
		}
		bar.Describe(held)
		_ = bar.Set64(done)
		if last {
			_ = bar.Exit()
			_, _ = fmt.Fprintln(w)
		}
	}
}

// speed is n bytes in a time, for people.
func speed(n int64, took time.Duration) string {
	return humanize.Bytes(uint64(float64(n)/max(took, time.Microsecond).Seconds())) + "/s"
}

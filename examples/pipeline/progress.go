package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/examples/internal/console"
)

// A meter shows how a transfer comes along. It looks at the connections' figures from time to time;
// the transfer does not know of it.
type meter struct {
	size int64 // about how many bytes there will be, 0 if unknown

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

// state returns how many bytes have passed the meter's last point, and how fast. It also returns
// what each end buffers, which is nothing while there is no end.
func (m *meter) state() console.State {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := console.State{Total: m.size}
	var held []string
	for i, e := range m.ends {
		f := e.flow()
		if i == 0 || f.Bytes < s.Done {
			s.Done = f.Bytes
		}
		held = append(held, fmt.Sprintf("%s %6s", e.name, humanize.Bytes(uint64(f.Held))))
	}
	if len(held) > 0 {
		s.Text = []string{
			fmt.Sprintf("%6s", humanize.Bytes(uint64(s.Done))),
			fmt.Sprintf("%8s", console.Speed(s.Done, time.Since(m.begin))),
			"held by " + strings.Join(held, ", "),
		}
	}
	return s
}

// start shows the meter on w until stop is called.
func (m *meter) start(w io.Writer) (stop func()) {
	return console.Progress(w, 2*time.Second, m.state)
}

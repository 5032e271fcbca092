package scenario

import (
	"time"

	"github.com/wsstream/wsstream/bench/internal/work"
)

// A memory is the memory of a library's process over time.
type memory struct {
	s      *session
	start  work.Sample
	points []Point
	note   string
}

// watch starts with the memory as it is, settled.
func (s *session) watch() (*memory, error) {
	start, err := s.sample(work.Want{Memory: true, Settle: true})
	return &memory{s: s, start: start}, err
}

// follow adds points for d, or until the process was stopped at its limit.
func (m *memory) follow(d time.Duration) error {
	end := time.NewTimer(d)
	defer end.Stop()
	look := time.NewTicker(4 * poll)
	defer look.Stop()
	for m.note == "" {
		sample, err := m.s.sample(work.Want{Memory: true})
		if err != nil {
			return err
		}
		m.add(sample)
		select {
		case <-end.C:
			return nil
		case <-look.C:
		}
	}
	return nil
}

// add adds a point.
func (m *memory) add(sample work.Sample) {
	m.points = append(m.points, Point{
		Seconds: (sample.At - m.start.At).Seconds(),
		RSS:     mibs(sample.RSS - m.start.RSS),
		Heap:    mibs(sample.Heap + sample.Stack),
	})
	if sample.Stopped {
		m.note = stopped
	}
}

// most is the largest growth, in MiB.
func (m *memory) most() float64 {
	var most float64
	for _, p := range m.points {
		most = max(most, p.RSS)
	}
	return most
}

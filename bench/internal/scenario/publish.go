package scenario

import (
	"errors"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/bench/internal/library"
	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/work"
)

const (
	glance = 10 * time.Millisecond  // how often a burst is looked at, when it should be over
	still  = 100 * time.Millisecond // when nothing has moved for so long, nothing more will
)

// A burst is what came of messages that a room has published at a pace.
type burst struct {
	from, to moment
	lost     int64         // deliveries to fast consumers that never came
	took     time.Duration // from the first Publish until the last delivery to a fast consumer
	cpu      float64       // microseconds of the library's process a delivery to a fast consumer
}

// errWaits is that a room has stopped publishing: it waits for a consumer that does not read.
var errWaits = errors.New("it waits for the stopped ones")

// ended is a run that err has ended. That a room waits is no failure: the run has these figures.
func ended(err error, values map[string]float64) (Run, error) {
	if errors.Is(err, errWaits) {
		return Run{Note: err.Error(), Values: values}, nil
	}
	return Run{}, err
}

// openHeld starts a room with stopped consumers, which take no more, and then with fast ones in so
// many processes.
func openHeld(job work.Job, stopped, fast, processes int) (s *session, m *memory, err error) {
	o := peer.Order{Shape: peer.Consume, Conns: stopped, Stopped: stopped, Buffer: job.Buffer}
	if s, m, err = openRoom(job, o); err != nil {
		return nil, nil, err
	}
	// more than the kernel, the library and the queue in front of it take for a connection
	fill := (6*job.Buffer+wsstream.DefaultWriteWindow)/job.Size + library.QueueLength
	if stopped > 0 {
		_, err = m.publish(unpaced, int64(fill), 0)
	}
	if err == nil {
		o.Conns, o.Stopped, o.First = fast/processes, 0, stopped
		err = s.join(o, processes)
	}
	if err == nil {
		err = s.joined(stopped + fast)
	}
	if err != nil {
		s.close()
	}
	return s, m, err
}

// publish has the room publish count messages at a rate. It waits until all have come to the fast
// consumers, or no more come.
func (m *memory) publish(rate float64, count int64, fast int) (b burst, err error) {
	s, want := m.s, work.Want{}
	if b.from, err = s.now(want); err != nil {
		return b, err
	}
	if err := s.library.Call(work.MethodGo, work.Pace{Rate: rate, Count: count}, nil); err != nil {
		return b, err
	}
	pause(time.Duration(float64(count-1) / rate * float64(time.Second)))
	due := count * int64(fast)
	var published, came int64
	for moved := time.Now(); ; pause(glance) {
		if b.to, err = s.now(want); err != nil {
			return b, err
		}
		m.add(b.to.library)
		p, c := b.to.library.Out-b.from.library.Out, b.to.peer.Fast-b.from.peer.Fast
		if p > published || c > came {
			moved = time.Now()
		}
		published, came = p, c
		if p == count && c == due || m.note != "" || time.Since(moved) > still {
			break
		}
	}
	if published < count && m.note == "" {
		return b, errWaits
	}
	b.lost = due - came
	b.took = b.to.peer.FastAt - b.to.library.Began
	b.cpu = micros(b.to.library.CPU-b.from.library.CPU) / float64(due)
	return b, nil
}

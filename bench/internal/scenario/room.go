package scenario

import (
	"fmt"
	"slices"
	"time"

	"github.com/wsstream/wsstream/bench/internal/library"
	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/work"
)

// What one server sends to many: twice as much as a slow consumer reads.
const (
	roomSize = 4 << 10 // bytes a message
	roomRate = 500     // messages a second to each
	// bytes of the sockets' buffers: with the kernel's megabytes a stall would take long to be felt.
	roomBuffer = 64 << 10

	FastRate = "a fast one, messages a second"
	FastLost = "lost by the fast"
	Dropped  = "dropped by the server"
	Growth   = "growth"
	Cut      = "cut"
)

var (
	growth     = Metric{Name: Growth, Unit: "MiB", Lower: true}
	lostByFast = Metric{Name: FastLost, Lower: true}
	cut        = Metric{Name: Cut, Lower: true}
)

// Consumers is how many there are.
func Consumers(o Options) int { return pick(o, 100, 10) }

// RoomName is the name of the scenario of a server that sends to all consumers. Some of them are
// slow or stopped.
func RoomName(o Options, held int, how string) string {
	if held == 0 {
		return fmt.Sprintf("one to %d, all fast", Consumers(o))
	}
	return fmt.Sprintf("one to %d, %d of them %s", Consumers(o), held, how)
}

// How consumers may be held up.
const (
	Slow    = "slow (1 MB/s)"
	Stopped = "stopped"
)

// Shares is how many of the consumers are held up.
func Shares(o Options) []int { return pick(o, []int{0, 10, 50}, []int{0, 5}) }

func rooms(o Options) []Scenario {
	var scenarios []Scenario
	for _, held := range Shares(o) {
		for _, how := range []string{Slow, Stopped} {
			if held == 0 && how == Stopped {
				continue
			}
			order := peer.Order{Shape: peer.Consume, Conns: Consumers(o), Buffer: roomBuffer}
			if how == Slow {
				order.Slow = held
			} else {
				order.Stopped = held
			}
			long := 3 // times a run
			if order.Stopped == slices.Max(Shares(o)) {
				long = 8 // for the chart of memory over time
			}
			scenarios = append(scenarios, Scenario{
				Name:    RoomName(o, held, how),
				Metrics: []Metric{{Name: FastRate}, growth, lostByFast, {Name: Dropped, Plain: true}, cut},
				Entries: ways(func(lib, way string, o Options) (Run, error) {
					return room(roomJob(lib, way, roomSize), order, long, o)
				}),
			})
		}
	}
	return scenarios
}

func roomJob(lib, way string, size int) work.Job {
	return work.Job{Library: lib, Shape: work.Room, Way: way, Size: size, Limit: limit,
		Buffer: roomBuffer}
}

// ways are the entries of all libraries in each of their ways to send to many.
func ways(run func(lib, way string, o Options) (Run, error)) []Entry {
	var entries []Entry
	for _, l := range library.All {
		if l.Name == Raw {
			continue // it has no way of its own
		}
		for _, w := range l.Rooms {
			entries = append(entries, Entry{l.Name, w.Name, func(o Options) (Run, error) {
				return run(l.Name, w.Name, o)
			}})
		}
	}
	return entries
}

// openRoom starts a room that waits for its first message, and its consumers. It watches the memory
// of the room.
func openRoom(job work.Job, o peer.Order) (s *session, m *memory, err error) {
	if s, err = open(job, peer.Order{Shape: peer.Idle}, false); err != nil {
		return nil, nil, err
	}
	if err = s.join(o, 1); err == nil {
		err = s.joined(o.Conns)
	}
	if err == nil {
		m, err = s.watch()
	}
	if err != nil {
		s.close()
	}
	return s, m, err
}

// room lets the server send, and measures for so many times a run, when the slow ones have been
// slow for a while. A consumer that catches up for a moment gets more than is due. That is no
// merit, and does not count.
func room(job work.Job, order peer.Order, long int, o Options) (Run, error) {
	s, m, err := openRoom(job, order)
	if err != nil {
		return Run{}, err
	}
	defer s.close()
	if err := s.library.Call(work.MethodGo, work.Pace{Rate: roomRate}, nil); err != nil {
		return Run{}, err
	}
	if err := m.follow(o.Time); err != nil {
		return Run{}, err
	}
	from, err := s.now(work.Want{})
	if err != nil {
		return Run{}, err
	}
	if err := m.follow(time.Duration(long) * o.Time); err != nil {
		return Run{}, err
	}
	to, err := s.now(work.Want{})
	if err != nil {
		return Run{}, err
	}
	fast := float64(order.Conns - order.Slow - order.Stopped)
	return Run{
		Memory: m.points,
		Note:   m.note,
		Values: map[string]float64{
			FastRate: min(roomRate,
				float64(to.peer.Fast-from.peer.Fast)/fast/(to.peer.At-from.peer.At).Seconds()),
			FastLost: float64(to.peer.FastLost),
			Dropped:  float64(to.library.Dropped),
			Growth:   m.most(),
			Cut:      float64(to.peer.Cut),
			CPU: micros(to.library.CPU-from.library.CPU) / max(1,
				float64(to.library.Out-from.library.Out)),
		},
	}, nil
}

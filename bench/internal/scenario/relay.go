package scenario

import (
	"github.com/wsstream/wsstream/bench/internal/library"
	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/work"
)

// RelayName is the name of the scenario of a relay.
const RelayName = "relay, a fast producer and a consumer of 1 MB/s"

const delivered = "delivered, KB a second"

func relays() []Scenario {
	sc := Scenario{Name: RelayName, Metrics: []Metric{growth, {Name: delivered}}}
	for _, l := range library.All {
		if l.Name == Raw {
			continue
		}
		for _, w := range l.Relays {
			job := work.Job{Library: l.Name, Shape: work.Relay, Way: w.Name, Limit: limit,
				Buffer: roomBuffer}
			sc.Entries = append(sc.Entries, Entry{l.Name, w.Name, func(o Options) (Run, error) {
				return relay(job, o)
			}})
		}
	}
	return []Scenario{sc}
}

func relay(job work.Job, o Options) (Run, error) {
	s, err := open(job, peer.Order{Shape: peer.Feed, Size: roomSize, Buffer: roomBuffer, Conns: 0},
		false)
	if err != nil {
		return Run{}, err
	}
	defer s.close()
	if err := s.peer.Call(peer.MethodConnect, 1, nil); err != nil { // the consumer
		return Run{}, err
	}
	if err := s.joined(1); err != nil {
		return Run{}, err
	}
	m, err := s.watch()
	if err != nil {
		return Run{}, err
	}
	if err := s.peer.Call(peer.MethodConnect, 1, nil); err != nil { // the producer
		return Run{}, err
	}
	from, err := s.now(work.Want{})
	if err != nil {
		return Run{}, err
	}
	if err := m.follow(5 * o.Time); err != nil {
		return Run{}, err
	}
	to, err := s.now(work.Want{})
	if err != nil {
		return Run{}, err
	}
	return Run{
		Memory: m.points,
		Note:   m.note,
		Values: map[string]float64{
			Growth: m.most(),
			delivered: float64(to.peer.In-from.peer.In) * roomSize / 1000 /
				(to.peer.At - from.peer.At).Seconds(),
		},
	}, nil
}

package scenario

import (
	"time"

	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/work"
)

// crowdPeers is how many processes the clients of a crowd have.
const crowdPeers = 3

// crowdConns is how many connections a crowd has: the server has a descriptor for each, of which a
// process may often have 20,000.
func crowdConns(o Options) int { return pick(o, 15000, 150) }

// crowd is an echo on so many connections that the clients need several processes.
func crowd(job work.Job, o Options) (r Run, err error) {
	s, err := open(job, peer.Order{Shape: peer.Idle}, false)
	if err != nil {
		return Run{}, err
	}
	defer s.close()
	order := peer.Order{Shape: peer.Little, Conns: crowdConns(o) / crowdPeers, Size: job.Size,
		Every: pick(o, time.Second, 50*time.Millisecond)}
	if err := s.join(order, crowdPeers); err != nil {
		return Run{}, err
	}
	pause(pick(o, time.Second, 0)) // every connection has had its first turn
	from, _, err := s.crowd()
	if err != nil {
		return Run{}, err
	}
	pause(o.Time)
	to, times, err := s.crowd()
	if err != nil {
		return Run{}, err
	}
	to.peer.P50, to.peer.P99 = peer.Percentiles(times)
	return rate(job.Shape, from, to)
}

// crowd takes a sample of all processes, with the times of the answers.
func (s *session) crowd() (m moment, times []time.Duration, err error) {
	for _, p := range s.more {
		var some []time.Duration
		if err := p.Call(peer.MethodTimes, nil, &some); err != nil {
			return m, nil, err
		}
		times = append(times, some...)
	}
	m, err = s.now(work.Want{Memory: true})
	return m, times, err
}

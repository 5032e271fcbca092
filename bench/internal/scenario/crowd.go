package scenario

import (
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/proc"
	"github.com/wsstream/wsstream/bench/internal/work"
)

// crowdPeers is how many processes the clients of a crowd have.
const crowdPeers = 3

// crowdConns is how many connections a crowd has: the server has a descriptor for each, of which a
// process may often have 20,000.
func crowdConns(o Options) int { return pick(o, 15000, 150) }

// crowd is an echo on so many connections that the clients need several processes.
func crowd(job work.Job, o Options) (r Run, err error) {
	n := crowdConns(o) / crowdPeers
	s, err := open(job, peer.Order{Shape: peer.Idle}, false)
	if err != nil {
		return Run{}, err
	}
	defer s.close()
	peers := make([]*proc.Child, crowdPeers)
	defer func() {
		for _, p := range peers {
			if p != nil {
				_ = p.Close() // the run has its figures, or its error
			}
		}
	}()
	var g errgroup.Group
	for i := range peers {
		if peers[i], err = proc.Start(RolePeer); err != nil {
			return Run{}, errors.Join(err, g.Wait())
		}
		order := peer.Order{Shape: peer.Little, Addr: s.addr, First: i * n, Conns: n, Size: job.Size,
			Every: pick(o, time.Second, 50*time.Millisecond)}
		g.Go(func() error { return peers[i].Call(peer.MethodStart, order, nil) })
	}
	if err := g.Wait(); err != nil {
		return Run{}, err
	}
	pause(pick(o, time.Second, 0)) // every connection has had its first turn
	from, _, err := s.crowd(peers)
	if err != nil {
		return Run{}, err
	}
	pause(o.Time)
	to, times, err := s.crowd(peers)
	if err != nil {
		return Run{}, err
	}
	to.peer.P50, to.peer.P99 = peer.Percentiles(times)
	return rate(job.Shape, from, to)
}

// crowd takes a sample of the library, and one of all peers, with the times of their answers.
func (s *session) crowd(peers []*proc.Child) (m moment, times []time.Duration, err error) {
	if m.library, err = s.sample(work.Want{Memory: true}); err != nil {
		return m, nil, err
	}
	for _, p := range peers {
		var some []time.Duration
		if err := p.Call(peer.MethodTimes, nil, &some); err != nil {
			return m, nil, err
		}
		times = append(times, some...)
		var one peer.Sample
		if err := p.Call(peer.MethodSample, nil, &one); err != nil {
			return m, nil, err
		}
		m.peer.At = one.At
		m.peer.CPU += one.CPU
		m.peer.In += one.In
		m.peer.Out += one.Out
		m.peer.Cut += one.Cut
	}
	return m, times, nil
}

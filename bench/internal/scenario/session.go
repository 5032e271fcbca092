package scenario

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/proc"
	"github.com/wsstream/wsstream/bench/internal/work"
)

// The roles of processes.
const (
	RoleLibrary = "library"
	RolePeer    = "peer"
)

const (
	// bytes that a library's process may grow by before its run is stopped.
	limit    = 1 << 30
	poll     = 25 * time.Millisecond // how often a run that could be stopped is looked at
	patience = 20 * time.Second      // with a run in which nothing happens
)

// A session is the processes of a run.
type session struct {
	library, peer *proc.Child
	more          []*proc.Child // other peers
	addr          string        // at which the library serves, if it does
}

// A moment is what the library's process, and all peers together, had used and done at a time.
type moment struct {
	library work.Sample
	peer    peer.Sample
}

// open starts the processes, and what each of them does. The library serves, unless client is set.
func open(j work.Job, o peer.Order, client bool) (s *session, err error) {
	s = &session{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.library, err = proc.Start(RoleLibrary); err != nil {
		return s, err
	}
	if s.peer, err = proc.Start(RolePeer); err != nil {
		return s, err
	}
	if client {
		if err := s.peer.Call(peer.MethodStart, o, &j.Dial); err != nil {
			return s, fmt.Errorf("peer: %w", err)
		}
		return s, s.library.Call(work.MethodStart, j, nil)
	}
	if err := s.library.Call(work.MethodStart, j, &s.addr); err != nil {
		return s, err
	}
	o.Addr = s.addr
	if err := s.peer.Call(peer.MethodStart, o, nil); err != nil {
		return s, fmt.Errorf("peer: %w", err)
	}
	return s, nil
}

// join starts n more processes of peers, each of which does o with connections of its own.
func (s *session) join(o peer.Order, n int) error {
	var g errgroup.Group
	for i := range n {
		p, err := proc.Start(RolePeer)
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		s.more = append(s.more, p)
		o := o
		o.Addr, o.First = s.addr, o.First+i*o.Conns
		g.Go(func() error { return p.Call(peer.MethodStart, o, nil) })
	}
	return g.Wait()
}

func (s *session) close() {
	for _, c := range append(s.more, s.peer, s.library) {
		if c != nil {
			_ = c.Close() // the run has its figures, or its error
		}
	}
}

// now takes a sample of all processes.
func (s *session) now(want work.Want) (m moment, err error) {
	if m.library, err = s.sample(want); err != nil {
		return m, err
	}
	if err := s.peer.Call(peer.MethodSample, nil, &m.peer); err != nil {
		return m, err
	}
	for _, p := range s.more {
		var one peer.Sample
		if err := p.Call(peer.MethodSample, nil, &one); err != nil {
			return m, err
		}
		m.peer.Add(one)
	}
	return m, nil
}

func (s *session) sample(want work.Want) (sample work.Sample, err error) {
	err = s.library.Call(work.MethodSample, want, &sample)
	return sample, err
}

// measure lets the run warm up, and returns what was before and after the time, in which count
// things were done. If it was none, on a machine that is busy with something else, the time is as
// long as it takes. A run that was stopped at the limit before it had warmed up is measured from
// its start.
func (s *session) measure(
	o Options, count func(from, to moment) int64,
) (from, to moment, note string, err error) {
	want := work.Want{Memory: true}
	cold, err := s.now(want)
	if err != nil {
		return from, to, "", err
	}
	if err := s.wait(o.warmUp()); err != nil {
		return from, to, "", err
	}
	if from, err = s.now(want); err != nil {
		return from, to, "", err
	}
	if from.library.Stopped {
		return cold, from, stopped, nil
	}
	if err := s.wait(o.Time); err != nil {
		return from, to, "", err
	}
	for end := time.Now().Add(patience); ; pause(poll) {
		switch to, err = s.now(want); {
		case err != nil:
			return from, to, "", err
		case to.library.Stopped:
			return from, to, stopped, nil
		case count(from, to) > 0:
			return from, to, "", nil
		case to.peer.Cut > 0:
			return from, to, "", errors.New("the connection was lost")
		case time.Now().After(end):
			return from, to, "", fmt.Errorf("nothing was done in %v", patience)
		}
	}
}

const stopped = "stopped: its memory had grown by 1 GiB"

// wait waits for d, or until the library's process was stopped at its limit.
func (s *session) wait(d time.Duration) error {
	end := time.NewTimer(d)
	defer end.Stop()
	look := time.NewTicker(poll)
	defer look.Stop()
	for {
		select {
		case <-end.C:
			return nil
		case <-look.C:
			if sample, err := s.sample(work.Want{}); err != nil || sample.Stopped {
				return err
			}
		}
	}
}

// joined waits until the library has opened n connections.
func (s *session) joined(n int) error {
	for range 400 {
		sample, err := s.sample(work.Want{})
		if err != nil || sample.Conns >= int64(n) {
			return err
		}
		pause(poll)
	}
	return errors.New("not all connections were opened within 10 s")
}

// pause waits for d.
func pause(d time.Duration) { <-time.After(d) }

const mib = 1 << 20

func mibs(bytes int64) float64 { return float64(bytes) / mib }

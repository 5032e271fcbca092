package scenario

import (
	"fmt"
	"time"

	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/proc"
	"github.com/wsstream/wsstream/bench/internal/work"
)

const (
	// StallName is the name of the scenario of connections whose peers do not read, with a writer on
	// each.
	StallName = "stalled, a writer on each connection"

	// EmptyProcess is the name of the process that does nothing, in the same scenario.
	EmptyProcess = "(an empty process)"

	// StallCPU is the processor time of the library's process, as a share of one processor.
	StallCPU = "CPU"

	held        = "held a connection"
	stallBuffer = 8 << 10 // bytes of the sockets' buffers: what the kernel holds is no library's
)

func stalls() []Scenario {
	entries := each(func(lib string, o Options) (Run, error) {
		return stall(work.Job{Library: lib, Shape: work.Source, Size: 1 << 10, Limit: limit,
			Buffer: stallBuffer}, o)
	})
	return []Scenario{{
		Name: StallName,
		Metrics: []Metric{{Name: StallCPU, Unit: "%", Lower: true},
			{Name: held, Unit: "KiB", Lower: true}},
		Entries: append(entries, Entry{Library: EmptyProcess, run: empty}),
		MaxRuns: 3,
	}}
}

func stall(job work.Job, o Options) (Run, error) {
	n := pick(o, 1000, 50)
	s, err := open(job, peer.Order{Shape: peer.Idle, Buffer: stallBuffer}, false)
	if err != nil {
		return Run{}, err
	}
	defer s.close()
	before, err := s.sample(work.Want{Memory: true, Settle: true})
	if err != nil {
		return Run{}, err
	}
	if err := s.peer.Call(peer.MethodConnect, n, nil); err != nil {
		return Run{}, err
	}
	var r Run
	if r.Note, err = s.stalled(); err != nil {
		return Run{}, err
	}
	if err := s.library.Call(work.MethodCalm, nil, nil); err != nil {
		return Run{}, err
	}
	from, err := s.sample(work.Want{Memory: true, Settle: true})
	if err != nil {
		return Run{}, err
	}
	r.Values, err = quiet(s.library, o)
	if err == nil {
		r.Values[held] = kib(from.RSS-before.RSS) / float64(n)
		r.Values["heap and stacks, KiB"] = kib(from.Heap+from.Stack-before.Heap-before.Stack) / float64(n)
	}
	return r, err
}

// empty is a process of the same program with nothing to do.
func empty(o Options) (Run, error) {
	c, err := proc.Start(RoleLibrary)
	if err != nil {
		return Run{}, err
	}
	defer func() { _ = c.Close() }()
	if err := c.Call(work.MethodSample, work.Want{Memory: true, Settle: true}, nil); err != nil {
		return Run{}, err
	}
	values, err := quiet(c, o)
	return Run{Values: values}, err
}

// quiet returns what a process uses in which nothing should happen. Its background work is given
// time to end before.
func quiet(c *proc.Child, o Options) (map[string]float64, error) {
	pause(pick(o, 3*time.Second, 200*time.Millisecond))
	var from, to work.Sample
	if err := c.Call(work.MethodSample, work.Want{}, &from); err != nil {
		return nil, err
	}
	pause(10 * o.Time)
	if err := c.Call(work.MethodSample, work.Want{}, &to); err != nil {
		return nil, err
	}
	share := (to.CPU - from.CPU).Seconds() / (to.At - from.At).Seconds()
	return map[string]float64{StallCPU: 100 * share}, nil
}

// stalled waits until nothing has been sent for a while. A library that never waits is stopped at
// the limit, which is the note.
func (s *session) stalled() (note string, err error) {
	last, since := int64(-1), time.Now()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); pause(poll) {
		sample, err := s.sample(work.Want{})
		switch {
		case err != nil:
			return "", err
		case sample.Stopped:
			return stopped, nil
		case sample.Out != last:
			last, since = sample.Out, time.Now()
		case time.Since(since) > 20*poll:
			return "", nil
		}
	}
	return "", fmt.Errorf("it still sends after 30 s, with no reader")
}

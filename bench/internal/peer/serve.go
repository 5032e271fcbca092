package peer

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wsstream/wsstream/bench/internal/proc"
)

// The methods that Serve knows.
const (
	MethodStart   = "start"   // an Order; the result is an address
	MethodConnect = "connect" // a number
	MethodSample  = "sample"  // the result is a Sample
	MethodTimes   = "times"   // the result is the times of the answers, which then are in no Sample
	MethodPause   = "pause"
	MethodResume  = "resume"
)

// A Sample is what the peer's process has used and done.
type Sample struct {
	proc.Usage
	State
}

// Add adds what another process of peers has used and done. The times of answers are not added.
func (s *Sample) Add(o Sample) {
	s.At, s.CPU = max(s.At, o.At), s.CPU+o.CPU
	s.In, s.Out, s.Cut = s.In+o.In, s.Out+o.Out, s.Cut+o.Cut
	s.Fast, s.FastLost, s.FastAt = s.Fast+o.Fast, s.FastLost+o.FastLost, max(s.FastAt, o.FastAt)
}

// Serve is the peer's process.
func Serve() error {
	var p *Peer
	return proc.Serve(func(method string, args json.RawMessage) (any, error) {
		switch {
		case method == MethodStart:
			var o Order
			if err := json.Unmarshal(args, &o); err != nil {
				return nil, err
			}
			var addr string
			var err error
			p, addr, err = Start(o)
			return addr, err
		case p == nil:
			return nil, errors.New("no order was started")
		case method == MethodConnect:
			var n int
			if err := json.Unmarshal(args, &n); err != nil {
				return nil, err
			}
			return nil, p.Connect(n)
		case method == MethodSample:
			u, err := proc.Measure(false, false)
			return Sample{u, p.State()}, err
		case method == MethodTimes:
			return p.latencies.take(), nil
		case method == MethodPause:
			p.Pause()
		case method == MethodResume:
			p.Resume()
		default:
			return nil, fmt.Errorf("no method %q", method)
		}
		return nil, nil
	})
}

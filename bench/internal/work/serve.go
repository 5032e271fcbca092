package work

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wsstream/wsstream/bench/internal/proc"
)

// The methods that Serve knows.
const (
	MethodStart  = "start"  // a Job; the result is an address
	MethodSample = "sample" // a Want; the result is a Sample
	MethodGo     = "go"     // a Pace
	MethodStop   = "stop"
	MethodCalm   = "calm"
)

// A Want says what of a Sample costs something.
type Want struct{ Memory, Settle bool }

// A Sample is what the library's process has used and done.
type Sample struct {
	proc.Usage
	State
}

// Serve is the library's process.
func Serve() error {
	var w *Worker
	return proc.Serve(func(method string, args json.RawMessage) (any, error) {
		switch {
		case method == MethodStart:
			var j Job
			if err := json.Unmarshal(args, &j); err != nil {
				return nil, err
			}
			var addr string
			var err error
			w, addr, err = Start(j)
			return addr, err
		case method == MethodSample:
			var want Want
			if err := json.Unmarshal(args, &want); err != nil {
				return nil, err
			}
			u, err := proc.Measure(want.Memory, want.Settle)
			s := Sample{Usage: u}
			if w != nil {
				s.State = w.State()
			}
			return s, err
		case w == nil:
			return nil, errors.New("no job was started")
		case method == MethodGo:
			var p Pace
			if err := json.Unmarshal(args, &p); err != nil {
				return nil, err
			}
			w.Go(p)
		case method == MethodStop:
			w.Stop()
		case method == MethodCalm:
			w.Calm()
		default:
			return nil, fmt.Errorf("no method %q", method)
		}
		return nil, nil
	})
}

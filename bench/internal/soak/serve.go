package soak

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/wsstream/wsstream/bench/internal/proc"
)

// The roles of the two processes.
const (
	RoleServer  = "soak-server"
	RoleClients = "soak-clients"
)

// The methods of both processes, and of one.
const (
	methodSample  = "sample"  // the result is a sample
	methodStart   = "start"   // a Load or an Order; of the server, the result is its addresses
	methodSettle  = "settle"  // a number of goroutines; the usage before the run is noted
	methodLeft    = "left"    // the usage after the run; an error if it is more than before
	methodFinish  = "finish"  // of the clients: it begins, and the sample says when it is done
	methodRestart = "restart" // of the server: it begins
)

// A sample is what one process has done and uses.
type sample struct {
	Usage
	Open           int
	Sent, Received int64
	Finished       bool // of the clients
	Records        []Record
	Windows        []window // of the server
	Faults         []string // of the server
}

// restart is what methodRestart takes.
type restart struct {
	Early bool
	Down  time.Duration
}

const patience = 30 * time.Second // with a process that does not use less

// A process is what both processes have in common.
type process struct {
	out    outbox
	before Usage
}

// do does the methods of both processes.
func (p *process) do(method string, args json.RawMessage) (result any, err error) {
	switch method {
	case methodSettle:
		var most int
		if err := json.Unmarshal(args, &most); err != nil {
			return nil, err
		}
		stretch(most)
		p.before, err = measure(true)
		return p.before, err
	case methodLeft:
		u, err := returned(p.before, patience)
		return u, err
	}
	return nil, fmt.Errorf("no method %q", method)
}

func (p *process) sample(c *counts) (s sample, err error) {
	s = sample{Open: int(c.open.Load()), Sent: c.sent.Load(), Received: c.received.Load(),
		Records: p.out.take()}
	s.Usage, err = measure(false)
	return s, err
}

var errNotStarted = errors.New("it was not started")

// ServeServer is the process of the server.
func ServeServer() error {
	var p process
	var h *Host
	return proc.Serve(func(method string, args json.RawMessage) (any, error) {
		switch {
		case method == methodStart:
			var load Load
			err := json.Unmarshal(args, &load)
			if err == nil {
				h, err = StartHost(load, &p.out)
			}
			if err != nil {
				return nil, err
			}
			return h.Addrs, nil
		case h == nil:
			return nil, errNotStarted
		case method == methodSample:
			s, err := p.sample(&h.counts)
			s.Windows, s.Faults = h.state()
			return s, err
		case method == methodRestart:
			var r restart
			if err := json.Unmarshal(args, &r); err != nil {
				return nil, err
			}
			go h.Restart(r.Early, r.Down) // the samples say when it ends
			return nil, nil
		}
		return p.do(method, args)
	})
}

// ServeClients is the process of the clients.
func ServeClients() error {
	var p process
	var c *Clients
	var finished chan struct{}
	return proc.Serve(func(method string, args json.RawMessage) (any, error) {
		switch {
		case method == methodStart:
			var o Order
			if err := json.Unmarshal(args, &o); err != nil {
				return nil, err
			}
			c, finished = StartClients(o, &p.out), make(chan struct{})
			return nil, nil
		case method == methodSample && c != nil:
			done := false
			select {
			case <-finished:
				done = true
			default:
			}
			s, err := p.sample(&c.counts) // after the look, so that no Record is missing
			s.Finished = done
			return s, err
		case method == methodFinish && c != nil:
			go func() { // the samples say when it ends
				c.Finish()
				close(finished)
			}()
			return nil, nil
		}
		return p.do(method, args)
	})
}

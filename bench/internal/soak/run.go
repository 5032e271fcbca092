package soak

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/wsstream/wsstream/bench/internal/proc"
)

// A Config says how much to do.
type Config struct {
	For      time.Duration // from the first connection until all are closed
	Conns    int           // clients
	Restarts int           // of the server, evenly spaced
	Seed     uint64
}

// A Point is what both processes did and used at a time.
type Point struct {
	Seconds         float64 // since the first connection
	Open            int     // connections, as the server counts them
	Messages        float64 // received in a second, of both directions
	Server, Clients Usage
}

// A Result is what came out of a run.
type Result struct {
	Config
	Seconds      float64 // until all connections had ended
	Points       []Point
	RestartsAt   []Span // when the server was away
	Before       [2]Usage
	After        [2]Usage
	CPU          float64    // processors that both processes used, on average
	MessagesRate float64    // received in a second, of both directions, on average
	BackSeconds  [3]float64 // within which half of the clients were back, 99 % and all
	*Ledger
}

// A Span is a time of the run, in seconds.
type Span struct{ From, To float64 }

const (
	spareDescriptors = 256 // beside the connections
	goroutines       = 4   // of each process for a connection, at most
	warmConns        = 64
	warmTime         = 2 * time.Second
	mostPoints       = 300 // about
	mostDown         = 2 * time.Second
)

// Check returns an error that says which limit of the configuration or the system is wrong.
func (c Config) Check() error {
	switch {
	case c.For < 5*time.Second:
		return fmt.Errorf("-for is %v, and must be at least 5s", c.For)
	case c.Conns < 1:
		return fmt.Errorf("-conns is %d, and must be at least 1", c.Conns)
	case c.Restarts < 0:
		return fmt.Errorf("-restarts is %d, and must not be negative", c.Restarts)
	case c.For/time.Duration(c.Restarts+1) < 5*time.Second:
		return fmt.Errorf("-restarts is %d: in %v there is no room for so many, 5s apart",
			c.Restarts, c.For)
	}
	if err := proc.RaiseFileLimit(); err != nil {
		return fmt.Errorf("the number of open files: %w", err)
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	return c.checkDescriptors(l.Cur)
}

// load is what the plans have in common. The rate of messages is limited, so that two processors
// can keep thousands of connections alive.
func (c Config) load() Load {
	return Load{
		Seed: c.Seed,
		Pace: max(leastPace, time.Duration(2*c.Conns)*time.Second/mostRate),
		Long: min(max(c.For/3, shortLife), longLife),
	}
}

// checkDescriptors checks that a process may have enough of them.
func (c Config) checkDescriptors(limit uint64) error {
	if need := uint64(c.Conns + spareDescriptors); limit < need {
		return fmt.Errorf("-conns is %d, and a process may open %d files: raise the hard limit, "+
			"ulimit -n %d, or take fewer connections", c.Conns, limit, need)
	}
	return nil
}

// A run is the two processes, and what they have reported.
type run struct {
	config          Config
	server, clients *proc.Child
	addrs           map[string]string
	result          Result
	started         time.Duration // on the machine's clock
	last            [2]sample     // of the server and the clients
	faults          int           // of the server, that are in the Ledger
	progress        func(r *Result)
}

// Run runs what the configuration says. It calls progress after each sample. The error is for a
// run that could not be made; the faults that it has found are in the Ledger.
func Run(c Config, progress func(r *Result)) (_ *Result, err error) {
	r := &run{config: c, progress: progress, result: Result{Config: c, Ledger: NewLedger()}}
	defer func() { err = errors.Join(err, r.close()) }()
	if r.server, err = proc.Start(RoleServer); err != nil {
		return nil, err
	}
	if r.clients, err = proc.Start(RoleClients); err != nil {
		return nil, err
	}
	if err := r.server.Call(methodStart, c.load(), &r.addrs); err != nil {
		return nil, err
	}
	if err := r.do(); err != nil {
		return nil, err
	}
	return &r.result, nil
}

func (r *run) close() error {
	var errs []error
	for _, c := range []*proc.Child{r.clients, r.server} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

func (r *run) do() error {
	// The first connections fill caches of the standard library, which stay.
	if err := r.load(warmConns, 1<<40, warmTime, 0); err != nil {
		return err
	}
	for i, c := range []*proc.Child{r.server, r.clients} {
		if err := c.Call(methodSettle, goroutines*r.config.Conns, &r.result.Before[i]); err != nil {
			return err
		}
	}
	warm := r.result.Ledger
	r.result.Ledger, r.result.Points = NewLedger(), nil
	r.result.Ledger.Faults, r.result.Ledger.Broken = warm.Faults, warm.Broken
	if err := r.load(r.config.Conns, 1, r.config.For, r.config.Restarts); err != nil {
		return err
	}
	l := r.result.Ledger
	for i, c := range []*proc.Child{r.server, r.clients} {
		if err := c.Call(methodLeft, nil, &r.result.After[i]); err != nil {
			l.fault("left", "the process of the %s: %v", [...]string{"server", "clients"}[i], err)
		}
	}
	r.sum()
	return nil
}

// load has clients connect for a time, with restarts of the server, and waits until all connections
// have ended.
func (r *run) load(conns int, first uint64, long time.Duration, restarts int) error {
	o := Order{Load: r.config.load(), Conns: conns, First: first, Ramp: min(time.Minute, long/4),
		Addrs: r.addrs}
	r.started = proc.Now()
	if err := r.clients.Call(methodStart, o, nil); err != nil {
		return err
	}
	wait := time.NewTimer(0)
	defer wait.Stop()
	begun, finishing := 0, false
	var done time.Duration // when all had ended
	for {
		<-wait.C
		if err := r.sample(); err != nil {
			return err
		}
		wait.Reset(max(time.Second, long/mostPoints)) // not a ticker: a late sample delays the next
		now := proc.Now() - r.started
		switch down := r.restarting(); {
		case finishing && r.last[1].Finished && r.last[0].Open == 0:
			if done == 0 {
				done = now
			}
			if r.result.complete() || now-done > patience {
				r.result.Close()
				return nil
			}
		case finishing || down:
		case now >= long:
			finishing = true
			if err := r.clients.Call(methodFinish, nil, nil); err != nil {
				return err
			}
		case begun < restarts && now >= long*time.Duration(begun+1)/time.Duration(restarts+1):
			w := restart{Early: begun%2 == 0, Down: mostDown / time.Duration(1+begun%4)}
			begun++
			if err := r.server.Call(methodRestart, w, nil); err != nil {
				return err
			}
		}
	}
}

func (r *run) restarting() bool {
	w := r.last[0].Windows
	return len(w) > 0 && w[len(w)-1].To == 0
}

// sample asks both processes. The server is asked last: it knows of all restarts that the Records
// of the clients have met.
func (r *run) sample() error {
	var server, clients sample
	if err := r.clients.Call(methodSample, nil, &clients); err != nil {
		return err
	}
	if err := r.server.Call(methodSample, nil, &server); err != nil {
		return err
	}
	l := r.result.Ledger
	l.Add(server.Windows, clients.Records)
	l.Add(server.Windows, server.Records)
	for _, f := range server.Faults[r.faults:] {
		l.fault("server", "the server: %s", f)
	}
	r.faults = len(server.Faults)
	p := Point{Seconds: (proc.Now() - r.started).Seconds(), Open: server.Open,
		Server: server.Usage, Clients: clients.Usage}
	if n := len(r.result.Points); n > 0 {
		received := server.Received + clients.Received - r.last[0].Received - r.last[1].Received
		p.Messages = float64(received) / (p.Seconds - r.result.Points[n-1].Seconds)
	}
	r.last = [2]sample{server, clients}
	r.result.Points = append(r.result.Points, p)
	r.progress(&r.result)
	return nil
}

// sum adds up what the samples say.
func (r *run) sum() {
	res := &r.result
	first, last := res.Points[0], res.Points[len(res.Points)-1]
	res.Seconds = last.Seconds
	took := last.Seconds - first.Seconds
	used := last.Server.CPU + last.Clients.CPU - first.Server.CPU - first.Clients.CPU
	res.CPU = used.Seconds() / took
	res.MessagesRate = float64(res.Received) / res.Seconds
	slices.Sort(res.Back)
	if n := len(res.Back); n > 0 {
		for i, percent := range []int{50, 99, 100} {
			res.BackSeconds[i] = res.Back[(n*percent+99)/100-1].Seconds()
		}
	}
	for _, w := range r.last[0].Windows {
		res.RestartsAt = append(res.RestartsAt,
			Span{(w.From - r.started).Seconds(), (w.To - r.started).Seconds()})
	}
}

package scenario

import (
	"fmt"
	"time"

	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/work"
)

// HeapAndStacks is the memory that the Go runtime has in use a connection, the most of them being
// open.
const HeapAndStacks = "heap and stacks"

// Idle is the name of the scenario of connections that do nothing.
func Idle(bare, reading bool) string {
	if reading {
		return "idle, " + server(bare) + ", a read waiting on each"
	}
	return "idle, " + server(bare) + ", no reader"
}

// IdleAt is the metric of the growth of the process, a connection, when n are open.
func IdleAt(n int) string { return fmt.Sprintf("%d connections", n) }

// IdleScale is how many connections are open, one after the other.
func IdleScale(o Options) []int { return pick(o, []int{1000, 5000, 8000}, []int{100, 200}) }

// idle is what a connection costs that does nothing.
func idle(o Options) []Scenario {
	var scenarios []Scenario
	for _, bare := range []bool{false, true} {
		for _, reading := range []bool{false, true} {
			job := work.Job{Shape: work.Hold, Bare: bare}
			if reading {
				job.Shape = work.Wait
			}
			scenarios = append(scenarios, idleScenario(Idle(bare, reading), job, IdleScale(o)))
		}
	}
	return scenarios
}

// The names of the scenarios behind TLS; that of the source is without the size of its messages.
var (
	IdleTLS   = "TLS, " + Idle(false, true)
	SourceTLS = "TLS, " + Source
)

// TLSScale is how many connections are open behind TLS.
func TLSScale(o Options) []int { return pick(o, []int{1000}, []int{50}) }

// behindTLS is what TLS makes of it, and of a source.
func behindTLS(o Options) []Scenario {
	source := flow{name: Source, metrics: rateMetrics, job: work.Source, order: peer.Swallow}
	const size = 64 << 10
	return []Scenario{
		idleScenario(IdleTLS, work.Job{Shape: work.Wait, TLS: true}, TLSScale(o)),
		{
			Name:    Sized(SourceTLS, size),
			Metrics: rateMetrics,
			Entries: each(func(lib string, o Options) (Run, error) {
				return source.run(work.Job{Library: lib, Shape: work.Source, Size: size, TLS: true,
					Limit: limit}, false, o)
			}),
		},
	}
}

func idleScenario(name string, job work.Job, scale []int) Scenario {
	sc := Scenario{Name: name}
	for i := range scale {
		sc.Metrics = append(sc.Metrics,
			Metric{Name: IdleAt(scale[len(scale)-1-i]), Unit: "KiB", Lower: true})
	}
	sc.Metrics = append(sc.Metrics, Metric{Name: HeapAndStacks, Unit: "KiB", Lower: true})
	run := func(lib string, o Options) (Run, error) {
		job := job
		job.Library = lib
		return hold(job, scale, o)
	}
	if sc.Entries = servers(job.Bare, run); job.Shape == work.Wait {
		sc.Entries = orHandled(sc.Entries, run)
	}
	return sc
}

// hold opens more and more connections. Garbage is collected before each measurement, and what is
// free is given back.
func hold(job work.Job, scale []int, o Options) (Run, error) {
	s, err := open(job, peer.Order{Shape: peer.Idle, TLS: job.TLS}, false)
	if err != nil {
		return Run{}, err
	}
	defer s.close()
	want := work.Want{Memory: true, Settle: true}
	// what the first one costs is not the others' cost
	if err := s.peer.Call(peer.MethodConnect, 1, nil); err != nil {
		return Run{}, err
	}
	settle := pick(o, time.Second, 50*time.Millisecond)
	pause(settle)
	before, err := s.sample(want)
	if err != nil {
		return Run{}, err
	}
	r := Run{Values: map[string]float64{}}
	open := 0
	for _, n := range scale {
		if err := s.peer.Call(peer.MethodConnect, n-open, nil); err != nil {
			return Run{}, err
		}
		open = n
		pause(settle)
		now, err := s.sample(want)
		if err != nil {
			return Run{}, err
		}
		r.Values[IdleAt(n)] = kib(now.RSS-before.RSS) / float64(n)
		r.Values[HeapAndStacks] = kib(now.Heap+now.Stack-before.Heap-before.Stack) / float64(n)
	}
	return r, nil
}

func kib(bytes int64) float64 { return float64(bytes) / (1 << 10) }

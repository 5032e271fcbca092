package graph

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A Report is what became of a run.
type Report struct {
	Faults []string // laws that were broken
	Log    string   // what happened, one event a line: its number, its time, the call
	Events int
}

// Run runs p in a synctest bubble, and compares what happens with the model.
func Run(t *testing.T, p Program) (r Report) {
	t.Helper()
	w := new(world)
	defer func() {
		if v := recover(); v != nil { // goroutines are left, and wait for ever
			w.fault("%v", v)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		r = Report{w.faults, w.String(), w.events}
	}()
	synctest.Test(t, func(t *testing.T) { w.run(t, p) })
	return r
}

const (
	idle    = 25  // milliseconds without an event, behind which a program is over
	longest = 400 // milliseconds of a program
)

func (w *world) run(t *testing.T, p Program) {
	w.began = time.Now()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	b := &builder{world: w, t: t, ctx: ctx, start: make(chan struct{})}
	for n, s := range p.Sources {
		b.source(n, s)
	}
	for n, s := range p.Steps {
		b.step(n, s)
	}
	leaves := b.open
	for n, leaf := range leaves {
		b.sink(n, leaf, p.Sinks[n%len(p.Sinks)])
	}
	close(b.start)
	w.watch()
	for n, leaf := range leaves {
		_ = leaf.r.Cancel(outside(fmt.Sprintf("the end of output %d", n)))
	}
	w.settle()
	cancel(errTeardown)
	for _, end := range b.teardown {
		end()
	}
	w.settle()
	w.settle()
	w.final()
	if len(w.faults) == 0 {
		b.wg.Wait()
	}
}

// watch lets the program run until nothing happens any more.
func (w *world) watch() {
	sleep(ms / 2) // between the moments at which something happens
	last, still := 0, 0
	for range longest {
		synctest.Wait()
		if n := w.quiet(); n != last {
			last, still = n, 0
		}
		if still++; still > idle {
			return
		}
		sleep(ms)
	}
}

// settle waits until what must happen has happened.
func (w *world) settle() {
	synctest.Wait()
	w.quiet()
	sleep(2 * time.Second)
	synctest.Wait()
	w.quiet()
}

// sleep lets the bubble's time pass.
func sleep(d time.Duration) { <-time.After(d) }

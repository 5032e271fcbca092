package graph

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A world is one run of a program: its log, and the faults that the laws found in the log.
type world struct {
	mu sync.Mutex
	// Guarded by mu.
	began  time.Time
	events int      // so far
	epoch  int      // quiescent points so far
	lines  []string // the log as text
	faults []string
	laws   []law
}

// A law is the part of the model that one operator or one stream obeys. Its functions look at the
// log and report faults. The world's mu is held while they run. Each may be nil.
type law struct {
	always func() // after each event
	quiet  func() // when every goroutine waits
	final  func() // after the end of the run
}

// A stamp is the place of an event in the log.
type stamp struct {
	n     int // counts events from 1; zero means not yet
	epoch int
	at    time.Duration // since the start of the run
}

func (s stamp) set() bool { return s.n > 0 }

// stampLocked notes an event. The mu must be held.
func (w *world) stampLocked(format string, args ...any) stamp {
	w.events++
	s := stamp{w.events, w.epoch, time.Since(w.began)}
	if len(w.lines) < 2000 {
		w.lines = append(w.lines,
			fmt.Sprintf("%4d %5s %s", s.n, s.at, fmt.Sprintf(format, args...)))
	}
	return s
}

// faultLocked reports that a law was broken. The mu must be held.
func (w *world) faultLocked(format string, args ...any) {
	fault := fmt.Sprintf(format, args...)
	if len(w.faults) < 20 && !slices.Contains(w.faults, fault) {
		w.faults = append(w.faults, fault)
		w.stampLocked("FAULT %s", fault)
	}
}

func (w *world) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faultLocked(format, args...)
}

// alwaysLocked checks the laws after an event.
func (w *world) alwaysLocked() {
	for _, l := range w.laws {
		if l.always != nil {
			l.always()
		}
	}
}

// quiet checks the laws at a quiescent point, and reports how many events there were so far.
func (w *world) quiet() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.laws {
		if l.quiet != nil {
			l.quiet()
		}
	}
	w.epoch++
	return w.events
}

// final checks the laws at the end of the run.
func (w *world) final() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.laws {
		if l.final != nil {
			l.final()
		}
	}
}

func (w *world) add(l law) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.laws = append(w.laws, l)
}

func (w *world) String() string { return strings.Join(w.lines, "\n") }

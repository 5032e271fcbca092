package soak

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/wsstream/wsstream/bench/internal/proc"
)

// HeapTolerance is how many bytes a heap may have grown by after the run. What stays are caches and
// tables of the runtime and the standard library: 260,000 bytes were measured with 4,000 clients.
// If each of 8,000 connections leaves a kilobyte behind, that is four times as much.
const HeapTolerance = 2 << 20

// A Usage is what a process uses.
type Usage struct {
	RSS, Heap, Stack int64 // bytes; of the heap, those that are allocated
	CPU              time.Duration
	Goroutines       int
	Descriptors      int
}

// stretch has n goroutines wait, and then end. The runtime never frees what it has allocated for a
// goroutine. So the heap before the run has as much of it as the heap after the run.
func stretch(n int) {
	var all, begun sync.WaitGroup
	end := make(chan struct{})
	begun.Add(n)
	for range n {
		all.Go(func() { // ends here
			begun.Done()
			<-end
		})
	}
	begun.Wait()
	close(end)
	all.Wait()
}

// measure returns the usage of this process. With settle it first collects garbage.
func measure(settle bool) (Usage, error) {
	if settle {
		for range 4 { // pools let go with the second collection
			debug.FreeOSMemory()
		}
	}
	p, err := proc.Measure(false, false)
	if err != nil {
		return Usage{}, err
	}
	m := []metrics.Sample{ // which do not stop the process, as runtime.ReadMemStats does
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(m)
	fds, err := descriptors()
	return Usage{RSS: p.RSS, Heap: int64(m[0].Value.Uint64()), Stack: int64(m[1].Value.Uint64()),
		CPU: p.CPU, Goroutines: runtime.NumGoroutine(), Descriptors: fds}, err
}

// descriptors counts the open files of this process. Since Linux 6.2 they are the size of a folder.
// To read that folder takes a system call for each few hundred. After each of them the goroutine
// waits for its turn, which may take seconds in a process with too much to do.
func descriptors() (int, error) {
	const dir = "/proc/self/fd"
	info, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	if n := info.Size(); n > 0 {
		return int(n), nil
	}
	fds, err := os.ReadDir(dir)
	return len(fds), err
}

// left says what a process that used before still uses in addition. It is nil if there is nothing.
func (u Usage) left(before Usage) error {
	var errs []error
	if n := u.Goroutines - before.Goroutines; n > 0 {
		errs = append(errs, fmt.Errorf("%d goroutines more than before", n))
	}
	if n := u.Descriptors - before.Descriptors; n > 0 {
		errs = append(errs, fmt.Errorf("%d descriptors more than before", n))
	}
	if n := u.Heap - before.Heap; n > HeapTolerance {
		errs = append(errs, fmt.Errorf("%d bytes of heap more than before, above the tolerance of %d",
			n, HeapTolerance))
	}
	return errors.Join(errs...)
}

// returned waits until the process uses what it used before. If it still uses more after a while,
// the error says so, with the stacks of the goroutines.
func returned(before Usage, patience time.Duration) (u Usage, err error) {
	for end := time.Now().Add(patience); ; <-time.After(200 * time.Millisecond) {
		if u, err = measure(true); err != nil {
			return u, err
		}
		err := u.left(before)
		if err == nil {
			return u, nil
		}
		if time.Now().After(end) {
			var stacks bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
			return u, fmt.Errorf("%w\n%s", err, stacks.Bytes()[:min(stacks.Len(), 4<<10)])
		}
	}
}

package proc

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
)

// A Usage is what a process has used.
type Usage struct {
	At  time.Duration // on a clock that all processes share
	CPU time.Duration // user and system, since the start
	RSS int64         // bytes

	// Of the Go runtime, in bytes; Mallocs is a number. Zero unless asked for.
	Heap, Stack int64
	Mallocs     uint64
}

// Now is the time on the machine's clock.
func Now() time.Duration { return time.Duration(time.Now().UnixNano()) }

// Measure returns the usage of this process. With memory it also asks the Go runtime, which stops
// the process for a moment. With settle it first collects garbage, and gives free memory back to
// the system.
func Measure(memory, settle bool) (u Usage, err error) {
	if settle {
		// pools let go with the second collection, and each one halves the stacks that are too large
		for range 4 {
			debug.FreeOSMemory()
		}
	}
	if memory {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		u.Heap, u.Stack, u.Mallocs = int64(m.HeapInuse), int64(m.StackInuse), m.Mallocs
	}
	if u.RSS, err = RSS(); err != nil {
		return u, err
	}
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return u, err
	}
	u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	u.At = Now()
	return u, nil
}

// RSS returns how much of this process is in memory, in bytes.
func RSS() (int64, error) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm is %q", statm)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// RaiseFileLimit raises the number of open files of this process, and of those it starts, as far as
// the system lets it.
func RaiseFileLimit() error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	l.Cur = l.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}

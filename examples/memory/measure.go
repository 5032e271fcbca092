package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// A footprint is how much memory a process has, in bytes.
type footprint struct{ resident, inUse int64 }

// measure opens n connections, brings them into the row's state, and prints what one costs.
func measure(ctx context.Context, r row, n int, name string, stdout io.Writer) error {
	h := host{row: r, settled: make(chan error)}
	addr, err := h.listen(ctx)
	if err != nil {
		return err
	}
	far, err := startFar(ctx, name, addr)
	if err != nil {
		return err
	}
	defer far.stop()
	if r.client {
		if addr, err = far.line(); err != nil {
			return err
		}
	}
	// what the first one costs is not the others' cost
	if err := h.open(ctx, far, addr, 1); err != nil {
		return err
	}
	before, err := sample()
	if err != nil {
		return err
	}
	if err := h.open(ctx, far, addr, n); err != nil {
		return err
	}
	after, err := sample()
	if err != nil {
		return err
	}
	each := func(from, to int64) string {
		return fmt.Sprintf("%.1f", float64(to-from)/(1<<10)/float64(n))
	}
	_, _ = fmt.Fprintf(stdout, line, name, each(before.resident, after.resident),
		each(before.inUse, after.inUse))
	return nil
}

// sample tells what memory this process has, once what was busy is quiet.
func sample() (footprint, error) {
	<-time.After(time.Second)
	debug.FreeOSMemory() // collects garbage first
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
	}
	metrics.Read(s)
	var f footprint
	for _, s := range s {
		f.inUse += int64(s.Value.Uint64())
	}
	statm, err := os.ReadFile("/proc/self/statm") // pages: all of it, resident, …
	if err != nil {
		return f, err
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	f.resident = pages * int64(os.Getpagesize())
	return f, err
}

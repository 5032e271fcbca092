//go:build unix

package wsstream_test

import (
	"context"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// BenchmarkIdle measures what 10,000 Conns at rest cost, both ends of 5,000 connections over TCP in one process: an
// operation is one second of rest. It needs 10,100 file descriptors, and is only of use with -benchtime 20x or more,
// which is one PingInterval.
func BenchmarkIdle(b *testing.B) {
	const conns = 5000
	for _, interval := range []time.Duration{0, 20 * time.Second, time.Second} {
		name := "off"
		if interval > 0 {
			name = "PingInterval=" + interval.String()
		}
		b.Run(name, func(b *testing.B) {
			before := inUse()
			idle(b, conns, interval)
			<-time.After(time.Second) // the background readers have begun
			held := inUse() - before
			cpu := cpuTime()
			n := 0
			for b.Loop() {
				<-time.After(time.Second)
				n++
			}
			b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(n), "cpu-µs/s")
			b.ReportMetric(float64(held)/(2*conns), "B/conn")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// idle opens connections that last until the benchmark's end, whose ends both ping.
func idle(b *testing.B, n int, interval time.Duration) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	b.Cleanup(func() { _ = l.Close() })
	dialled := make(chan error)
	var mu sync.Mutex
	var all []*wsstream.Conn
	keep := func(c *wsstream.Conn) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, c)
	}
	go func() {
		for range n {
			c := wsstream.Dial(context.Background(), "ws://"+l.Addr().String(), &wsstream.DialOptions{PingInterval: interval})
			_, err := c.Opened().Wait(context.Background())
			keep(c)
			dialled <- err
		}
	}()
	for range n {
		nc, err := l.Accept()
		require.NoError(b, err)
		c, err := wsstream.AcceptConn(context.Background(), nc, &wsstream.AcceptOptions{PingInterval: interval})
		require.NoError(b, err)
		keep(c)
		require.NoError(b, <-dialled)
	}
	b.Cleanup(func() {
		for _, c := range all {
			c.CloseNow()
			<-c.Closed().Done()
		}
	})
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

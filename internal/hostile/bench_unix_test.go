//go:build unix

package hostile

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

const (
	honestPeers  = 100
	hostilePeers = 2000
	honestEvery  = 50 * time.Millisecond  // between two messages of an honest peer
	window       = 500 * time.Millisecond // whose echoes have a p99
	windows      = 5                      // of each measurement
	patience     = 10 * time.Second       // for a measurement that a flood delays
)

// echoes serves an echo over loopback, with the default limits and compression.
func echoes(b *testing.B) (addr string) {
	echo := func(conn *wsstream.Conn, _ *http.Request) error {
		for m, err := range conn.Readable().All(conn.Context()) {
			if err == nil {
				err = conn.Writable().Write(conn.Context(), m)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	a := &wsstream.Acceptor{Options: compressing}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	srv := &http.Server{
		Handler:           a.Handler(echo),
		ReadHeaderTimeout: 10 * time.Second,
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = a.Shutdown(ctx) // cuts the rest
		_ = srv.Close()
		<-served
	})
	return l.Addr().String()
}

// honest connects the honest peers, calls begins, and runs them. It returns how long each echo took,
// from the time at which its message was due, by windows.
func honest(b *testing.B, addr string, begins func()) (took [windows][]time.Duration) {
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	var conns []*wsstream.Conn
	for range honestPeers {
		conn := wsstream.Dial(ctx, "ws://"+addr, nil)
		defer conn.CloseNow()
		_, err := conn.Opened().Wait(ctx)
		require.NoError(b, err)
		conns = append(conns, conn)
	}
	begins()
	var mu sync.Mutex
	var all sync.WaitGroup
	begin := time.Now().Add(100 * time.Millisecond)
	for i, conn := range conns {
		all.Go(func() {
			var own [windows][]time.Duration
			var m wsstream.Message
			due := begin.Add(honestEvery * time.Duration(i) / honestPeers)
			for ; due.Sub(begin) < windows*window && time.Since(begin) < patience; due = due.Add(honestEvery) {
				<-time.After(time.Until(due))
				err := conn.Writable().Write(ctx, wsstream.Text("an honest message of an honest peer"))
				if err == nil {
					err = conn.Readable().PullInto(ctx, &m)
				}
				if err != nil {
					b.Error(err)
					return
				}
				w := due.Sub(begin) / window
				own[w] = append(own[w], time.Since(due))
			}
			mu.Lock()
			for w := range own {
				took[w] = append(took[w], own[w]...)
			}
			mu.Unlock()
		})
	}
	all.Wait()
	return took
}

// p99s returns the 99th percentile of each window, in milliseconds.
func p99s(took [windows][]time.Duration) (all []float64) {
	for _, w := range took {
		if len(w) == 0 {
			continue // a flood has delayed all of them
		}
		slices.Sort(w)
		all = append(all, w[len(w)*99/100].Seconds()*1e3)
	}
	return all
}

// median returns the median.
func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// A siege says what hostile peers there are.
type siege struct {
	peers int
	every time.Duration // between two acts of a peer
	acts  int           // of each; 0: no limit
	kind  string        // "": all kinds
}

// besiege starts hostile peers in a process of their own. end kills it, or waits for the last of
// its acts, and returns the CPU time that it took itself.
func besiege(b *testing.B, addr string, s siege) (end func() time.Duration) {
	exe, err := os.Executable()
	require.NoError(b, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "HOSTILE_ADDR="+addr, "HOSTILE_PEERS="+strconv.Itoa(s.peers),
		"HOSTILE_EVERY="+s.every.String(), "HOSTILE_ACTS="+strconv.Itoa(s.acts), "HOSTILE_KIND="+s.kind)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	life, err := cmd.StdinPipe() // which ends with this process
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	require.Equal(b, "connected\n", line)
	return func() time.Duration {
		if s.acts == 0 {
			_ = cmd.Process.Kill()
		}
		_, _ = io.Copy(io.Discard, out)
		_ = life.Close()
		_ = cmd.Wait() // it may have been killed
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
}

// BenchmarkHonestPeers measures the p99 of an echo for 100 honest peers, alone and beside 2,000
// hostile ones, in turn. It reports the median over windows of half a second, because another
// process of the machine may disturb some of them. The hostile peers run in another process, and
// share the machine's cores: their own CPU time is reported, in cores. An act is half a KiB, or a
// handshake.
//
//	go test -run '^$' -bench HonestPeers -benchtime 5x ./internal/hostile
func BenchmarkHonestPeers(b *testing.B) {
	for _, bc := range []struct {
		name  string
		peers int
		every time.Duration // between two acts of a hostile peer
	}{
		{"hostile peers act every 5s", hostilePeers, 5 * time.Second},
		{"hostile peers act every 1s", hostilePeers, time.Second},
		{"hostile peers flood at full CPU", hostilePeers, 0},
	} {
		b.Run(bc.name, func(b *testing.B) {
			addr := echoes(b)
			var alone, beside []float64
			var cpu, wall time.Duration
			for b.Loop() {
				alone = append(alone, p99s(honest(b, addr, func() {}))...)
				var end func() time.Duration
				var start time.Time
				beside = append(beside, p99s(honest(b, addr, func() {
					start = time.Now()
					end = besiege(b, addr, siege{peers: bc.peers, every: bc.every})
				}))...)
				cpu += end()
				wall += time.Since(start)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(alone), "alone-p99-ms")
			b.ReportMetric(median(beside), "beside-p99-ms")
			b.ReportMetric(median(beside)/median(alone), "times")
			b.ReportMetric(alone[len(alone)*9/10], "alone-p99-of-the-worst-tenth-ms")
			b.ReportMetric(beside[len(beside)*9/10], "beside-p99-of-the-worst-tenth-ms")
			b.ReportMetric(cpu.Seconds()/wall.Seconds(), "hostile-cores")
		})
	}
}

// BenchmarkAct measures the CPU time that one act of a hostile peer costs the server, with the
// kernel's share of it.
//
//	go test -run '^$' -bench Act -benchtime 1x ./internal/hostile
func BenchmarkAct(b *testing.B) {
	for _, k := range kinds() {
		b.Run(k.name, func(b *testing.B) {
			addr := echoes(b)
			s := siege{peers: 50, every: 20 * time.Millisecond, acts: 100, kind: k.name}
			var cost time.Duration
			for b.Loop() {
				before := cpuTime(b)
				besiege(b, addr, s)()
				cost += cpuTime(b) - before
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(cost.Microseconds())/float64(b.N*s.peers*s.acts), "µs/act")
		})
	}
}

// cpuTime returns the CPU time that this process has taken.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

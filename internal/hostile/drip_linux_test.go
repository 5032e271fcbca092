package hostile

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// handles serves an echo over loopback. A message handler answers, so an idle connection has no
// goroutine.
func handles(tb testing.TB) (addr string, a *wsstream.Acceptor) {
	a = &wsstream.Acceptor{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	served := make(chan struct{})
	go func() { // ends with the listener
		defer close(served)
		for {
			nc, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			go func() { // ends with the handshake
				conn, err := a.AcceptConn(context.Background(), nc)
				if err != nil {
					return
				}
				_ = conn.Readable().Handle(func(m wsstream.Message) error {
					return conn.Writable().Write(conn.Context(), m)
				}, nil)
			}()
		}
	}()
	tb.Cleanup(func() {
		_ = l.Close()
		<-served
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = a.Shutdown(ctx) // cuts all
	})
	return l.Addr().String(), a
}

// TestBytesOneByOneHoldUpNoOther: 500 peers send their frames byte by byte. After each byte of all
// of them, an honest peer gets its echo.
func TestBytesOneByOneHoldUpNoOther(t *testing.T) {
	const peers = 500
	addr, _ := handles(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	honest := wsstream.Dial(ctx, "ws://"+addr, nil)
	defer honest.CloseNow()
	slow := make([]*wstest.Peer, peers)
	for i := range slow {
		nc, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		slow[i] = wstest.NewPeer(t, nc, wstest.AsClient)
		slow[i].DialHandshake("/")
	}
	message := wstest.Text("one by one")
	for _, b := range slow[0].Encode(message) {
		for _, p := range slow {
			p.SendRaw([]byte{b})
		}
		require.NoError(t, honest.Writable().Write(ctx, wsstream.Text("honest")))
		m, err := honest.Readable().Pull(ctx)
		require.NoError(t, err)
		require.Equal(t, "honest", string(m.Data))
	}
	for _, p := range slow {
		p.Want("the echo of what came byte by byte", message)
	}
}

// BenchmarkDrip measures what 10,000 peers cost that send a byte a second each: the CPU time of the
// server, in cores, and the p99 of the echoes of 100 honest peers, alone and beside them.
//
//	go test -run '^$' -bench Drip -benchtime 3x ./internal/hostile
func BenchmarkDrip(b *testing.B) {
	const peers, long = 10_000, 5 * time.Second
	var alone, beside []float64
	var cpu time.Duration
	for b.Loop() {
		addr, a := handles(b)
		alone = append(alone, p99s(honest(b, addr, func() {}))...)
		end := besiege(b, addr, siege{peers: peers, every: time.Second, kind: drip.name})
		for a.Len() < peers {
			<-time.After(10 * time.Millisecond)
		}
		before := cpuTime(b)
		<-time.After(long)
		cpu += cpuTime(b) - before
		beside = append(beside, p99s(honest(b, addr, func() {}))...)
		end()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(cpu.Seconds()/long.Seconds()/float64(b.N), "server-cores")
	b.ReportMetric(median(alone), "alone-p99-ms")
	b.ReportMetric(median(beside), "beside-p99-ms")
}

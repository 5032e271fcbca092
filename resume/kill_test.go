package resume_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"hash"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// The long form is go test -run OverTCP -kill.bytes 1073741824 -kill.every 1900000.
var (
	killBytes = flag.Int64("kill.bytes", 16<<20, "how much a kill test transfers each way")
	killEvery = flag.Int64("kill.every", 200_000, "after how many bytes, on average, it cuts a connection")
)

// A killer cuts a connection after a random number of bytes, in either direction.
type killer struct {
	net.Conn
	left  *atomic.Int64
	kills *atomic.Int64
}

func (k killer) Read(p []byte) (int, error) {
	n, err := k.Conn.Read(p)
	return n, k.count(n, err)
}

func (k killer) Write(p []byte) (int, error) {
	if left := k.left.Load(); left >= 0 && left < int64(len(p)) { // inside of a frame
		n, _ := k.Conn.Write(p[:left])
		return n, k.count(len(p), net.ErrClosed)
	}
	n, err := k.Conn.Write(p)
	return n, k.count(n, err)
}

func (k killer) count(n int, err error) error {
	if left := k.left.Add(int64(-n)); left < 0 && left+int64(n) >= 0 {
		k.kills.Add(1)
		if tcp, ok := k.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset
		}
		_ = k.Conn.Close()
	}
	return err
}

// send writes random messages of total bytes, and ends the stream. It returns their hash.
func send(ctx context.Context, w *resume.Writable, seed uint64, total int64) ([]byte, error) {
	random := rand.New(rand.NewPCG(seed, 0))
	h := sha256.New()
	data := make([]byte, 100_000)
	for i := range data {
		data[i] = byte('a' + random.IntN(26))
	}
	for total > 0 {
		n := min(random.Int64N(1<<random.Int64N(17)), total)
		from := random.Int64N(int64(len(data)) - n + 1)
		m := wsstream.Message{
			Type: wsstream.Type(1 + random.IntN(2)), Data: data[from : from+n],
		}
		if err := w.Write(ctx, m); err != nil {
			return nil, err
		}
		add(h, m)
		total -= n
	}
	return h.Sum(nil), w.Write(ctx, wsstream.Text("end"))
}

// receive pulls until "end". It returns the hash of what came before.
func receive(ctx context.Context, r *resume.Readable) ([]byte, error) {
	h := sha256.New()
	var m wsstream.Message
	for {
		if err := r.PullInto(ctx, &m); err != nil {
			return nil, err
		}
		if string(m.Data) == "end" {
			return h.Sum(nil), nil
		}
		add(h, m)
	}
}

func add(h hash.Hash, m wsstream.Message) {
	h.Write([]byte{byte(m.Type), byte(len(m.Data)), byte(len(m.Data) >> 8), byte(len(m.Data) >> 16)})
	h.Write(m.Data)
}

// exchange transfers in both directions, and ends in order.
func exchange(t *testing.T, client, server *resume.Session) {
	t.Helper()
	var wg sync.WaitGroup
	var sent, received [2][]byte
	for i, s := range []*resume.Session{client, server} {
		wg.Go(func() {
			var err error
			sent[i], err = send(t.Context(), s.Writable(), uint64(i), *killBytes)
			if err != nil {
				t.Errorf("send %d: %v", i, err)
			}
		})
		wg.Go(func() {
			var err error
			received[1-i], err = receive(t.Context(), s.Readable())
			if err != nil {
				t.Errorf("receive %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, sent, received)
	require.NoError(t, client.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
	_, err := server.Closed().Wait(t.Context())
	require.NoError(t, err)
}

func TestKilledConnectionsLoseNothingOverTCP(t *testing.T) {
	var kills atomic.Int64
	sessions := make(chan *resume.Session, 1)
	h := resume.NewServer(func(s *resume.Session, r *http.Request) error {
		sessions <- s
		<-r.Context().Done()
		return nil
	}, nil)
	server := httptest.NewServer(h)
	defer server.Close()
	kill := func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		var left atomic.Int64
		left.Store(rand.Int64N(2 * *killEvery))
		return killer{nc, &left, &kills}, nil
	}
	client := resume.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"),
		&resume.DialOptions{
			Conn:       &wsstream.DialOptions{NetDial: kill},
			FirstPause: time.Millisecond, LongestPause: 10 * time.Millisecond,
		})
	defer client.CloseNow()
	stop := make(chan struct{})
	peak := watchHeap(stop)
	exchange(t, client, <-sessions)
	close(stop)
	most := <-peak
	require.Less(t, most, uint64(40<<20))
	require.Greater(t, kills.Load(), *killBytes / *killEvery)
	t.Logf("%d kills, %d resumed, %d MiB of heap at most", kills.Load(), client.Resumed(), most>>20)
}

// watchHeap returns the most bytes that the heap had until stop is closed.
func watchHeap(stop <-chan struct{}) <-chan uint64 {
	peak := make(chan uint64)
	go func() { // the test's: it ends with stop
		var most uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return peak
}

func TestKilledConnectionsLoseNothingInMemory(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		random := rand.New(rand.NewPCG(1, 2))
		w.prepare = func(nc *memnet.Conn) {
			nc.CutAfter(random.Int64N(*killEvery))
		}
		client, server := w.pair(&resume.DialOptions{FirstPause: time.Millisecond})
		exchange(t, client, server)
		require.Greater(t, client.Resumed(), 50)
	})
}

package hostile

import (
	"context"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// million is how many frames, or compressed blocks, an attack of a million has. Under the race
// detector it has a twentieth of them.
var million = func() int {
	build, ok := debug.ReadBuildInfo()
	if ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return 50_000
	}
	return 1_000_000
}()

// maxRow is how many consecutive frames without data, or blocks, may come within a second.
const maxRow = 16 << 10

// readBuffer is the size of the engine's largest read buffer.
const readBuffer = 64<<10 + 14

// A victim is a server's Conn that is attacked in memory, and the peer that attacks it.
type victim struct {
	conn *wsstream.Conn
	peer *wstest.Peer
	near *counted     // the victim's end of the transport
	far  *memnet.Conn // the peer's end
}

// A counted is the victim's end of a transport. It counts calls that move bytes.
type counted struct {
	*memnet.Conn
	reads, writes atomic.Int64
}

// Read counts a read.
func (c *counted) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(p)
}

// Write counts a write.
func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// attacked returns a victim whose handshake is done. extra are lines of the peer's request.
func attacked(t *testing.T, o *wsstream.AcceptOptions, extra ...string) *victim {
	t.Helper()
	return attackedOver(t, 0, o, extra...)
}

// attackedOver is attacked over a transport that buffers at most limit bytes each way.
func attackedOver(t *testing.T, limit int, o *wsstream.AcceptOptions, extra ...string) *victim {
	t.Helper()
	near, far := memnet.Pipe(limit)
	v := &victim{near: &counted{Conn: near}, far: far, peer: wstest.NewPeer(t, far, wstest.AsClient)}
	accepted := make(chan error, 1)
	go func() { // ends with the handshake
		var err error
		v.conn, err = wsstream.AcceptConn(t.Context(), v.near, o)
		accepted <- err
	}()
	v.peer.DialHandshake("/", extra...)
	require.NoError(t, <-accepted)
	t.Cleanup(func() {
		v.conn.CloseNow()
		<-v.conn.Closed().Done()
	})
	return v
}

// floods writes b to the victim, again and again, n times, and returns a channel that gets the
// first error, or nil.
func (v *victim) floods(b []byte, n int) <-chan error {
	done := make(chan error, 1)
	go func() { // ends with the transport
		var err error
		for i := 0; i < n && err == nil; i++ {
			_, err = v.far.Write(b)
		}
		done <- err
	}()
	return done
}

// closed waits for the end of the victim.
func (v *victim) closed(t *testing.T) error {
	t.Helper()
	_, err := v.conn.Closed().Wait(t.Context())
	return err
}

// allocated returns how many objects and bytes f allocates, with all goroutines that it starts.
func allocated(f func()) (objects, bytes int) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.Mallocs - before.Mallocs), int(after.TotalAlloc - before.TotalAlloc)
}

// heap returns how much is in use, once all goroutines of the bubble wait.
func heap() int {
	var m runtime.MemStats
	synctest.Wait()
	runtime.GC()
	runtime.GC() // pools keep what they were given for one
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// dialling returns a NetDial that gives nc to the first call, and counts the calls.
func dialling(nc net.Conn) (dial func(context.Context, string, string) (net.Conn, error), calls *atomic.Int64) {
	calls = new(atomic.Int64)
	return func(context.Context, string, string) (net.Conn, error) {
		if calls.Add(1) > 1 {
			return nil, net.ErrClosed
		}
		return nc, nil
	}, calls
}

// took requires the time that has passed in the bubble since start.
func took(t *testing.T, want time.Duration, start time.Time, what string) {
	t.Helper()
	require.Equal(t, want, time.Since(start), what)
}

func TestMain(m *testing.M) {
	if addr := os.Getenv("HOSTILE_ADDR"); addr != "" {
		attack(addr) // for a benchmark, in a process of its own
		return
	}
	goleak.VerifyTestMain(m)
}

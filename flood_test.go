package wsstream_test

import (
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// floodDials is how many Dials of each kind are made into a flood.
func floodDials() int {
	if n, err := strconv.Atoi(os.Getenv("WSSTREAM_STRESS_DIALS")); err == nil {
		return n
	}
	return 1
}

// busy keeps n goroutines computing until the test ends.
func busy(t *testing.T, n int) {
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for x := uint64(1); !stop.Load(); x = x*6364136223846793005 + 1 {
				_ = x
			}
		})
	}
	t.Cleanup(func() { stop.Store(true); wg.Wait() })
}

// longFrame is the header of a frame of 16 MiB, and its payload.
func longFrame() []byte {
	return append([]byte{0x82, 0x7f, 0, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 16<<20)...)
}

// A Dial whose peer sends 16 MiB right behind the 101 ran into HandshakeTimeout now and then, on a
// machine under load. Until the handshake is done Dial waits for its request to be taken, for the
// header of the response, and for a processor. None of these waits for the flood: no time passes
// here, in whatever pieces the bytes come.
func TestDialIsNotSlowedByAFloodBehindThe101(t *testing.T) {
	behind := longFrame()
	for _, chunk := range []int{1, 7, 100, 4095, 4096, 4097, 0} {
		t.Run(strconv.Itoa(chunk), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				near.Chunk(chunk)
				conn := dialOver(t, near, nil)
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				start := time.Now()
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					_, _ = far.Write(append(wstest.SwitchingProtocols(peer.ReadRequest()), behind...))
				}()
				_, err := conn.Opened().Wait(t.Context())
				require.NoError(t, err)
				require.Zero(t, time.Since(start))
				conn.CloseNow()
				<-sent
			})
		})
	}
}

// With busy processors the handshake takes what a bare exchange of as many bytes takes, the control,
// times the goroutines that have to run one after another. WSSTREAM_STRESS_DIALS says how many Dials
// of each kind are made.
func TestDialReturnsDuringAFloodBehindThe101(t *testing.T) {
	behind := longFrame()
	for _, procs := range []int{1, 2, 8} {
		for _, kind := range []string{"memory", "tcp"} {
			t.Run(strconv.Itoa(procs)+" processors, "+kind, func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				busy(t, 2*procs)
				pipe := func() (near, far net.Conn) {
					if kind == "tcp" {
						return tcpPipe(t, 0)
					}
					return memnet.Pipe(0)
				}
				var slowest, control time.Duration
				for range floodDials() {
					near, far := pipe()
					slowest = max(slowest, dialIntoFlood(t, near, far, behind))
					near, far = pipe()
					control = max(control, exchangeBeforeFlood(t, near, far, behind))
				}
				t.Logf("the slowest handshake took %v, the slowest control %v", slowest, control)
			})
		}
	}
}

// exchangeBeforeFlood exchanges as many bytes as a handshake, without wsstream.
func exchangeBeforeFlood(t *testing.T, near, far net.Conn, behind []byte) time.Duration {
	start := time.Now()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.ReadFull(far, make([]byte, 200))
		_, _ = far.Write(append(make([]byte, 200), behind...))
	}()
	opened := make(chan error, 1)
	go func() {
		_, err := near.Write(make([]byte, 200))
		if err == nil {
			_, err = io.ReadFull(near, make([]byte, 200))
		}
		opened <- err
	}()
	require.NoError(t, <-opened)
	took := time.Since(start)
	near.Close()
	<-sent
	far.Close()
	return took
}

// dialIntoFlood makes a Dial whose peer floods it, and returns how long the handshake took. One that
// takes long is shown with what all goroutines do.
func dialIntoFlood(t *testing.T, near, far net.Conn, behind []byte) time.Duration {
	peer := wstest.NewPeer(t, far, wstest.AsServer)
	late := time.AfterFunc(wsstream.DefaultHandshakeTimeout/2, func() {
		stacks := make([]byte, 1<<20)
		t.Logf("a handshake takes long:\n%s", stacks[:runtime.Stack(stacks, true)])
	})
	start := time.Now()
	conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{
		NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
	})
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = far.Write(append(wstest.SwitchingProtocols(peer.ReadRequest()), behind...))
	}()
	_, err := conn.Opened().Wait(t.Context())
	took := time.Since(start)
	late.Stop()
	require.NoError(t, err)
	r, err := conn.Readable().NextMessage(t.Context())
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, 256<<10)) // more than was read ahead
	require.NoError(t, err)
	conn.CloseNow()
	<-conn.Closed().Done()
	<-sent
	far.Close()
	return took
}

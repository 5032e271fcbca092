package peer

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/bench/internal/frame"
)

func TestASteadyMessageIsTimedFromWhenItWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		const pace, slow = 10 * time.Millisecond, 35 * time.Millisecond
		go func() { // the second answer is slow
			defer func() { _ = far.Close() }()
			answer, buf := frame.New(frame.Binary, []byte{0}, false), make([]byte, 64)
			for n := range 4 {
				if _, err := far.Read(buf); err != nil {
					return
				}
				if n == 1 {
					<-time.After(slow)
				}
				_, _ = far.Write(answer)
			}
		}()
		p := &Peer{order: Order{Shape: Steady, Conns: 1, Size: 1, Every: pace}}
		require.Error(t, p.steady(0, &conn{Conn: near, client: true}))
		require.Equal(t, []time.Duration{0, slow, slow - pace, slow - 2*pace}, p.latencies.times)
	})
}

package wsstream_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestWhatCameWholeBeforeACutIsDeliveredAndTheEndIsSettledOnce(t *testing.T) {
	const n, size = 20, 100
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			e := inMemory(t, config{ReadWindow: 256 + r.IntN(4000)}, seed%2 == 0)
			far := e.far.(*memnet.Conn)
			var stream []byte
			for i := range n {
				stream = append(stream, e.peer.Encode(wstest.Text(fmt.Sprintf("%0*d", size, i)))...)
			}
			at := r.IntN(len(stream))
			half := r.IntN(2) == 0
			if half {
				e.peer.SendRaw(stream[:at])
				far.CloseWrite() // ends half-way
			} else {
				far.CutAfter(int64(at))
				_, _ = far.Write(stream)
			}
			if r.IntN(2) == 0 {
				<-time.After(time.Minute) // nobody pulls for a while
			}
			if r.IntN(2) == 0 {
				goWrite(t, e, wsstream.Text("x")) // its failure costs no message that is pulled in time
			}
			whole := at / (len(stream) / n)
			for i := range whole {
				require.Equal(t, fmt.Sprintf("%0*d", size, i), e.pull(t))
			}
			_, err := e.conn.Readable().Pull(patient(t))
			require.ErrorContains(t, err, "1006")
			for range 3 {
				_, again := e.conn.Readable().Pull(patient(t))
				require.Same(t, err, again)
				_, closed := e.closed(t)
				require.Same(t, err, closed)
				require.Same(t, err, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
				e.conn.CloseNow()
				_ = e.conn.Close(wsstream.CloseInfo{Code: 1000})
				_ = e.conn.Writable().Abort(io.ErrClosedPipe)
			}
		})
	}
}

func TestWhatWasAcceptedBeforeACleanCloseArrives(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			c := config{WriteWindow: 256 + r.IntN(4000), ReadWindow: 256 + r.IntN(1000), MaxFrameSize: 1 + r.IntN(300)}
			near, far := memnet.Pipe(100 + r.IntN(1000))
			client, server := conns(t, c, near, far)
			near.Drip(50, time.Millisecond)
			accepted := make(chan int, 1)
			go func() {
				n := 0
				for client.Writable().Write(t.Context(), numbered(n)) == nil {
					n++
				}
				accepted <- n
			}()
			got := make(chan error, 1)
			count := 0
			go func() {
				var err error
				for m, e := range server.Readable().All(t.Context()) {
					if err = e; err == nil {
						err = same(count, m)
					}
					if err != nil {
						break
					}
					count++
				}
				got <- err
			}()
			<-time.After(time.Duration(r.IntN(200)) * time.Millisecond)
			switch r.IntN(4) {
			case 0:
				require.NoError(t, client.Close(wsstream.CloseInfo{Code: 1000}))
			case 1:
				require.NoError(t, client.Writable().Close(t.Context()))
			case 2:
				require.NoError(t, client.Readable().Cancel(nil))
			default:
				require.NoError(t, server.Close(wsstream.CloseInfo{Code: 1001})) // the peer's Close
			}
			require.NoError(t, <-got)
			_, err := client.Closed().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, <-accepted, count)
		})
	}
}

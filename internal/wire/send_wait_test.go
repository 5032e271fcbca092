package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestWriteThatWaitsForRoomIsRecalledImmediately(t *testing.T) {
	const size = 3 << 20
	for name, test := range map[string]struct {
		event  func(c *Conn, cancel func())
		wrote  bool      // the Write returns
		second ws.OpCode // of the second frame that leaves
		last   ws.OpCode
	}{
		"its context ends": {
			event:  func(_ *Conn, cancel func()) { cancel() },
			wrote:  true,
			second: ws.OpContinuation,
			last:   ws.OpContinuation,
		},
		"Close": {
			event:  func(c *Conn, _ func()) { c.Close(CloseInfo{}) },
			wrote:  true,
			second: ws.OpContinuation,
			last:   ws.OpClose,
		},
		"a pong": {
			event:  func(c *Conn, _ func()) { c.answerPing([]byte("p")) },
			second: ws.OpPong,
			last:   ws.OpContinuation,
		},
		"our ping": {
			event:  func(c *Conn, _ func()) { go c.Ping(context.Background()) }, // ends with c
			second: ws.OpPing,
			last:   ws.OpContinuation,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, v := valved(t, Config{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				data := pattern(size, 0)
				wrote := goWrite(ctx, c, data)
				v.let(100)
				require.Equal(t, onCall, c.send.stalled().kind)
				test.event(c, cancel)
				synctest.Wait()
				require.False(t, v.expired[1], "the deadline stands on the transport")
				require.Equal(t, test.wrote, len(wrote) == 1)
				if test.wrote {
					clear(data) // the memory is the caller's again
				}
				got := frames(t, v.let(all))
				require.Equal(t, test.second, got[1].Header.OpCode)
				require.Equal(t, test.last, got[len(got)-1].Header.OpCode)
				require.NoError(t, <-wrote)
				var sent []byte
				for _, f := range got {
					if !f.Header.OpCode.IsControl() {
						sent = append(sent, f.Payload...)
					}
				}
				require.True(t, bytes.Equal(pattern(size, 0), sent))
				held, _, _ := c.writeWindow.Usage()
				require.Zero(t, held)
				c.CloseNow()
			})
		})
	}
}

func TestWriteThatWaitsForRoomCountsAsStalled(t *testing.T) {
	for _, front := range []int{0, 20 << 10} { // the Write waits, or takes the baton first
		synctest.Test(t, func(t *testing.T) {
			c, v := valved(t, Config{})
			if front > 0 {
				_, err := c.TryWrite(ws.OpBinary, make([]byte, front), false)
				require.NoError(t, err)
				synctest.Wait()
			}
			wrote := goWrite(t.Context(), c, make([]byte, 3<<20))
			<-time.After(3 * time.Second)
			synctest.Wait()
			c.mu.Lock()
			kind := c.send.stalled().kind
			c.mu.Unlock()
			require.Equal(t, onCall, kind)
			_, sent := c.Stats()
			require.Equal(t, 3*time.Second, sent.Stalled)
			v.let(all)
			require.NoError(t, <-wrote)
			<-time.After(time.Second)
			_, sent = c.Stats()
			require.Equal(t, 3*time.Second, sent.Stalled)
			require.Zero(t, sent.Held)
			c.CloseNow()
		})
	}
}

func TestWriteThatWaitsForTheBatonIsNotOvertaken(t *testing.T) {
	for _, size := range []int{1, 64 << 10} { // of the later one
		synctest.Test(t, func(t *testing.T) {
			var later <-chan error
			c, v := flushing(t, func(c *Conn) {
				later = goWrite(t.Context(), c, make([]byte, size))
				<-time.After(10 * time.Millisecond)
			})
			wrote := goWrite(t.Context(), c, make([]byte, 60<<10))
			<-time.After(time.Second)
			got, _, _ := messages(t, v.let(all))
			require.NoError(t, <-wrote)
			require.NoError(t, <-later)
			require.Len(t, got, 3)
			require.Len(t, got[1], 60<<10)
			require.Len(t, got[2], size)
			c.CloseNow()
		})
	}
}

func TestWritesThatWaitLeaveInTheirOrder(t *testing.T) {
	for _, procs := range []int{1, 2, 8} {
		was := runtime.GOMAXPROCS(procs)
		for seed := range uint64(20) {
			synctest.Test(t, func(t *testing.T) { writeInOrder(t, seed) })
		}
		runtime.GOMAXPROCS(was)
	}
}

// writeInOrder starts Writes of many sizes, each when all before it wait or are done. Meanwhile the
// transport takes some bytes now and then, and other events recall the flusher.
func writeInOrder(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	c, v := valved(t, Config{})
	sizes := []int{8, 5 << 10, 32 << 10, 60 << 10, 64 << 10, 150 << 10}
	var wrote []<-chan error
	next := func() { // writes a message that begins with its number
		data := make([]byte, sizes[random.IntN(len(sizes))])
		binary.BigEndian.PutUint64(data, uint64(len(wrote)))
		wrote = append(wrote, goWrite(t.Context(), c, data))
	}
	for range 30 {
		switch random.IntN(4) {
		case 0:
			v.let(random.IntN(100 << 10))
		case 1:
			c.answerPing([]byte("p"))
		case 2:
			v.set(func() { v.onRecall = func() { <-time.After(10 * time.Millisecond) } })
		}
		next()
		if random.IntN(2) == 0 {
			<-time.After(time.Millisecond)
		} else {
			synctest.Wait()
		}
	}
	v.set(func() { v.onRecall = nil })
	for _, w := range wrote {
		for tries := 0; len(w) == 0; tries++ {
			require.Less(t, tries, 1000)
			v.let(64 << 10)
			<-time.After(10 * time.Millisecond) // as long as onRecall waits
		}
		require.NoError(t, <-w)
	}
	got, _, _ := messages(t, v.let(all))
	require.Len(t, got, len(wrote))
	for i, m := range got {
		require.EqualValues(t, i, binary.BigEndian.Uint64(m))
	}
	c.CloseNow()
}

package work

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/bench/internal/library"
	"github.com/wsstream/wsstream/bench/internal/proc"
)

// A script notes the stamps of what is published.
type script struct {
	numbers []uint64
	due     []time.Duration
}

func (s *script) Join(library.Conn) {}

func (s *script) Publish(data []byte) {
	s.numbers = append(s.numbers, binary.LittleEndian.Uint64(data))
	s.due = append(s.due, time.Duration(binary.LittleEndian.Uint64(data[8:])))
}

func (s *script) Dropped() int64 { return 0 }

func TestARoomPublishesAsManyAsItsPaceSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var room script
		w := &Worker{room: &room, payload: make([]byte, Stamp)}
		start := proc.Now()
		w.Go(Pace{Rate: 100, Count: 3})
		<-time.After(time.Second)
		synctest.Wait()
		require.Equal(t, []uint64{0, 1, 2}, room.numbers)
		require.Equal(t, []time.Duration{start, start + 10*time.Millisecond, start + 20*time.Millisecond},
			room.due)
		require.Equal(t, start, w.State().Began)

		w.Go(Pace{Rate: 1e6, Count: 2})
		<-time.After(time.Second)
		synctest.Wait()
		require.Equal(t, []uint64{0, 1, 2, 3, 4}, room.numbers, "the numbers go on")
		require.Equal(t, start+time.Second, w.State().Began)
		require.EqualValues(t, 5, w.State().Out)

		w.Go(Pace{Rate: 1000})
		<-time.After(time.Second)
		synctest.Wait()
		w.Stop()
		published := len(room.numbers)
		<-time.After(time.Second)
		synctest.Wait()
		require.InDelta(t, 1005, published, 5)
		require.Len(t, room.numbers, published, "it was stopped")
	})
}

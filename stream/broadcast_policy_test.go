package stream_test

import (
	"context"
	"io"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestLatestForgetsTheKeysThatWerePulled(t *testing.T) {
	room := stream.NewBroadcast[int](nil)
	sub := stream.Subscribe(room, stream.Count(4), stream.Latest(func(v int) int { return v % 3 }))
	for v := range 1000 {
		require.NoError(t, room.Publish(t.Context(), v))
		require.NoError(t, room.Publish(t.Context(), v))
		require.Equal(t, v, pull(t, sub))
	}
	require.EqualValues(t, 1000, sub.Dropped())
}

func TestLatestKnowsTheKeysThatAreHeldWhenItForgetsOthers(t *testing.T) {
	type update struct{ key, version int }
	room := stream.NewBroadcast[update](nil)
	sub := stream.Subscribe(room, stream.Count(4),
		stream.Latest(func(u update) int { return u.key }))
	require.NoError(t, room.Publish(t.Context(), update{0, 1}))
	for key := 1; key <= 200; key++ {
		for _, u := range []update{{key, 1}, {key - 1, 2}} { // the key before is held yet
			require.NoError(t, room.Publish(t.Context(), u))
		}
		require.Equal(t, update{key - 1, 2}, pull(t, sub))
	}
	require.EqualValues(t, 200, sub.Dropped(), "the first version of each that was pulled")
}

func TestLatestForgetsKeysThatEqualNoOther(t *testing.T) {
	room := stream.NewBroadcast[int](nil)
	sub := stream.Subscribe(room, stream.Count(4),
		stream.Latest(func(int) float64 { return math.NaN() }))
	round := func() {
		for v := range 2000 {
			require.NoError(t, room.Publish(t.Context(), v))
			require.Equal(t, v, pull(t, sub))
		}
	}
	before := liveHeap()
	for range 10 {
		round()
	}
	require.InDelta(t, before, liveHeap(), 256<<10, "bytes")
	require.Zero(t, sub.Dropped())
}

// liveHeap is how many bytes there are of objects that are in use.
func liveHeap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func TestLatestLimitsWhatItHoldsBySize(t *testing.T) {
	room := stream.NewBroadcast[string](nil)
	key := func(s string) byte { return s[0] }
	sub := stream.Subscribe(room, stream.Bytes[string](4), stream.Latest(key))
	for _, v := range []string{"a", "b", "c", "bbbbbb", "ccc"} {
		require.NoError(t, room.Publish(t.Context(), v))
	}
	require.NoError(t, room.Close(t.Context()))
	require.Equal(t, []string{"ccc"}, collect(t, sub),
		"what was replaced by more than the mark goes first")
	require.EqualValues(t, 4, sub.Dropped())

	room = stream.NewBroadcast[string](nil)
	sub = stream.Subscribe(room, stream.Bytes[string](4), stream.Latest(key))
	for _, v := range []string{"c", "bbbbbb", "cc"} {
		require.NoError(t, room.Publish(t.Context(), v))
	}
	require.NoError(t, room.Close(t.Context()))
	require.Equal(t, []string{"cc"}, collect(t, sub))
	require.EqualValues(t, 2, sub.Dropped())
}

func TestDisconnectFailsWithErrSlowByDefault(t *testing.T) {
	room := stream.NewBroadcast[int](nil)
	sub := stream.Subscribe(room, stream.Count(0), stream.Disconnect())
	require.NoError(t, room.Publish(t.Context(), 1))
	wantEnd(t, sub, stream.ErrSlow)
	require.Zero(t, room.Len())
}

// full returns a room whose subscriber holds two chunks, as many as it may, and has d to pull one.
func full(
	t *testing.T, d time.Duration,
) (*stream.Broadcast[int], *stream.Subscription[int], *[]int) {
	var drops []int
	room := stream.NewBroadcast(&stream.BroadcastOptions[int]{
		SlowError: errBoom,
		OnDrop:    func(_ *stream.Subscription[int], v int) { drops = append(drops, v) },
	})
	sub := stream.Subscribe(room, stream.Count(2), stream.DisconnectAfter(d))
	require.NoError(t, room.Publish(t.Context(), 1))
	require.NoError(t, room.Publish(t.Context(), 2))
	return room, sub, &drops
}

// publishes publishes v and returns how long that took.
func publishes(t *testing.T, room *stream.Broadcast[int], v int) time.Duration {
	t.Helper()
	begun := time.Now()
	require.NoError(t, room.Publish(t.Context(), v))
	return time.Since(begun)
}

func TestDisconnectAfterSparesASubscriberThatPullsInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room, sub, _ := full(t, time.Second)
		go func() { // ends with the room
			for v := 3; v <= 100; v++ {
				_ = room.Publish(context.Background(), v)
			}
			_ = room.Close(context.Background())
		}()
		for v := 1; v <= 100; v++ {
			<-time.After(time.Second - 1) // each pull gives it a second more
			require.Equal(t, v, pull(t, sub))
		}
		wantEnd(t, sub, io.EOF)
		require.Zero(t, sub.Dropped())
	})
}

func TestDisconnectAfterDropsWhatASlowSubscriberHolds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room, sub, drops := full(t, time.Second)
		other := stream.Subscribe(room, stream.Count(9), stream.Disconnect())
		require.Equal(t, time.Second, publishes(t, room, 3), "the publisher waits")
		wantEnd(t, sub, errBoom)
		require.Equal(t, []int{1, 2}, *drops)
		require.EqualValues(t, 2, sub.Dropped())
		require.EqualValues(t, 2, room.Dropped())
		require.Equal(t, 1, room.Len())
		require.Zero(t, publishes(t, room, 4), "it costs the publisher its time once")
		require.NoError(t, room.Close(t.Context()))
		require.Equal(t, []int{3, 4}, collect(t, other))
	})
}

type (
	intSub  = *stream.Subscription[int]
	intRoom = *stream.Broadcast[int]
)

func TestDisconnectAfterCountsFromWhenItBecameFullOrLastPulled(t *testing.T) {
	for name, c := range map[string]struct {
		before func(t *testing.T, sub intSub, room intRoom)
		waits  time.Duration
	}{
		"full for a while": {
			before: func(*testing.T, intSub, intRoom) { <-time.After(400 * time.Millisecond) },
			waits:  600 * time.Millisecond,
		},
		"full for too long": {
			before: func(*testing.T, intSub, intRoom) { <-time.After(time.Hour) },
		},
		"pulled and full anew": {
			before: func(t *testing.T, sub intSub, room intRoom) {
				<-time.After(time.Hour)
				pull(t, sub)
				<-time.After(time.Hour)
				require.Zero(t, publishes(t, room, 3), "there is room")
				<-time.After(900 * time.Millisecond)
			},
			waits: 100 * time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				room, sub, _ := full(t, time.Second)
				c.before(t, sub, room)
				require.Equal(t, c.waits, publishes(t, room, 9))
				require.True(t, isClosed(sub.Done()))
			})
		})
	}
	bubble(t, func(t *testing.T) { // a pull that leaves it full
		room := stream.NewBroadcast[string](nil)
		sub := stream.Subscribe(room, stream.Bytes[string](4), stream.DisconnectAfter(time.Second))
		require.NoError(t, room.Publish(t.Context(), "abc"))
		require.NoError(t, room.Publish(t.Context(), "a long one"))
		<-time.After(900 * time.Millisecond)
		require.Equal(t, "abc", pull(t, sub))
		publishing := goDo(func() error { return room.Publish(t.Context(), "d") })
		<-time.After(900 * time.Millisecond)
		publishing.waits(t, "the pull gave it a second more")
		<-time.After(100 * time.Millisecond)
		publishing.returns(t, nil)
		wantEnd(t, sub, stream.ErrSlow)
	})
}

func TestDisconnectAfterWaitsOnceForSubscribersThatStopTogether(t *testing.T) {
	for _, mark := range []int{0, 2} {
		bubble(t, func(t *testing.T) {
			room := stream.NewBroadcast[int](nil)
			var subs []*stream.Subscription[int]
			for range 20 {
				subs = append(subs,
					stream.Subscribe(room, stream.Count(mark), stream.DisconnectAfter(time.Second)))
			}
			for v := range mark {
				require.Zero(t, publishes(t, room, v))
			}
			require.Equal(t, time.Second, publishes(t, room, 9), "mark of %d", mark)
			for _, sub := range subs {
				wantEnd(t, sub, stream.ErrSlow)
			}
		})
	}
}

func TestDisconnectAfterHoldsNothingMoreAndGivesToAllOrNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room, sub, drops := full(t, time.Second)
		ctx, cancel := context.WithCancelCause(t.Context())
		publishing := goDo(func() error { return room.Publish(ctx, 3) })
		publishing.waits(t, "it is full")
		<-time.After(time.Second / 2)
		cancel(errOther)
		publishing.returns(t, errOther)
		require.Empty(t, *drops)
		publishing = goDo(func() error { return room.Publish(t.Context(), 4) })
		publishing.waits(t, "it is full")
		require.Equal(t, 1, pull(t, sub))
		publishing.returns(t, nil)
		require.NoError(t, room.Close(t.Context()))
		require.Equal(t, []int{2, 4}, collect(t, sub))
	})
	bubble(t, func(t *testing.T) { // without any time
		room, sub, _ := full(t, 0)
		require.Zero(t, publishes(t, room, 3))
		wantEnd(t, sub, errBoom)
	})
	bubble(t, func(t *testing.T) { // with all there is
		room, sub, _ := full(t, math.MaxInt64)
		publishing := goDo(func() error { return room.Publish(t.Context(), 3) })
		<-time.After(time.Hour)
		publishing.waits(t, "it is full")
		require.NoError(t, sub.Cancel(nil))
		publishing.returns(t, nil)
	})
}

func TestDisconnectAfterWithAPublisher(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room, sub, drops := full(t, time.Second)
		w := room.Publisher().(interface {
			stream.Writable[int]
			Ready(ctx context.Context) error
			TryWrite(v int) (bool, error)
		})
		ok, err := w.TryWrite(3)
		require.NoError(t, err)
		require.False(t, ok, "it has its time yet")
		ready := goDo(func() error { return w.Ready(t.Context()) })
		ready.waits(t, "it has its time yet")
		<-time.After(time.Second)
		ready.returns(t, nil)
		ok, err = w.TryWrite(3)
		require.NoError(t, err)
		require.True(t, ok)
		wantEnd(t, sub, errBoom)
		require.Equal(t, []int{1, 2}, *drops)
	})
	bubble(t, func(t *testing.T) {
		room, sub, _ := full(t, time.Second)
		<-time.After(time.Second)
		ok, err := room.Publisher().(interface{ TryWrite(v int) (bool, error) }).TryWrite(3)
		require.NoError(t, err)
		require.True(t, ok, "its time is up, and a TryWrite cuts it")
		wantEnd(t, sub, errBoom)
	})
}

func TestBlockWithALimitOfZeroGivesToAPull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast[int](nil)
		sub := stream.Subscribe(room, stream.Count(0), stream.Block())
		publishing := goDo(func() error { return room.Publish(t.Context(), 1) })
		publishing.waits(t, "there is no Pull")
		require.Equal(t, 1, pull(t, sub))
		publishing.returns(t, nil)
	})
}

func TestSubscriptionWithANegativeSizeFailsAlone(t *testing.T) {
	room := stream.NewBroadcast[int](nil)
	bad := stream.Subscribe(room, stream.Size(9, func(v int) int { return v }), stream.DropOldest())
	good := stream.Subscribe(room, stream.Count(9), stream.DropOldest())
	require.NoError(t, room.Publish(t.Context(), 1))
	require.NoError(t, room.Publish(t.Context(), -2))
	require.Equal(t, 1, pull(t, bad))
	_, err := bad.Pull(t.Context())
	require.EqualError(t, err, "stream: size function returned -2")
	require.NoError(t, room.Close(t.Context()))
	require.Equal(t, []int{1, -2}, collect(t, good))
}

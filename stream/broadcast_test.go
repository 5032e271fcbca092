package stream_test

import (
	"context"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

// A subscriber subscribes by one of the policies.
type subscriber func(room *stream.Broadcast[int], mark int) *stream.Subscription[int]

func by[P stream.PolicyFor[int]](policy P) subscriber {
	return func(room *stream.Broadcast[int], mark int) *stream.Subscription[int] {
		return stream.Subscribe(room, stream.Count(mark), policy)
	}
}

func TestBroadcastPolicies(t *testing.T) {
	tens := func(v int) int { return v / 10 }
	for name, c := range map[string]struct {
		policy  subscriber
		mark    int
		publish []int
		want    []int
		drops   []int
		end     error
	}{
		"DropNewest": {
			by(stream.DropNewest()),
			2,
			[]int{1, 2, 3, 4},
			[]int{1, 2},
			[]int{3, 4},
			io.EOF,
		},
		"DropOldest": {
			by(stream.DropOldest()),
			2,
			[]int{1, 2, 3, 4},
			[]int{3, 4},
			[]int{1, 2},
			io.EOF,
		},
		"Disconnect": {
			by(stream.Disconnect()),
			2,
			[]int{1, 2, 3, 4},
			[]int{1, 2},
			nil,
			errBoom,
		},
		"Latest keeps a key's place": {
			by(stream.Latest(tens)),
			3,
			[]int{10, 20, 11, 30, 21},
			[]int{11, 21, 30},
			[]int{10, 20},
			io.EOF,
		},
		"Latest drops the oldest key": {
			by(stream.Latest(tens)),
			2,
			[]int{10, 20, 30, 31},
			[]int{20, 31},
			[]int{10, 30},
			io.EOF,
		},
		"DropNewest, mark of zero": {
			by(stream.DropNewest()),
			0,
			[]int{1},
			nil,
			[]int{1},
			io.EOF,
		},
		"DropOldest, mark of zero": {
			by(stream.DropOldest()),
			0,
			[]int{1},
			nil,
			[]int{1},
			io.EOF,
		},
		"Latest, mark of zero": {
			by(stream.Latest(tens)),
			0,
			[]int{1},
			nil,
			[]int{1},
			io.EOF,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var drops []int
			var sub *stream.Subscription[int]
			room := stream.NewBroadcast(&stream.BroadcastOptions[int]{
				SlowError: errBoom,
				OnDrop: func(s *stream.Subscription[int], v int) {
					require.Same(t, sub, s)
					drops = append(drops, v)
				},
			})
			sub = c.policy(room, c.mark)
			other := stream.Subscribe(room, stream.Count(9), stream.DropNewest())
			for _, v := range c.publish {
				require.NoError(t, room.Publish(t.Context(), v))
			}
			require.NoError(t, room.Close(t.Context()))
			got, err := stream.Collect(t.Context(), sub)
			if c.end == io.EOF {
				require.NoError(t, err)
			} else {
				require.Equal(t, c.end, err)
			}
			require.Equal(t, c.want, got)
			require.Equal(t, c.drops, drops)
			require.EqualValues(t, len(c.drops), sub.Dropped())
			require.EqualValues(t, len(c.drops), room.Dropped())
			require.Equal(t, c.publish, collect(t, other),
				"a slow subscriber costs the others nothing")
		})
	}
}

func TestPublishWaitsForThoseThatBlockAndGivesToAllOrNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast[int](nil)
		slow := stream.Subscribe(room, stream.Count(1), stream.Block())
		fast := stream.Subscribe(room, stream.Count(9), stream.DropOldest())
		require.NoError(t, room.Publish(t.Context(), 1))
		ctx, cancel := context.WithCancelCause(t.Context())
		publishing := goDo(func() error { return room.Publish(ctx, 2) })
		publishing.waits(t, "one is full")
		require.Equal(t, 1, pull(t, fast))
		p := goPull(t.Context(), fast)
		p.waits(t, "no subscriber has it before all can")
		cancel(errBoom)
		publishing.returns(t, errBoom)
		p.waits(t, "no subscriber got it")
		publishing = goDo(func() error { return room.Publish(t.Context(), 3) })
		publishing.waits(t, "one is full")
		behind := goDo(func() error { return room.Publish(t.Context(), 4) })
		behind.waits(t, "its turn is after the other")
		ctx, cancel = context.WithCancelCause(t.Context())
		leaves := goDo(func() error { return room.Publish(ctx, 5) })
		leaves.waits(t, "its turn is last")
		cancel(errBoom)
		leaves.returns(t, errBoom)
		require.Equal(t, 1, pull(t, slow))
		publishing.returns(t, nil)
		require.Equal(t, 3, p.returns(t, nil))
		behind.waits(t, "one is full")
		require.NoError(t, slow.Cancel(nil))
		behind.returns(t, nil)
		require.Equal(t, 4, pull(t, fast))
		require.Equal(t, 1, room.Len())
	})
}

func TestBroadcastReplaysTheLastChunks(t *testing.T) {
	room := stream.NewBroadcast(&stream.BroadcastOptions[int]{Replay: 2})
	for v := range 5 {
		require.NoError(t, room.Publish(t.Context(), v))
	}
	sub := stream.Subscribe(room, stream.Count(1), stream.Disconnect())
	require.NoError(t, room.Publish(t.Context(), 5),
		"what is replayed does not count against the mark")
	require.NoError(t, room.Close(t.Context()))
	require.Equal(t, []int{3, 4, 5}, collect(t, sub))
	require.Equal(t, []int{4, 5},
		collect(t, stream.Subscribe(room, stream.Count(1), stream.Block())))
}

func TestCancelOfASubscriptionLeavesTheOthersAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast[int](nil)
		var subs [4]*stream.Subscription[int]
		for i := range subs {
			subs[i] = stream.Subscribe(room, stream.Count(1), stream.Block())
		}
		for range 3 {
			require.NoError(t, subs[0].Cancel(errBoom))
			require.Equal(t, 3, room.Len())
		}
		require.NoError(t, room.Publish(t.Context(), 1))
		publishing := goDo(func() error { return room.Publish(t.Context(), 2) })
		for _, sub := range subs[1:] {
			publishing.waits(t, "one is full")
			require.Equal(t, 1, pull(t, sub))
		}
		publishing.returns(t, nil)
		require.NoError(t, room.Close(t.Context()))
		for _, sub := range subs[1:] {
			require.NoError(t, sub.Cancel(errBoom), "after the end of the Broadcast")
			wantEnd(t, sub, io.EOF)
		}
	})
}

func TestSubscribeAfterTheEndIsASubscriptionLikeOthers(t *testing.T) {
	room := stream.NewBroadcast(&stream.BroadcastOptions[int]{Replay: 2})
	require.NoError(t, room.Publish(t.Context(), 1))
	require.NoError(t, room.Close(t.Context()))
	sub := stream.Subscribe(room, stream.Count(9), stream.Block())
	require.Zero(t, room.Len(), "an ended Broadcast publishes to none")
	require.NoError(t, sub.Cancel(errBoom))
	wantEnd(t, sub, io.EOF)
}

func TestBroadcastEndIsThatOfItsSubscriptions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast[int](nil)
		sub := stream.Subscribe(room, stream.Count(1), stream.Block())
		require.NoError(t, room.Publish(t.Context(), 1))
		publishing := goDo(func() error { return room.Publish(t.Context(), 2) })
		publishing.waits(t, "one is full")
		closing := goDo(func() error { return room.Close(t.Context()) })
		closing.waits(t, "its turn is after the publish")
		require.Equal(t, errBoom, room.Close(ended(t)))
		require.Equal(t, []int{1, 2}, collect(t, sub))
		publishing.returns(t, nil)
		closing.returns(t, nil)
		require.Equal(t, stream.ErrClosed, room.Publish(t.Context(), 3))
		require.NoError(t, room.Abort(errOther))
		require.NoError(t, room.Close(t.Context()))
	})
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast(&stream.BroadcastOptions[int]{Replay: 1})
		sub := stream.Subscribe(room, stream.Count(1), stream.Block())
		require.NoError(t, room.Publish(t.Context(), 1))
		publishing := goDo(func() error { return room.Publish(t.Context(), 2) })
		publishing.waits(t, "one is full")
		require.NoError(t, room.Abort(errBoom))
		publishing.returns(t, errBoom)
		wantEnd(t, sub, errBoom)
		wantEnd(t, stream.Subscribe(room, stream.Count(1), stream.Block()), errBoom)
		require.Equal(t, errBoom, room.Publish(t.Context(), 3))
		require.Equal(t, errBoom, room.Close(t.Context()))
	})
}

func TestPublishThatPanicsLeavesTheBroadcastAsItWas(t *testing.T) {
	room := stream.NewBroadcast[int](nil)
	sub := stream.Subscribe(room, stream.Count(9), stream.Latest(func(v int) int { return 1 / v }))
	require.Panics(t, func() { room.Publish(t.Context(), 0) })
	require.NoError(t, room.Publish(t.Context(), 1))
	require.Equal(t, 1, pull(t, sub))
}

func TestPublishIgnoresAContextThatHasEnded(t *testing.T) {
	room := stream.NewBroadcast[int](nil)
	sub := stream.Subscribe(room, stream.Count(9), stream.Block())
	require.Equal(t, errBoom, room.Publish(ended(t), 1))
	require.NoError(t, room.Close(t.Context()))
	require.Empty(t, collect(t, sub))
}

func TestBroadcastUnderLoad(t *testing.T) {
	room := stream.NewBroadcast[int](nil)
	policies := []subscriber{
		by(stream.Block()),
		by(stream.DropNewest()),
		by(stream.DropOldest()),
		by(stream.Latest(func(v int) int { return v % 7 })),
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { // ends with the broadcast
			for n := i; ; n++ {
				sub := policies[n%len(policies)](room, n%4)
				last := -1
				for range 5 {
					v, err := sub.Pull(t.Context())
					if err != nil {
						return
					}
					if n%len(policies) != 3 && v <= last {
						t.Errorf("%d came after %d", v, last)
					}
					last = v
				}
				_ = sub.Cancel(nil)
			}
		})
	}
	for v := range 5000 {
		require.NoError(t, room.Publish(t.Context(), v))
	}
	require.NoError(t, room.Abort(nil))
	wg.Wait()
	require.Zero(t, room.Len())
}

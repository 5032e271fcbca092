package stream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

// A trySink is a fakeSink with a TryWrite.
type trySink struct {
	fakeSink
	onTry func() // before anything else
}

func (s *trySink) TryWrite(v int) (bool, error) {
	if s.onTry != nil {
		s.onTry()
	}
	err := s.Write(context.Background(), v)
	return err == nil, err
}

func TestFeedNeedsNoGoroutineForADestinationThatKeepsUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast(&stream.BroadcastOptions[int]{Replay: 1})
		require.NoError(t, room.Publish(t.Context(), 0))
		dst := stream.NewQueue[int](2)
		sub := stream.Subscribe(room, stream.Count(2), stream.Block())
		fed := sub.Feed(t.Context(), dst, nil)
		synctest.Wait()
		require.Equal(t, 0, pull(t, dst), "what is replayed comes first")
		before := goroutines(t)
		for v := range 100 {
			require.NoError(t, room.Publish(t.Context(), v))
			require.Equal(t, before, goroutines(t))
			require.Equal(t, v, pull(t, dst), "Publish has written it")
		}
		for v := range 4 { // two for the destination, and two for the subscription
			require.NoError(t, room.Publish(t.Context(), v))
		}
		synctest.Wait()
		require.Equal(t, before+1, goroutines(t), "the destination is full")
		publishing := goDo(func() error { return room.Publish(t.Context(), 4) })
		publishing.waits(t, "all are full")
		for v := range 5 {
			require.Equal(t, v, pull(t, dst))
			synctest.Wait()
		}
		publishing.returns(t, nil)
		require.Equal(t, before, goroutines(t), "the subscription is empty again")
		require.NoError(t, room.Close(t.Context()))
		wantEnd(t, dst, io.EOF)
		moved, err := fed.Wait(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 106, moved)
	})
}

func TestFeedOfAConnThatKeepsUpAllocatesNothing(t *testing.T) {
	room := stream.NewBroadcast[int](nil)
	dst := stream.NewQueue[int](2)
	sub := stream.Subscribe(room, stream.Count(2), stream.DropOldest())
	sub.Feed(t.Context(), dst, nil)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = room.Publish(t.Context(), 1)
		_, _ = dst.Pull(t.Context())
	}))
	require.NoError(t, room.Close(t.Context()))
	wantEnd(t, dst, io.EOF)
}

// TestFeedDoesWhatAPipeDoes runs random programs with both.
func TestFeedDoesWhatAPipeDoes(t *testing.T) {
	for seed := range uint64(1000) {
		want, got := feedProgram(t, seed, false), feedProgram(t, seed, true)
		require.Equal(t, want, got, "seed %d", seed)
	}
}

// feedProgram runs the program of a seed, and returns what happened.
func feedProgram(t *testing.T, seed uint64, feed bool) (log []string) {
	bubble(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		var mu sync.Mutex
		step := 0 // where the current one begins in log: the order inside of it differs
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf(format, args...))
			slices.Sort(log[step:])
		}
		done := func() {
			mu.Lock()
			defer mu.Unlock()
			step = len(log)
		}
		room := stream.NewBroadcast(&stream.BroadcastOptions[int]{
			Replay: rnd.IntN(3),
			OnDrop: func(_ *stream.Subscription[int], v int) { note("dropped %d", v) },
		})
		for v := range rnd.IntN(3) {
			require.NoError(t, room.Publish(t.Context(), -1-v))
		}
		dst := stream.NewQueue[int](stream.Count(1 + rnd.IntN(3)))
		kind := rnd.IntN(6)
		policy := []subscriber{
			by(stream.Block()),
			by(stream.DropNewest()),
			by(stream.DropOldest()),
			by(stream.Disconnect()),
			by(stream.DisconnectAfter(0)),
			by(stream.Latest(func(v int) int { return v % 2 })),
		}[kind]
		mark := rnd.IntN(4)
		if kind == 3 {
			mark++ // with 0 the policy may end a Feed that a Pipe would let wait for room
		}
		sub := policy(room, mark)
		o := &stream.PipeOptions{
			PreventClose:  rnd.IntN(8) == 0,
			PreventAbort:  rnd.IntN(8) == 0,
			PreventCancel: rnd.IntN(8) == 0,
			Progress:      func(n int64) { note("%d moved", n) },
		}
		note("policy %d, limit %d, room %d, %+v", kind, mark, dst.DesiredSize(),
			[]bool{o.PreventClose, o.PreventAbort, o.PreventCancel})
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		result := make(chan error, 1)
		if feed {
			f := sub.Feed(ctx, dst, o)
			go func() { // ends with the feed
				_, err := f.Wait(context.Background())
				result <- err
			}()
		} else {
			go func() { result <- stream.Pipe(ctx, dst, sub, o) }() // ends with the room
		}
		synctest.Wait()
		next := 0
		publish := func() {
			v := next
			next++
			go func() { note("published %d: %v", v, room.Publish(t.Context(), v)) }() // ends with room
		}
		for range rnd.IntN(40) {
			op := rnd.IntN(60)
			note("op %d", op)
			if op <= 2 && dst.DesiredSize() <= 0 {
				// A Pipe waits for room. A Feed does, too, if the subscription holds a chunk. Else
				// it notices the end immediately.
				if mark == 0 {
					continue
				}
				publish()
				synctest.Wait()
			}
			if o.PreventCancel && 3 <= op && op <= 5 {
				continue // the chunk that notices the end is lost, and a Pipe needs none
			}
			switch op {
			case 0:
				note("close: %v", room.Abort(errBoom))
			case 1:
				go func() { note("closed: %v", room.Close(t.Context())) }() // ends with the room
			case 2:
				_ = sub.Cancel(errOther)
			case 3:
				_ = dst.Cancel(errOther)
				synctest.Wait()
				publish() // a feed notices the end at the next chunk
			case 4:
				_ = dst.Abort(errOther)
				synctest.Wait()
				publish()
			case 5:
				if dst.DesiredSize() <= 0 {
					break // a Pipe waits for room already, and Close would wait behind it
				}
				go func() { _ = dst.Close(t.Context()) }() // ends with dst
				synctest.Wait()
				publish()
			case 6:
				cancel(errBoom)
			case 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26:
				ctx, stop := context.WithCancel(t.Context())
				p := goPull(ctx, dst)
				synctest.Wait()
				stop()
				<-p.done
				note("got %d, %v", p.v, p.err)
			default:
				publish()
			}
			synctest.Wait()
			note("%d subscribers, %d dropped", room.Len(), sub.Dropped())
			done()
		}
		note("the end")
		_ = room.Abort(io.ErrUnexpectedEOF)
		synctest.Wait()
		var rest []int
		p := goPull(t.Context(), dst)
		for synctest.Wait(); isClosed(p.done) && p.err == nil; synctest.Wait() {
			rest = append(rest, p.v)
			p = goPull(t.Context(), dst)
		}
		_ = dst.Abort(stream.ErrClosed)
		<-p.done
		err := p.err
		note("rest %v, %v, result %v", rest, err, <-result)
		rest, err = stream.Collect(t.Context(), sub)
		note("left %v, %v", rest, err)
	})
	return log
}

func TestFeedEndsAsAPipeDoesWithADestinationThatCannotTell(t *testing.T) {
	for name, c := range map[string]struct {
		dst  *trySink
		end  func(room *stream.Broadcast[int], cancel func(error))
		want error
		n    int64
	}{
		"closed": {
			dst:  &trySink{},
			end:  func(room *stream.Broadcast[int], _ func(error)) { _ = room.Close(context.Background()) },
			n:    1,
			want: nil,
		},
		"aborted": {
			dst:  &trySink{},
			end:  func(room *stream.Broadcast[int], _ func(error)) { _ = room.Abort(errOther) },
			n:    1,
			want: errOther,
		},
		"context": {
			dst:  &trySink{},
			end:  func(_ *stream.Broadcast[int], cancel func(error)) { cancel(errOther) },
			n:    1,
			want: errOther,
		},
		"refused": {
			dst:  &trySink{fakeSink: fakeSink{writeErr: errBoom}},
			end:  func(*stream.Broadcast[int], func(error)) {},
			want: errBoom,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				room := stream.NewBroadcast[int](nil)
				sub := stream.Subscribe(room, stream.Count(1), stream.Block())
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				fed := sub.Feed(ctx, c.dst, nil)
				require.NoError(t, room.Publish(t.Context(), 1))
				c.end(room, cancel)
				synctest.Wait()
				n, err, settled := fed.Peek()
				require.True(t, settled)
				require.Equal(t, c.want, err)
				require.Equal(t, c.n, n)
				require.Zero(t, room.Len())
				if c.want != nil {
					require.Equal(t, []error{c.want}, c.dst.aborts)
				} else {
					require.Equal(t, 1, c.dst.closed())
				}
			})
		})
	}
}

func TestFeedOfADestinationWithoutTryWriteIsAPipeWithAGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast[int](nil)
		sub := stream.Subscribe(room, stream.Count(0), stream.Block())
		dst := &fakeSink{}
		fed := sub.Feed(t.Context(), dst, nil)
		for v := range 3 {
			require.NoError(t, room.Publish(t.Context(), v))
		}
		require.NoError(t, room.Close(t.Context()))
		n, err := fed.Wait(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 3, n)
		require.Equal(t, []int{0, 1, 2}, dst.got)
		require.Equal(t, 1, dst.closed())
	})
}

func TestFeedMayEndDuringItsTryWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast[int](nil)
		sub := stream.Subscribe(room, stream.Count(1), stream.Block())
		dst := &trySink{onTry: func() { require.NoError(t, sub.Cancel(nil)) }}
		fed := sub.Feed(t.Context(), dst, nil)
		require.NoError(t, room.Publish(t.Context(), 1))
		n, err := fed.Wait(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.Equal(t, 1, dst.closed(), "the subscription has ended")
	})
}

func TestAPanicOfTryWriteReachesPublishAndEndsTheFeed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast[int](nil)
		sub := stream.Subscribe(room, stream.Count(1), stream.Block())
		dst := &trySink{onTry: func() { panic("boom") }}
		fed := sub.Feed(t.Context(), dst, nil)
		require.PanicsWithValue(t, "boom", func() { _ = room.Publish(t.Context(), 1) })
		_, err, settled := fed.Peek()
		require.True(t, settled)
		require.ErrorContains(t, err, "panicked")
		require.Len(t, dst.aborts, 1)
		require.Zero(t, room.Len())
		require.NoError(t, room.Publish(t.Context(), 2))
	})
}

func TestFeedPanicsForANilDestinationAndASecondTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		room := stream.NewBroadcast[int](nil)
		sub := stream.Subscribe(room, stream.Count(1), stream.Block())
		require.Panics(t, func() { sub.Feed(t.Context(), nil, nil) })
		sub.Feed(t.Context(), &trySink{}, nil)
		require.Panics(t, func() { sub.Feed(t.Context(), &trySink{}, nil) })
		require.NoError(t, room.Abort(nil))
	})
}

func TestFeedsUnderLoadKeepOrderAndLoseOnlyWhatIsDropped(t *testing.T) {
	const chunks = 20000
	room := stream.NewBroadcast[int](nil)
	var wg sync.WaitGroup
	for i := range 8 {
		policy := []subscriber{by(stream.Block()), by(stream.DropOldest()), by(stream.DropNewest())}[i%3]
		sub := policy(room, 1+i)
		dst := stream.NewQueue[int](stream.Count(1 + i%3))
		fed := sub.Feed(t.Context(), dst, nil)
		wg.Go(func() { // ends with the room
			rnd := rand.New(rand.NewPCG(uint64(i), 3))
			var got []int
			for {
				for range rnd.IntN(50) {
					runtime.Gosched()
				}
				v, err := dst.Pull(t.Context())
				if err != nil {
					break
				}
				got = append(got, v)
			}
			if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Errorf("feed %d: out of order, or twice", i)
			}
			if n := len(got) + int(sub.Dropped()); n != chunks {
				t.Errorf("feed %d: %d chunks of %d", i, n, chunks)
			}
			n, err := fed.Wait(t.Context())
			if err != nil || int(n) != len(got) {
				t.Errorf("feed %d: %d moved of %d, %v", i, n, len(got), err)
			}
		})
	}
	for v := range chunks {
		require.NoError(t, room.Publish(t.Context(), v))
	}
	require.NoError(t, room.Close(t.Context()))
	wg.Wait()
	require.Zero(t, room.Len())
}

func TestFeedsThatComeAndGoWhilePublishRuns(t *testing.T) {
	room := stream.NewBroadcast[int](nil)
	ends := []func(*stream.Subscription[int], *stream.Queue[int], func(error)){
		func(s *stream.Subscription[int], _ *stream.Queue[int], _ func(error)) { _ = s.Cancel(nil) },
		func(_ *stream.Subscription[int], q *stream.Queue[int], _ func(error)) { _ = q.Cancel(nil) },
		func(_ *stream.Subscription[int], _ *stream.Queue[int], end func(error)) { end(errBoom) },
		func(_ *stream.Subscription[int], q *stream.Queue[int], _ func(error)) { _ = q.Abort(errBoom) },
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { // ends with the broadcast
			for n := i; ; n++ {
				sub := stream.Subscribe(room, stream.Count(1+n%3), stream.Block())
				dst := stream.NewQueue[int](1)
				ctx, cancel := context.WithCancelCause(t.Context())
				fed := sub.Feed(ctx, dst, nil)
				last := -1
				for range 5 {
					v, err := dst.Pull(t.Context())
					if err != nil {
						cancel(nil)
						return
					}
					if last >= 0 && v != last+1 {
						t.Errorf("%d came after %d", v, last)
					}
					last = v
				}
				ends[n/8%len(ends)](sub, dst, cancel)
				for err := error(nil); err == nil; {
					_, err = dst.Pull(t.Context())
				}
				_, err := fed.Wait(t.Context())
				if err != nil && !errors.Is(err, errBoom) && !errors.Is(err, stream.ErrClosed) {
					t.Error(err)
				}
				cancel(nil)
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

package stream_test

import (
	"context"
	"io"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestQueueDesiredSizeIsTheMarkLessWhatIsHeld(t *testing.T) {
	q := stream.NewQueueOf(stream.Bytes[string](4))
	require.Equal(t, 4, q.DesiredSize())
	require.NoError(t, q.Write(t.Context(), "abc"))
	require.Equal(t, 1, q.DesiredSize())
	require.NoError(t, q.Write(t.Context(), "defgh"), "some credit lets a larger chunk in")
	require.Equal(t, -4, q.DesiredSize())
	ok, err := q.TryWrite("x")
	require.NoError(t, err)
	require.False(t, ok, "zero and below mean wait")
	pull(t, q)
	require.Equal(t, -1, q.DesiredSize())
	pull(t, q)
	require.Equal(t, 4, q.DesiredSize())
	require.NoError(t, q.Close(t.Context()))
	require.Equal(t, 0, q.DesiredSize())
}

func TestStrategyCountsChunksBytesOrWhatSizeSays(t *testing.T) {
	double := func(n int) int { return 2 * n }
	for name, c := range map[string]struct {
		q    *stream.Queue[int]
		want int
	}{
		"count":    {stream.NewQueue[int](10), 9},
		"size":     {stream.NewQueueOf(stream.Size(10, double)), 4},
		"nil size": {stream.NewQueueOf(stream.Strategy[int]{Mark: 10}), 9},
		"free":     {stream.NewQueueOf(stream.Size(10, func(int) int { return 0 })), 10},
		"very much": {
			stream.NewQueueOf(stream.Size(10, func(int) int { return math.MaxInt })),
			10 - math.MaxInt,
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := c.q
			require.NoError(t, q.Write(t.Context(), 3))
			require.Equal(t, c.want, q.DesiredSize())
			require.Equal(t, 3, pull(t, q))
			require.Equal(t, 10, q.DesiredSize())
		})
	}
}

func TestStrategyCountsAnEmptyChunkAsAByte(t *testing.T) {
	q := stream.NewQueueOf(stream.Bytes[[]byte](1))
	require.NoError(t, q.Write(t.Context(), nil))
	ok, _ := q.TryWrite(nil)
	require.False(t, ok)
}

func TestQueuePullsAreServedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](1)
		var pulls []*call[int]
		for range 5 {
			pulls = append(pulls, goPull(t.Context(), q))
			pulls[len(pulls)-1].waits(t, "the queue is empty")
		}
		for i := range pulls {
			require.NoError(t, q.Write(t.Context(), i))
			require.Equal(t, i, pulls[i].returns(t, nil))
		}
	})
}

func TestQueueWritesWaitForRoomAndAreServedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](2)
		var writes []*call[struct{}]
		for i := range 5 {
			writes = append(writes, goWrite(t.Context(), q, i))
			synctest.Wait()
		}
		writes[1].returns(t, nil)
		for i := 2; i < 5; i++ {
			writes[i].waits(t, "the mark is held")
			require.Equal(t, i-2, pull(t, q))
			writes[i].returns(t, nil)
		}
	})
}

func TestQueueWithAMarkOfZeroWaitsForAPull(t *testing.T) {
	for _, mark := range []int{0, -1} {
		bubble(t, func(t *testing.T) {
			q := stream.NewQueue[int](stream.Count(mark))
			w := goWrite(t.Context(), q, 1)
			w.waits(t, "there is no Pull")
			require.Equal(t, 1, pull(t, q))
			w.returns(t, nil)
			p := goPull(t.Context(), q)
			p.waits(t, "there is no Write")
			ok, err := q.TryWrite(2)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, 2, p.returns(t, nil))
		})
	}
}

func TestQueueTryWriteNeverOvertakesAWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](0)
		goWrite(t.Context(), q, 1).waits(t, "there is no Pull")
		ok, err := q.TryWrite(2)
		require.NoError(t, err)
		require.False(t, ok)
		require.Equal(t, 1, pull(t, q))
	})
}

func TestQueueReadyWaitsForRoomAndTakesNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](1)
		require.NoError(t, q.Ready(t.Context()))
		require.NoError(t, q.Write(t.Context(), 1))
		ready := goDo(func() error { return q.Ready(t.Context()) })
		ready.waits(t, "the mark is held")
		write := goWrite(t.Context(), q, 2)
		write.waits(t, "the mark is held")
		pull(t, q)
		ready.returns(t, nil)
		write.returns(t, nil)
		ready = goDo(func() error { return q.Ready(t.Context()) })
		ready.waits(t, "the mark is held")
		require.NoError(t, q.Abort(errBoom))
		ready.returns(t, errBoom)
	})
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](0)
		ready := goDo(func() error { return q.Ready(t.Context()) })
		ready.waits(t, "there is no Pull")
		p := goPull(t.Context(), q)
		p.waits(t, "there is no Write")
		ready.returns(t, nil)
		require.NoError(t, q.Cancel(nil))
	})
}

func TestQueueIgnoresACallWhoseContextHasEnded(t *testing.T) {
	q := stream.NewQueue[int](2)
	require.NoError(t, q.Write(t.Context(), 1))
	ctx := ended(t)
	_, err := q.Pull(ctx)
	require.Equal(t, errBoom, err)
	require.Equal(t, errBoom, q.Write(ctx, 2))
	require.Equal(t, errBoom, q.Ready(ctx))
	require.Equal(t, errBoom, q.Fail(ctx, errOther))
	require.Equal(t, errBoom, q.Close(ctx))
	require.Equal(t, 1, q.DesiredSize())
	require.Equal(t, 1, pull(t, q))
	require.NoError(t, q.Write(t.Context(), 2))
}

func TestQueueIsAsItWasWhenAContextEndsAWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errBoom)
		defer cancel()
		q := stream.NewQueue[int](1)
		p := goPull(ctx, q)
		p.waits(t, "the queue is empty")
		<-ctx.Done()
		p.returns(t, errBoom)
		require.NoError(t, q.Write(t.Context(), 1))
		require.Equal(t, 1, pull(t, q), "the pull that has left took nothing")

		require.NoError(t, q.Write(t.Context(), 2))
		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Second, errBoom)
		defer cancel()
		first := goWrite(ctx, q, 3)
		first.waits(t, "the mark is held")
		second := goWrite(t.Context(), q, 4)
		second.waits(t, "the mark is held")
		last := goDo(func() error { return q.Close(t.Context()) })
		last.waits(t, "its turn is after the writes")
		<-ctx.Done()
		first.returns(t, errBoom)
		second.waits(t, "the mark is held")
		require.Equal(t, 2, pull(t, q))
		second.returns(t, nil)
		last.returns(t, nil)
		require.Equal(t, []int{4}, collect(t, q))
	})
}

func TestQueueServesACloseBehindAWriteThatLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](0)
		ctx, cancel := context.WithCancelCause(t.Context())
		write := goWrite(ctx, q, 1)
		write.waits(t, "there is no Pull")
		closing := goDo(func() error { return q.Close(t.Context()) })
		closing.waits(t, "its turn is after the write")
		cancel(errBoom)
		write.returns(t, errBoom)
		closing.returns(t, nil)
	})
}

func TestQueueServesWritesBehindACloseThatLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](0)
		goWrite(t.Context(), q, 1).waits(t, "there is no Pull")
		ctx, cancel := context.WithCancelCause(t.Context())
		closing := goDo(func() error { return q.Close(ctx) })
		closing.waits(t, "its turn is after the write")
		behind := goWrite(t.Context(), q, 2)
		behind.waits(t, "its turn is after Close")
		cancel(errBoom)
		closing.returns(t, errBoom)
		require.Equal(t, 1, pull(t, q))
		require.Equal(t, 2, pull(t, q))
		behind.returns(t, nil)
	})
}

func TestQueueKeepsItsFirstEnd(t *testing.T) {
	ctx := func(t *testing.T) context.Context { return t.Context() }
	type queue = *stream.Queue[int]
	closed := func(t *testing.T, q queue) { require.NoError(t, q.Close(ctx(t))) }
	failed := func(t *testing.T, q queue) { require.NoError(t, q.Fail(ctx(t), errBoom)) }
	aborted := func(t *testing.T, q queue) { require.NoError(t, q.Abort(errBoom)) }
	cancelled := func(t *testing.T, q queue) { require.NoError(t, q.Cancel(errBoom)) }
	for name, c := range map[string]struct {
		end   func(*testing.T, queue)
		held  bool // what is held is delivered
		pull  error
		write error
		close error
	}{
		"Close": {end: closed, held: true, pull: io.EOF, write: stream.ErrClosed},
		"Fail":  {end: failed, held: true, pull: errBoom, write: errBoom, close: errBoom},
		"Fail(nil)": {
			end:   func(t *testing.T, q queue) { q.Fail(ctx(t), nil) },
			held:  true,
			pull:  stream.ErrClosed,
			write: stream.ErrClosed,
			close: stream.ErrClosed,
		},
		"Abort": {end: aborted, pull: errBoom, write: errBoom, close: errBoom},
		"Abort(nil)": {
			end:   func(_ *testing.T, q queue) { q.Abort(nil) },
			pull:  stream.ErrClosed,
			write: stream.ErrClosed,
			close: stream.ErrClosed,
		},
		"Cancel": {end: cancelled, pull: io.EOF, write: errBoom, close: errBoom},
		"Cancel(nil)": {
			end:   func(_ *testing.T, q queue) { q.Cancel(nil) },
			pull:  io.EOF,
			write: stream.ErrClosed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := stream.NewQueue[int](2)
			require.NoError(t, q.Write(t.Context(), 1))
			c.end(t, q)
			select {
			case <-q.Done():
			default:
				require.Fail(t, "Done is open")
			}
			require.NoError(t, q.Abort(errOther))
			require.NoError(t, q.Fail(t.Context(), errOther))
			require.Equal(t, c.close, q.Close(t.Context()))
			require.Equal(t, c.write, q.Write(t.Context(), 2))
			require.Equal(t, c.write, q.Ready(t.Context()))
			_, err := q.TryWrite(2)
			require.Equal(t, c.write, err)
			if c.held {
				require.Equal(t, 1, pull(t, q))
			}
			wantEnd(t, q, c.pull)
			require.NoError(t, q.Cancel(errOther))
			wantEnd(t, q, c.pull)
		})
	}
}

func TestQueueEndReachesCallsThatWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](0)
		write := goWrite(t.Context(), q, 1)
		write.waits(t, "there is no Pull")
		closing := goDo(func() error { return q.Close(t.Context()) })
		closing.waits(t, "its turn is after the write")
		late := goWrite(t.Context(), q, 2)
		late.waits(t, "its turn is after Close")
		require.Equal(t, 1, pull(t, q))
		write.returns(t, nil)
		closing.returns(t, nil)
		late.returns(t, stream.ErrClosed)
	})
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](0)
		write := goWrite(t.Context(), q, 1)
		write.waits(t, "there is no Pull")
		closing := goDo(func() error { return q.Close(t.Context()) })
		closing.waits(t, "its turn is after the write")
		require.NoError(t, q.Abort(errBoom))
		write.returns(t, errBoom)
		closing.returns(t, errBoom)
	})
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](0)
		p := goPull(t.Context(), q)
		p.waits(t, "there is no Write")
		require.NoError(t, q.Cancel(errBoom))
		p.returns(t, io.EOF)
	})
}

func TestQueueCancelAfterTheEndDropsWhatIsHeld(t *testing.T) {
	q := stream.NewQueue[int](2)
	require.NoError(t, q.Write(t.Context(), 1))
	require.NoError(t, q.Fail(t.Context(), errBoom))
	require.NoError(t, q.Cancel(nil))
	wantEnd(t, q, errBoom)
}

func TestQueueFailsForANegativeSize(t *testing.T) {
	q := stream.NewQueueOf(stream.Size(3, func(n int) int { return n }))
	require.NoError(t, q.Write(t.Context(), 1))
	err := q.Write(t.Context(), -5)
	require.EqualError(t, err, "stream: size function returned -5")
	require.Equal(t, err, q.Write(t.Context(), 1))
	_, again := q.TryWrite(-7)
	require.Equal(t, err, again)
	require.Equal(t, 1, pull(t, q))
	wantEnd(t, q, err)
}

func TestQueueIsAsItWasAfterAPanicOfSize(t *testing.T) {
	q := stream.NewQueueOf(stream.Size(3, func(n int) int { return 1 / n }))
	require.Panics(t, func() { q.Write(t.Context(), 0) })
	require.Panics(t, func() { q.TryWrite(0) })
	require.NoError(t, q.Write(t.Context(), 1))
	require.Equal(t, 1, pull(t, q))
}

func TestQueueHandsEachChunkOverOnceUnderLoad(t *testing.T) {
	for _, mark := range []int{0, 1, 7} {
		q := stream.NewQueue[int](stream.Count(mark))
		const writers, pullers, each = 4, 3, 2000
		var writing, pulling sync.WaitGroup
		seen := make([][]int, pullers)
		for p := range pullers {
			pulling.Go(func() { // ends with the queue
				for v, err := range stream.All(t.Context(), q) {
					if err != nil {
						return
					}
					seen[p] = append(seen[p], v)
				}
			})
		}
		for w := range writers {
			writing.Go(func() { // ends when all is written
				for i := range each {
					if i%3 == 0 {
						ctx, cancel := context.WithCancel(t.Context())
						go cancel() // ends immediately: it races with the Write
						if q.Write(ctx, w*each+i) == nil {
							continue
						}
					}
					if q.Write(t.Context(), w*each+i) != nil {
						return
					}
				}
			})
		}
		writing.Wait()
		require.NoError(t, q.Close(t.Context()))
		pulling.Wait()
		all := make(map[int]int)
		for _, s := range seen {
			last := make([]int, writers)
			for _, v := range s {
				all[v]++
				require.GreaterOrEqual(t, v, last[v/each], "the chunks of one writer are in order")
				last[v/each] = v
			}
		}
		require.Len(t, all, writers*each)
	}
}

func TestQueueAllocatesNothingForAChunk(t *testing.T) {
	q := stream.NewQueue[int](4)
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = q.Write(ctx, 1)
		_, _ = q.Pull(ctx)
	}))
}

func TestQueueAllocatesNothingForACallThatWaits(t *testing.T) {
	q, p := stream.NewQueue[int](0), stream.NewQueue[int](0)
	room := stream.NewBroadcast[int](nil)
	sub := stream.Subscribe(room, stream.Count(0), stream.Block())
	ctx := t.Context()
	for name, c := range map[string]struct {
		src   stream.Readable[int]
		write func(context.Context, int) error
		end   func(context.Context) error
	}{
		"Queue":     {q, q.Write, q.Close},
		"Map":       {stream.Map(p, func(v int) (int, error) { return v, nil }), p.Write, p.Close},
		"Broadcast": {sub, room.Publish, room.Close},
	} {
		t.Run(name, func(t *testing.T) {
			pulling := goDo(func() error { // ends with the stream
				for {
					if _, err := c.src.Pull(ctx); err != nil {
						return err
					}
				}
			})
			for range 100 {
				require.NoError(t, c.write(ctx, 1))
			}
			require.Zero(t, testing.AllocsPerRun(1000, func() { _ = c.write(ctx, 1) }))
			require.NoError(t, c.end(ctx))
			require.Equal(t, io.EOF, pulling.wait())
		})
	}
}

func TestQueueKeepsNothingThatWasPulled(t *testing.T) {
	q := stream.NewQueue[*[64]byte](4)
	kept := func() weak.Pointer[[64]byte] {
		chunk := new([64]byte)
		require.NoError(t, q.Write(t.Context(), chunk))
		require.Same(t, chunk, pull(t, q))
		return weak.Make(chunk)
	}()
	runtime.GC()
	require.Nil(t, kept.Value())
	require.NoError(t, q.Close(t.Context()))
}

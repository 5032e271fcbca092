package stream_test

import (
	"context"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestParallelWorksConcurrentlyAndKeepsTheOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(io.EOF, 5, 4, 3, 2, 1, 6, 7, 8)
		var now, most atomic.Int32
		r := stream.Parallel(src, 4, func(ctx context.Context, v int) (int, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			<-time.After(time.Duration(v) * time.Second)
			return v, ctx.Err()
		})
		require.Equal(t, 5, pull(t, r))
		synctest.Wait()
		require.Equal(t, 5, src.taken(), "n and the one delivered")
		require.Equal(t, []int{4, 3, 2, 1, 6, 7, 8}, collect(t, r))
		require.EqualValues(t, 4, most.Load())
	})
}

func TestParallelFailsInOrderBehindTheResultsBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(nil, 1, 2, 3)
		r := stream.Parallel(src, 3, func(ctx context.Context, v int) (int, error) {
			switch v {
			case 1:
				<-time.After(time.Second)
				return v, ctx.Err()
			case 2:
				return 0, errBoom
			}
			<-ctx.Done()
			return 0, context.Cause(ctx)
		})
		require.Equal(t, 1, pull(t, r))
		require.Equal(t, []error{errBoom}, src.causes(), "as soon as f has failed")
		wantEnd(t, r, errBoom)
	})
}

func TestParallelIsAsParallelAsItIsTold(t *testing.T) {
	for n, want := range map[int]int{0: runtime.GOMAXPROCS(0), -1: 1, 3: 3} {
		bubble(t, func(t *testing.T) {
			src := source(nil, make([]int, 1000)...)
			r := stream.Parallel(src, n, func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, nil
			})
			p := goPull(t.Context(), r)
			p.waits(t, "the work goes on")
			require.Equal(t, want, src.taken())
			require.NoError(t, r.Cancel(nil))
			p.returns(t, io.EOF)
		})
	}
}

func TestParallelStartsNoMoreGoroutinesThanItIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before := goroutines(t)
		r := stream.Parallel(source(nil, make([]int, 100)...), 2,
			func(_ context.Context, v int) (int, error) { return v, nil })
		for range 50 {
			pull(t, r)
		}
		synctest.Wait()
		require.LessOrEqual(t, goroutines(t), before+2)
		require.NoError(t, r.Cancel(nil))
	})
}

func TestWorkContextEndsWithCancel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		causes := make(chan error, 2)
		r := stream.Parallel(source(nil, 1), 1, func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return 0, nil
		})
		s := stream.Stage(source(nil), stream.Count(1),
			func(ctx context.Context, _ stream.Readable[int], _ stream.Writable[int]) error {
				<-ctx.Done()
				causes <- context.Cause(ctx)
				return nil
			})
		for _, r := range []stream.Readable[int]{r, s} {
			p := goPull(t.Context(), r)
			p.waits(t, "the work goes on")
			require.NoError(t, r.Cancel(errBoom))
			p.returns(t, io.EOF)
			require.Equal(t, errBoom, <-causes)
		}
	})
}

func TestParallelPullsBehindCancelDoNotReturnTheErrorOfItsFunction(t *testing.T) {
	for range 50 { // the order in which the Pull sees the two ends is random
		bubble(t, func(t *testing.T) {
			r := stream.Parallel(stream.From(1), 1, func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, errOther
			})
			p := goPull(t.Context(), r)
			p.waits(t, "the function has not returned")
			require.NoError(t, r.Cancel(errBoom))
			p.returns(t, io.EOF)
			wantEnd(t, r, io.EOF)
		})
	}
}

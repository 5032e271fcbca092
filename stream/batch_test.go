package stream_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestBatchIsDeliveredWhenItIsFullOrDueOrAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[string](9)
		r := stream.Batch(q, stream.Bytes[string](4), time.Second)
		for _, v := range []string{"ab", "cde", "f"} {
			require.NoError(t, q.Write(t.Context(), v))
		}
		require.Equal(t, []string{"ab", "cde"}, pull(t, r),
			"full, with its last chunk beyond the mark")
		start := time.Now()
		require.Equal(t, []string{"f"}, pull(t, r))
		require.Equal(t, time.Second, time.Since(start))
		require.NoError(t, q.Write(t.Context(), "g"))
		require.NoError(t, q.Fail(t.Context(), errBoom))
		require.Equal(t, []string{"g"}, pull(t, r), "before the end")
		wantEnd(t, r, errBoom)
	})
}

func TestBatchWithoutAWaitHasNoLimitOfTime(t *testing.T) {
	for _, wait := range []time.Duration{0, -1} {
		bubble(t, func(t *testing.T) {
			q := stream.NewQueue[int](9)
			r := stream.Batch(q, stream.Count(2), wait)
			require.NoError(t, q.Write(t.Context(), 1))
			first := goPull(t.Context(), r)
			<-time.After(time.Hour)
			first.waits(t, "one of two chunks is there")
			require.NoError(t, q.Write(t.Context(), 2))
			require.Equal(t, []int{1, 2}, first.returns(t, nil))
		})
	}
}

func TestBatchNowTakesTheChunksThatAreThere(t *testing.T) {
	same := func(v int) (int, error) { return v, nil }
	for name, on := range map[string]func(q *stream.Queue[int]) stream.Readable[int]{
		"a queue": func(q *stream.Queue[int]) stream.Readable[int] { return q },
		"a map":   func(q *stream.Queue[int]) stream.Readable[int] { return stream.Map(q, same) },
		"a concat": func(q *stream.Queue[int]) stream.Readable[int] {
			return stream.Concat(stream.From[int](), q)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				q := stream.NewQueue[int](9)
				r := stream.BatchNow(on(q), stream.Count(3))
				write := func(vs ...int) {
					for _, v := range vs {
						require.NoError(t, q.Write(t.Context(), v))
					}
				}
				write(1, 2, 3, 4)
				require.Equal(t, []int{1, 2, 3}, pull(t, r), "up to the limit")
				require.Equal(t, []int{4}, pull(t, r), "what is left")
				first := goPull(t.Context(), r)
				first.waits(t, "nothing is there")
				write(5)
				require.Equal(t, []int{5}, first.returns(t, nil), "it waits for the first alone")
				write(6, 7)
				require.NoError(t, q.Fail(t.Context(), errBoom))
				require.Equal(t, []int{6, 7}, pull(t, r), "before the end")
				wantEnd(t, r, errBoom)
			})
		})
	}
}

func TestBatchNowTakesWhatAChannelHolds(t *testing.T) {
	c := make(chan int, 100)
	for v := range 100 {
		c <- v
	}
	r := stream.BatchNow(stream.FromChan(c), stream.Count(1000))
	require.Len(t, pull(t, r), 100)
	close(c)
	wantEnd(t, r, io.EOF)
}

func TestBatchNowOfAReaderIsOneChunkAndClosesNothing(t *testing.T) {
	pr, pw := io.Pipe()
	r := stream.BatchNow(stream.FromReader(pr, 0), stream.Count(9))
	go func() { // ends with the pipe
		_, _ = pw.Write([]byte("a"))
		_, _ = pw.Write([]byte("b"))
		_ = pw.Close()
	}()
	require.Equal(t, [][]byte{[]byte("a")}, pull(t, r), "a Read may wait, so it is not begun")
	require.Equal(t, [][]byte{[]byte("b")}, pull(t, r))
	wantEnd(t, r, io.EOF)
}

func TestBatchNowKeepsNothingWhenItsPullLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](9)
		r := stream.BatchNow(q, stream.Count(3))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errBoom)
		defer cancel()
		_, err := r.Pull(ctx)
		require.Equal(t, errBoom, err)
		require.NoError(t, q.Write(t.Context(), 1))
		require.Equal(t, []int{1}, pull(t, r))
	})
}

func TestBatchKeepsWhatItHasAndItsTimeWhenAPullLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](9)
		r := stream.Batch(q, stream.Count(4), time.Second)
		require.NoError(t, q.Write(t.Context(), 1))
		start := time.Now()
		for v := 2; v <= 3; v++ {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			_, err := r.Pull(ctx)
			cancel()
			require.Equal(t, context.DeadlineExceeded, err)
			require.NoError(t, q.Write(t.Context(), v))
		}
		require.Equal(t, []int{1, 2, 3}, pull(t, r))
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestBatchLosesNothingWhenItsContextEndsWithItsSource(t *testing.T) {
	src := source(io.EOF, 1)
	r := stream.Batch(&lateSource{src}, stream.Count(3), 0)
	ctx, cancel := context.WithCancelCause(t.Context())
	src.onPull = func() {
		if src.taken() == 1 {
			cancel(errBoom)
		}
	}
	require.Equal(t, [][]int{{1}}, collectAfter(t, ctx, r))
}

// collectAfter pulls with ctx, and again without it if it has ended, until the end.
func collectAfter[T any](t *testing.T, ctx context.Context, r stream.Readable[T]) []T {
	all, err := stream.Collect(ctx, r)
	if ctx.Err() != nil && err == context.Cause(ctx) {
		rest, err := stream.Collect(t.Context(), r)
		require.NoError(t, err)
		return append(all, rest...)
	}
	require.NoError(t, err)
	return all
}

func TestBatchFailsForANegativeSize(t *testing.T) {
	src := source(nil, 1, -2, 3)
	r := stream.Batch(src, stream.Size(9, func(v int) int { return v }), 0)
	require.Equal(t, []int{1}, pull(t, r))
	_, err := r.Pull(t.Context())
	require.EqualError(t, err, "stream: size function returned -2")
	require.Equal(t, []error{err}, src.cancels)
}

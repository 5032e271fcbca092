package stream_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestThrottleKeepsThePaceAndTheChunk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(io.EOF, 1, 2)
		r, start := stream.Throttle(src, pace{}), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := r.Pull(ctx)
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, []int{1, 2}, collect(t, r))
		require.Equal(t, 2500*time.Millisecond, time.Since(start))
	})
}

func TestThrottleFailsWithAnErrorOfItsLimiter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(nil, 1, 2)
		r := stream.Throttle(src, pace{errBoom})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := r.Pull(ctx)
		require.Equal(t, errBoom, err)
		wantEnd(t, r, errBoom)
		require.Equal(t, []error{errBoom}, src.cancels)
	})
}

func TestThrottleStopsWaitingWhenCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := stream.Throttle(source(nil, 1), pace{})
		p := goPull(t.Context(), r)
		p.waits(t, "the pace")
		require.NoError(t, r.Cancel(nil))
		p.returns(t, io.EOF)
	})
}

func TestPipeDoesNotWaitForALimiterWhenItsDestinationIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src, dst := stream.NewQueue[int](2), stream.NewQueue[int](1)
		require.NoError(t, src.Write(t.Context(), 1))
		require.NoError(t, src.Close(t.Context()))
		piping := goDo(func() error {
			return stream.Pipe(t.Context(), dst, stream.Throttle(src, pace{}), nil)
		})
		piping.waits(t, "the pace")
		require.NoError(t, dst.Cancel(nil))
		piping.returns(t, stream.ErrClosed)
	})
}

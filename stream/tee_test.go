package stream_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestTeeBranchesSeeAllChunksInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := stream.Tee[int](source(errBoom, 1, 2, 3), stream.Count(1), stream.Count(4))
		for i := range 3 {
			require.Equal(t, i+1, pull(t, a))
		}
		wantEnd(t, a, errBoom)
		for i := range 3 {
			require.Equal(t, i+1, pull(t, b), "what came before the error comes first")
		}
		wantEnd(t, b, errBoom)
	})
}

func TestTeeBranchThatIsNotPulledHoldsBackTheOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(nil, 1, 2, 3, 4, 5)
		a, b := stream.Tee[int](src, stream.Count(0), stream.Count(2))
		pull(t, a)
		pull(t, a)
		p := goPull(t.Context(), a)
		p.waits(t, "the other branch is full")
		require.Equal(t, 2, src.taken())
		require.Equal(t, 1, pull(t, b))
		require.Equal(t, 3, p.returns(t, nil))
		require.NoError(t, b.Cancel(errBoom))
		require.Equal(t, 4, pull(t, a), "one that was cancelled does not hold back the other")
		require.Empty(t, src.causes())
		require.NoError(t, a.Cancel(errOther))
		require.Len(t, src.causes(), 1)
		require.Equal(t, errors.Join(errBoom, errOther), src.causes()[0])
	})
}

func TestTeeBranchWithANegativeSizeFailsAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(nil, 1, -2, 3)
		a, b := stream.Tee[int](src, stream.Size(5, func(v int) int { return v }), stream.Count(5))
		require.Equal(t, 1, pull(t, a))
		_, err := a.Pull(t.Context())
		require.EqualError(t, err, "stream: size function returned -2")
		for _, want := range []int{1, -2, 3} {
			require.Equal(t, want, pull(t, b))
		}
		require.NoError(t, b.Cancel(nil))
		require.NoError(t, a.Cancel(nil))
		require.Len(t, src.causes(), 1)
	})
}

// The demand of a branch ends when the context of its Pull does.
func TestTeePullsNothingForAPullThatHasLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(nil, 1)
		a, b := stream.Tee(src, stream.Count(0), stream.Count(0))
		ctx, cancel := context.WithCancelCause(t.Context())
		first := goPull(ctx, a)
		first.waits(t, "b is not pulled")
		cancel(errBoom)
		first.returns(t, errBoom)
		second := goPull(t.Context(), b)
		second.waits(t, "a is not pulled any more")
		require.Zero(t, src.taken())
		require.Equal(t, 1, pull(t, a))
		require.Equal(t, 1, second.returns(t, nil))
		require.NoError(t, a.Cancel(nil))
		require.NoError(t, b.Cancel(nil))
	})
}

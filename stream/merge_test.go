package stream_test

import (
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestMergeDeliversAllOfAllSources(t *testing.T) {
	bubble(t, func(t *testing.T) {
		require.ElementsMatch(t, []int{1, 2, 3, 4},
			collect(t, stream.Merge(stream.From(1, 2), stream.From(3, 4))))
		require.Empty(t, collect(t, stream.Merge[int]()))
	})
}

func TestMergeFailsBehindWhatWasPulledAndCancelsTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bad, good := stream.NewQueue[int](1), source(nil, 1)
		r := stream.Merge[int](bad, good)
		require.Equal(t, 1, pull(t, r))
		p := goPull(t.Context(), r)
		p.waits(t, "both are idle")
		require.NoError(t, bad.Abort(errBoom))
		p.returns(t, errBoom)
		require.Equal(t, []error{errBoom}, good.causes())
	})
}

func TestMergeHoldsOneChunkOfEachSource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := source(nil, 1, 2, 3), source(nil, 1, 2, 3)
		r := stream.Merge[int](a, b)
		pull(t, r)
		synctest.Wait()
		require.LessOrEqual(t, a.taken()+b.taken(), 2, "one was delivered; no Pull wants more")
		require.NoError(t, r.Cancel(nil))
	})
}

// A settling source lets everything happen that its Cancel causes, before that returns.
type settling struct{ stream.Readable[int] }

func (s settling) Cancel(cause error) error {
	err := s.Readable.Cancel(cause)
	synctest.Wait()
	return err
}

// Cancel of the first source ends the Pull that waits for it, with io.EOF. That is no end behind
// which the second source comes.
func TestConcatPullsNoLaterSourceWhenCancelEndsItsPull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first, second := settling{source(nil)}, source(nil, 1)
		r := stream.Concat[int](first, second)
		p := goPull(t.Context(), r)
		p.waits(t, "the first source is idle")
		require.NoError(t, r.Cancel(errBoom))
		p.returns(t, io.EOF)
		require.Zero(t, second.taken())
	})
}

func TestConcatIsOneSourceAfterTheOther(t *testing.T) {
	require.Equal(t, []int{1, 2, 3},
		collect(t, stream.Concat(stream.From(1), stream.From[int](), stream.From(2, 3))))
	require.Empty(t, collect(t, stream.Concat[int]()))
	later := source(nil, 9)
	r := stream.Concat[int](source(errBoom, 1), later)
	require.Equal(t, 1, pull(t, r))
	wantEnd(t, r, errBoom)
	require.Zero(t, later.taken())
	require.Equal(t, []error{errBoom}, later.cancels)
}

func TestMergeAndConcatJoinTheErrorsOfCancel(t *testing.T) {
	for name, join := range map[string]func(...stream.Readable[int]) stream.Readable[int]{
		"Merge":  stream.Merge[int],
		"Concat": stream.Concat[int],
	} {
		t.Run(name, func(t *testing.T) {
			a, b := source(nil), source(nil)
			a.cancelErr, b.cancelErr = errBoom, errOther
			err := join(a, b).Cancel(nil)
			require.ErrorIs(t, err, errBoom)
			require.ErrorIs(t, err, errOther)
		})
	}
}

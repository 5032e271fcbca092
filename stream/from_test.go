package stream_test

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestFromSeqRunsOnlyWhenPulledAndIsStoppedByCancel(t *testing.T) {
	made, stopped := 0, false
	r := stream.FromSeq(func(yield func(int) bool) {
		defer func() { stopped = true }()
		for {
			made++
			if !yield(made) {
				return
			}
		}
	})
	require.Zero(t, made)
	require.Equal(t, 1, pull(t, r))
	require.Equal(t, 1, made)
	_, err := r.Pull(ended(t))
	require.Equal(t, errBoom, err)
	require.Equal(t, 2, pull(t, r))
	require.NoError(t, r.Cancel(nil))
	require.True(t, stopped)
	wantEnd(t, r, io.EOF)
}

func TestFromSeqEndsAsItsSequenceDoes(t *testing.T) {
	require.Equal(t, []int{1, 2}, collect(t, stream.FromSeq(slices.Values([]int{1, 2}))))
	require.NoError(t, stream.FromSeq(slices.Values([]int{1})).Cancel(nil), "one that never began")
	stopped := false
	r := stream.FromSeq2(func(yield func(int, error) bool) {
		stopped = yield(1, nil) && !yield(0, errBoom)
	})
	require.Equal(t, 1, pull(t, r))
	wantEnd(t, r, errBoom)
	require.True(t, stopped)
	r = stream.FromSeq(func(func(int) bool) { panic("boom") })
	require.PanicsWithValue(t, "boom", func() { r.Pull(t.Context()) })
	_, err := r.Pull(t.Context())
	require.Error(t, err)
	require.NoError(t, r.Cancel(nil))
}

func TestFromSeqIsStoppedAfterTheValueInTheMaking(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release, stopped := make(chan struct{}), false
		r := stream.FromSeq(func(yield func(int) bool) {
			<-release
			stopped = !yield(1) || !yield(2)
		})
		p := goPull(t.Context(), r)
		p.waits(t, "the sequence blocks")
		require.NoError(t, r.Cancel(nil))
		close(release)
		p.returns(t, io.EOF)
		synctest.Wait()
		require.True(t, stopped)
	})
}

func TestFromSeqIsStoppedWhenItIsLeftInTheMiddle(t *testing.T) {
	stopped := false
	r := stream.FromSeq(func(yield func(int) bool) {
		defer func() { stopped = true }()
		for v := 1; yield(v); v++ {
		}
	})
	for v, err := range stream.All(t.Context(), r) {
		require.NoError(t, err)
		if v == 2 {
			break
		}
	}
	require.False(t, stopped, "leaving the loop leaves the stream")
	through := stream.Through(r, stream.Transform[int, int]{
		Each: func(v int, emit func(int)) error {
			if v > 3 {
				return stream.SkipAll
			}
			emit(v)
			return nil
		},
	})
	require.NoError(t, stream.Pipe(t.Context(), stream.Discard[int](), through, nil))
	require.True(t, stopped, "by the pipe, whose transform had enough")
}

package stream_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestAllYieldsAnErrorOnceAndLast(t *testing.T) {
	var got []int
	var errs []error
	for v, err := range stream.All(t.Context(), source(errBoom, 1, 2)) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		require.Empty(t, errs)
		got = append(got, v)
	}
	require.Equal(t, []int{1, 2}, got)
	require.Equal(t, []error{errBoom}, errs)
}

func TestAllYieldsNothingMoreAtACleanEnd(t *testing.T) {
	n := 0
	for _, err := range stream.All(t.Context(), stream.From(1)) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 1, n)
}

func TestAllLeavesTheStreamAsItIsWhenTheLoopIsLeft(t *testing.T) {
	src := source(io.EOF, 1, 2, 3)
	for range stream.All(t.Context(), src) {
		break
	}
	require.Empty(t, src.cancels)
	require.Equal(t, []int{2, 3}, collect(t, src))
}

func TestCollectReturnsWhatCameBeforeAnError(t *testing.T) {
	got, err := stream.Collect(t.Context(), source(errBoom, 1, 2))
	require.Equal(t, errBoom, err)
	require.Equal(t, []int{1, 2}, got)
	got, err = stream.Collect(ended(t), stream.From(1))
	require.Equal(t, errBoom, err)
	require.Empty(t, got)
}

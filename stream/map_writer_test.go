package stream_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestMapWriterWritesInOrderOneAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](0)
		busy := false
		w := stream.MapWriter(q, func(v int) (int, error) {
			require.False(t, busy)
			busy = true
			defer func() { busy = false }()
			if v == 2 {
				return 0, stream.Skip
			}
			return v * 10, nil
		})
		var calls []*call[struct{}]
		for v := range 4 {
			calls = append(calls, goWrite(t.Context(), w, v))
			synctest.Wait()
		}
		closing := goDo(func() error { return w.Close(t.Context()) })
		require.Equal(t, []int{0, 10, 30}, collect(t, q))
		for _, c := range calls {
			c.returns(t, nil)
		}
		closing.returns(t, nil)
		require.NoError(t, w.Abort(nil))
		require.Equal(t, errBoom, w.Write(ended(t), 1))
	})
}

func TestMapWriterNeverCallsItsFunctionConcurrently(t *testing.T) {
	bubble(t, func(t *testing.T) {
		begun, release := 0, make(chan struct{})
		w := stream.MapWriter(stream.Discard[int](), func(v int) (int, error) {
			begun++
			<-release
			return v, nil
		})
		first, second := goWrite(t.Context(), w, 1), goWrite(t.Context(), w, 2)
		first.waits(t, "the function is at work")
		require.Equal(t, 1, begun)
		close(release)
		first.returns(t, nil)
		second.returns(t, nil)
		require.Equal(t, 2, begun)
	})
}

func TestMapWriterEndsItsWaitForATurnWithTheDestination(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](0)
		w := stream.MapWriter(q, func(v int) (int, error) { return v, nil })
		write := goWrite(t.Context(), w, 1)
		write.waits(t, "there is no room")
		closing := goDo(func() error { return w.Close(t.Context()) })
		closing.waits(t, "its turn is after the write")
		require.NoError(t, q.Abort(errBoom))
		write.returns(t, errBoom)
		closing.returns(t, errBoom)
	})
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](0)
		w := stream.MapWriter(q, func(v int) (int, error) { return v, nil })
		write := goWrite(t.Context(), w, 1)
		write.waits(t, "there is no room")
		ctx, cancel := context.WithCancelCause(t.Context())
		closing := goDo(func() error { return w.Close(ctx) })
		closing.waits(t, "its turn is after the write")
		cancel(errBoom)
		closing.returns(t, errBoom)
		require.Equal(t, 1, pull(t, q))
		write.returns(t, nil)
	})
}

func TestMapWriterTryWriteWithSkipAndWithAnError(t *testing.T) {
	q := stream.NewQueue[int](9)
	w := stream.MapWriter(q, func(v int) (int, error) {
		switch v {
		case 0:
			return 0, stream.Skip
		case 1:
			return 0, errBoom
		}
		return v, nil
	}).(stream.TryWriter[int])
	for _, tc := range []struct {
		v  int
		ok bool
		is error
	}{
		{v: 0, ok: true},
		{v: 1, is: errBoom},
		{v: 2, ok: true},
	} {
		ok, err := w.TryWrite(tc.v)
		require.Equal(t, tc.ok, ok)
		require.Equal(t, tc.is, err)
	}
	require.Equal(t, 2, pull(t, q), "nothing else was written")
	require.Equal(t, 9, q.DesiredSize())
}

func TestMapWriterGoesOnBehindAPanicOfItsFunction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](1)
		w := stream.MapWriter(q, func(v int) (int, error) { return 6 / v, nil })
		require.Panics(t, func() { _ = w.Write(t.Context(), 0) })
		require.NoError(t, w.Write(t.Context(), 2))
		require.Equal(t, 3, pull(t, q))
	})
}

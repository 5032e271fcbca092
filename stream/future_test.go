package stream_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestFutureSettlesOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, settle := stream.NewFuture[int]()
		_, _, settled := f.Peek()
		require.False(t, settled)
		ctx, cancel := context.WithCancelCause(t.Context())
		early := goDo(func() error { _, err := f.Wait(ctx); return err })
		early.waits(t, "it is open")
		cancel(errBoom)
		early.returns(t, errBoom)
		late := goDo(func() error { _, err := f.Wait(t.Context()); return err })
		late.waits(t, "it is open")
		require.True(t, settle(7, errOther))
		require.False(t, settle(8, nil))
		late.returns(t, errOther)
		<-f.Done()
		v, err, settled := f.Peek()
		require.Equal(t, []any{7, errOther, true}, []any{v, err, settled})
		v, err = f.Wait(t.Context())
		require.Equal(t, []any{7, errOther}, []any{v, err})
		_, err = f.Wait(ctx)
		require.Equal(t, errBoom, err, "a context that has ended comes first")
	})
}

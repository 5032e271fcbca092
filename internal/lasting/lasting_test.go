package lasting_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream/internal/lasting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errGone, errWhy = errors.New("gone"), errors.New("why")

// A thing is an Owner that ends contexts with errGone.
type thing struct{}

func (thing) Owns(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errGone) }

func owned(t *testing.T) (context.Context, context.CancelCauseFunc) {
	ctx, end := context.WithCancelCause(t.Context())
	return lasting.With(ctx, thing{}), end
}

func TestACallOutlivesTheEndOfTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := owned(t)
		type key struct{}
		child, cancel := context.WithCancel(context.WithValue(ctx, key{}, 1))
		defer cancel()
		early, stop := lasting.For(child)
		defer stop()
		end(errGone)
		synctest.Wait()
		require.Equal(t, errGone, context.Cause(child))
		late, stop := lasting.For(child)
		defer stop()
		synctest.Wait()
		require.NoError(t, early.Err())
		require.NoError(t, late.Err())
		require.Equal(t, 1, late.Value(key{}))
	})
}

func TestAnyOtherEndIsTheCallsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := owned(t)
		child, cancel := context.WithCancelCause(ctx)
		early, stop := lasting.For(child)
		defer stop()
		cancel(errWhy)
		late, stop := lasting.For(child)
		defer stop()
		require.Equal(t, errWhy, context.Cause(late), "immediately")
		synctest.Wait()
		require.Equal(t, errWhy, context.Cause(early))
		end(errGone)
	})
}

func TestADeadlineStaysWhenTheOwnerHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := owned(t)
		child, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		call, stop := lasting.For(child)
		defer stop()
		end(errGone)
		begin := time.Now()
		<-call.Done()
		require.Equal(t, time.Minute, time.Since(begin))
		require.Equal(t, context.DeadlineExceeded, context.Cause(call))
	})
}

func TestTheCauseOfATimeoutIsTheCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, _ := owned(t)
		child, cancel := context.WithTimeoutCause(ctx, time.Minute, errWhy)
		defer cancel()
		call, stop := lasting.For(child)
		defer stop()
		<-call.Done()
		require.Equal(t, errWhy, context.Cause(call))
	})
}

func TestAContextWithoutAnOwnerIsItself(t *testing.T) {
	ctx, stop := lasting.For(t.Context())
	stop()
	require.Equal(t, t.Context(), ctx)
	require.NoError(t, ctx.Err())
}

func TestUndatedEndsWithItsContextAndHasNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errWhy)
		defer cancel()
		undated := lasting.Undated(ctx)
		_, dated := undated.Deadline()
		require.False(t, dated)
		require.NoError(t, undated.Err())
		<-undated.Done()
		require.Equal(t, context.DeadlineExceeded, undated.Err())
		require.Equal(t, errWhy, context.Cause(undated))
	})
}

package stream_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestPanicOfASourceReachesThePull(t *testing.T) {
	eachOperator(t, func(t *testing.T, op func(stream.Readable[int]) stream.Readable[int]) {
		src := source(nil, 1)
		r := op(stream.Map(src, explode))
		require.Panics(t, func() { r.Pull(t.Context()) })
		_, err := r.Pull(t.Context())
		require.Error(t, err)
		require.NotEqual(t, io.EOF, err)
		synctest.Wait()
		require.Len(t, src.causes(), 1)
		_ = r.Cancel(nil)
	})
}

// A Join whose other way panicked ends its context with the *Panic.
func TestPanicThatEndsAContextIsNoPanicOfThePull(t *testing.T) {
	eachOperator(t, func(t *testing.T, op func(stream.Readable[int]) stream.Readable[int]) {
		r := op(stream.NewQueue[int](1))
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-time.After(time.Second)
			cancel(&stream.Panic{Value: io.ErrNoProgress})
		}()
		_, err := r.Pull(ctx)
		require.ErrorIs(t, err, io.ErrNoProgress)
		_ = r.Cancel(nil)
	})
}

// An endingCtx has ended once it says so. Its Done is late.
type endingCtx struct {
	context.Context
	ended atomic.Bool
}

func (c *endingCtx) Err() error {
	if c.ended.Load() {
		return context.Canceled
	}
	return nil
}

// The Pull returned the *Panic as an error, and a later Pull panicked.
func TestPanicReachesThePullWhoseContextEndsMeanwhile(t *testing.T) {
	eachOperator(t, func(t *testing.T, op func(stream.Readable[int]) stream.Readable[int]) {
		ctx := &endingCtx{Context: t.Context()}
		r := op(stream.Map(source(nil, 1), func(v int) (int, error) {
			ctx.ended.Store(true)
			return explode(v)
		}))
		first := errors.New("it panicked")
		func() {
			defer func() { _ = recover() }()
			_, first = r.Pull(ctx)
		}()
		if first == context.Canceled { // the end is left for the next Pull
			require.Panics(t, func() { r.Pull(t.Context()) })
		} else {
			require.EqualError(t, first, "it panicked")
		}
		_, err := r.Pull(t.Context())
		require.Error(t, err)
		_ = r.Cancel(nil)
	})
}

// withF are the operators that take a function from int to int and error.
var withF = map[string]func(stream.Readable[int], func(int) (int, error)) stream.Readable[int]{
	"Map": stream.Map[int, int],
	"Through": func(r stream.Readable[int], f func(int) (int, error)) stream.Readable[int] {
		each := func(v int, emit func(int)) error {
			v, err := f(v)
			if err == nil {
				emit(v)
			}
			return err
		}
		return stream.Through(r, stream.Transform[int, int]{Each: each})
	},
	"FlatMap": func(r stream.Readable[int], f func(int) (int, error)) stream.Readable[int] {
		return stream.FlatMap(r, func(v int) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) { yield(f(v)) }
		})
	},
	"Scan": func(r stream.Readable[int], f func(int) (int, error)) stream.Readable[int] {
		return stream.Scan(r, 0, func(_, v int) (int, error) { return f(v) })
	},
	"Parallel": func(r stream.Readable[int], f func(int) (int, error)) stream.Readable[int] {
		return stream.Parallel(r, 2, func(_ context.Context, v int) (int, error) { return f(v) })
	},
}

func TestPanicOfAFunctionOnAnotherGoroutineReachesThePull(t *testing.T) {
	for name, op := range map[string]func(stream.Readable[int]) stream.Readable[int]{
		"Parallel": func(r stream.Readable[int]) stream.Readable[int] {
			return stream.Parallel(r, 2, func(_ context.Context, v int) (int, error) {
				return explode(v)
			})
		},
		"Stage": func(r stream.Readable[int]) stream.Readable[int] {
			return stream.Stage(r, stream.Count(0),
				func(context.Context, stream.Readable[int], stream.Writable[int]) error {
					_, err := explode(1)
					return err
				})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				src := source(nil, 1)
				r := op(src)
				p := catchPanic(t, func() { r.Pull(t.Context()) })
				require.Equal(t, "boom", p.Value)
				require.Contains(t, string(p.Stack), "explode")
				wantEnd(t, r, error(p))
				synctest.Wait()
				require.Len(t, src.causes(), 1)
			})
		})
	}
}

func TestPanicPassesThroughSeveralOperators(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := stream.Parallel(source(nil, 1), 2, func(context.Context, int) (int, error) {
			panic(errBoom)
		})
		outer := stream.Parallel(inner, 2, func(_ context.Context, v int) (int, error) {
			return v, nil
		})
		p := catchPanic(t, func() { outer.Pull(t.Context()) })
		require.ErrorIs(t, p, errBoom, "it is the value")
		require.ErrorContains(t, p, "stream: panic: boom\n\ngoroutine ")
	})
}

func TestGoexitOfAFunctionFailsTheStream(t *testing.T) {
	leave := func(int) (int, error) {
		runtime.Goexit()
		return 0, nil
	}
	for name, op := range map[string]func(stream.Readable[int]) stream.Readable[int]{
		"Parallel": func(r stream.Readable[int]) stream.Readable[int] {
			return stream.Parallel(r, 2, func(_ context.Context, v int) (int, error) {
				return leave(v)
			})
		},
		"Stage": func(r stream.Readable[int]) stream.Readable[int] {
			return stream.Stage(r, stream.Count(0),
				func(context.Context, stream.Readable[int], stream.Writable[int]) error {
					_, err := leave(1)
					return err
				})
		},
		"before Parallel": func(r stream.Readable[int]) stream.Readable[int] {
			return operators["Parallel"](stream.Map(r, leave))
		},
		"before Merge": func(r stream.Readable[int]) stream.Readable[int] {
			return operators["Merge"](stream.Map(r, leave))
		},
		"before Tee": func(r stream.Readable[int]) stream.Readable[int] {
			return operators["Tee"](stream.Map(r, leave))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				src := source(nil, 1)
				r := op(src)
				_, err := r.Pull(t.Context())
				require.EqualError(t, err, "stream: a function of the stream ended its goroutine")
				wantEnd(t, r, err)
				synctest.Wait()
				require.Len(t, src.causes(), 1)
			})
		})
	}
}

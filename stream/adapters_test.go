package stream_test

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestSinkIsNeverCalledConcurrently(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		w := stream.ToWriter(pw)
		first := goWrite(t.Context(), w, []byte("1"))
		first.waits(t, "there is no Read")
		second := goWrite(t.Context(), w, []byte("2"))
		second.waits(t, "its turn is after the first")
		closing := goDo(func() error { return w.Close(t.Context()) })
		closing.waits(t, "its turn is last")
		all, err := io.ReadAll(pr)
		require.NoError(t, err)
		require.Equal(t, "12", string(all))
		second.returns(t, nil)
		closing.returns(t, nil)
	})
}

func TestSinkIsNeverWrittenToAfterItsEnd(t *testing.T) {
	for name, end := range map[string]func(w stream.Writable[[]byte]) error{
		"Close": func(w stream.Writable[[]byte]) error { return w.Close(context.Background()) },
		"Abort": func(w stream.Writable[[]byte]) error { return w.Abort(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				release := make(chan struct{})
				var calls []string
				w := stream.ToWriter(writes(func(p []byte) {
					<-release
					calls = append(calls, string(p))
				}))
				first := goWrite(t.Context(), w, []byte("first"))
				first.waits(t, "the sink is stalled")
				ending := goDo(func() error { return end(w) })
				synctest.Wait()
				late := goWrite(t.Context(), w, []byte("late"))
				synctest.Wait()
				close(release)
				require.NoError(t, ending.wait())
				late.returns(t, stream.ErrClosed)
				require.Equal(t, stream.ErrClosed, w.Write(t.Context(), []byte("later")))
				require.NoError(t, w.Close(t.Context()))
				synctest.Wait()
				require.Equal(t, []string{"first"}, calls)
			})
		})
	}
}

func TestSinkIgnoresACallWhoseContextHasEnded(t *testing.T) {
	for name, w := range map[string]stream.Writable[[]byte]{
		"Discard":  stream.Discard[[]byte](),
		"ToWriter": stream.ToWriter(io.Discard),
		"ToChan":   stream.ToChan(make(chan []byte, 1)),
		"MapWriter": stream.MapWriter(stream.NewQueue[[]byte](1), func(p []byte) ([]byte, error) {
			return p, nil
		}),
		"Publisher": stream.NewBroadcast[[]byte](nil).Publisher(),
	} {
		t.Run(name, func(t *testing.T) {
			ready := func(context.Context) error { return nil }
			r, tells := w.(interface {
				Ready(ctx context.Context) error
			})
			if tells {
				ready = r.Ready
				require.Equal(t, errBoom, ready(ended(t)))
			}
			require.Equal(t, errBoom, w.Write(ended(t), nil))
			require.Equal(t, errBoom, w.Close(ended(t)))
			require.NoError(t, ready(t.Context()))
			require.NoError(t, w.Write(t.Context(), nil))
			require.NoError(t, w.Close(t.Context()))
			require.Equal(t, stream.ErrClosed, w.Write(t.Context(), nil))
			if tells {
				require.Equal(t, stream.ErrClosed, ready(t.Context()))
			}
		})
	}
}

func TestSourceGivesNothingToAContextThatHasEnded(t *testing.T) {
	c := make(chan string, 1)
	c <- "a"
	room := stream.NewBroadcast(&stream.BroadcastOptions[string]{Replay: 1})
	require.NoError(t, room.Publish(t.Context(), "a"))
	for name, r := range map[string]stream.Readable[string]{
		"From":     stream.From("a"),
		"FromChan": stream.FromChan(c),
		"FromSeq":  stream.FromSeq(slices.Values([]string{"a"})),
		"FromReader": stream.Map(stream.FromReader(strings.NewReader("a"), 0),
			func(p []byte) (string, error) { return string(p), nil }),
		"Subscription": stream.Subscribe(room, stream.Count(1), stream.Block()),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Pull(ended(t))
			require.Equal(t, errBoom, err)
			require.Equal(t, "a", pull(t, r))
			require.NoError(t, r.Cancel(nil))
		})
	}
}

// A waiting call of an adapter, with what can end it.
type stoppable struct {
	call func(ctx context.Context) error
	stop func(cause error) error // Cancel or Abort
	far  func() error            // the other side stops
}

func reading[T any](r stream.Readable[T], far func() error) stoppable {
	return stoppable{
		func(ctx context.Context) error { _, err := r.Pull(ctx); return err },
		r.Cancel,
		far,
	}
}

func writing[T any](w stream.Writable[T], far func() error) stoppable {
	var v T
	return stoppable{func(ctx context.Context) error { return w.Write(ctx, v) }, w.Abort, far}
}

func TestAdaptersLeaveNoGoroutineBehind(t *testing.T) {
	ends := map[string]func(s stoppable, cancel context.CancelCauseFunc) error{
		"its context ends": func(_ stoppable, cancel context.CancelCauseFunc) error {
			cancel(errBoom)
			return nil
		},
		"it is stopped": func(s stoppable, _ context.CancelCauseFunc) error {
			return s.stop(errBoom)
		},
		"the far side ends": func(s stoppable, _ context.CancelCauseFunc) error { return s.far() },
	}
	for name, adapter := range map[string]func() stoppable{
		"FromReader, with deadlines": func() stoppable {
			near, far := net.Pipe()
			return reading(stream.FromReader(near, 0), far.Close)
		},
		"FromReader, with Close": func() stoppable {
			pr, pw := io.Pipe()
			return reading(stream.FromReader(pr, 0), pw.Close)
		},
		"ToWriter, with deadlines": func() stoppable {
			near, far := net.Pipe()
			return writing(stream.ToWriter(near), far.Close)
		},
		"ToWriter, with Close": func() stoppable {
			pr, pw := io.Pipe()
			return writing(stream.ToWriter(pw), pr.Close)
		},
		"FromChan": func() stoppable {
			c := make(chan int)
			return reading(stream.FromChan(c), func() error { close(c); return nil })
		},
		"ToChan": func() stoppable {
			c := make(chan int)
			return writing(stream.ToChan(c), func() error { <-c; return nil })
		},
		"AsReader": func() stoppable {
			q := stream.NewQueue[[]byte](0)
			return stoppable{func(ctx context.Context) error {
				_, err := stream.AsReader(ctx, q).Read(make([]byte, 1))
				return err
			}, q.Cancel, func() error { return q.Close(context.Background()) }}
		},
		"AsWriter": func() stoppable {
			q := stream.NewQueue[[]byte](0)
			return stoppable{func(ctx context.Context) error {
				_, err := stream.AsWriter(ctx, q).Write([]byte("x"))
				return err
			}, q.Abort, func() error { return q.Cancel(nil) }}
		},
		"FromSeq2 of All": func() stoppable {
			q := stream.NewQueue[int](0)
			return stoppable{func(ctx context.Context) error {
				r := stream.FromSeq2(stream.All(ctx, q))
				defer r.Cancel(nil)
				_, err := r.Pull(ctx)
				return err
			}, q.Cancel, func() error { return q.Close(context.Background()) }}
		},
	} {
		for why, end := range ends {
			t.Run(name+"/"+why, func(t *testing.T) {
				bubble(t, func(t *testing.T) { // which fails if a goroutine is left
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					s := adapter()
					waiting := goDo(func() error { return s.call(ctx) })
					waiting.waits(t, "the far side is idle")
					require.NoError(t, end(s, cancel))
					synctest.Wait()
					require.True(t, isClosed(waiting.done), "the call still waits")
				})
			})
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

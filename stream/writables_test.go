package stream_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

// A made Writable, and what stands behind it.
type made struct {
	w    stream.Writable[[]byte]
	pull func() (string, error) // takes one chunk out at the far side
	end  func(cause error)      // ends what w stands on; nil where w is the end
}

// writables are all that the package makes: each has room for one chunk, or for none.
var writables = map[string]struct {
	make  func() made
	blind bool // the far side does not see why it ended
	mute  bool // Ready does not tell of room
	waits bool // TryWrite would wait, so there is none
}{
	"Queue": {
		make: func() made {
			return onQueue(func(q *stream.Queue[[]byte]) stream.Writable[[]byte] { return q })
		},
	},
	"MapWriter": {make: func() made {
		return onQueue(func(q *stream.Queue[[]byte]) stream.Writable[[]byte] {
			return stream.MapWriter(q, same)
		})
	}},
	"MapWriter of a MapWriter": {make: func() made {
		return onQueue(func(q *stream.Queue[[]byte]) stream.Writable[[]byte] {
			return stream.MapWriter(stream.MapWriter(q, same), same)
		})
	}},
	"Encode": {make: func() made {
		return onQueue(func(q *stream.Queue[[]byte]) stream.Writable[[]byte] {
			return stream.Encode(q, stream.Codec[[]byte, []byte]{Encode: same})
		})
	}},
	"AsWriter": {make: func() made {
		return onQueue(func(q *stream.Queue[[]byte]) stream.Writable[[]byte] {
			return fromWriter{stream.AsWriter(context.Background(), q).(tryingWriteCloser)}
		})
	}},
	"Publisher": {blind: true, make: func() made {
		room := stream.NewBroadcast[[]byte](nil)
		sub := stream.Subscribe(room, stream.Count(1), stream.Block())
		return made{room.Publisher(), pulling(sub), func(cause error) { _ = room.Abort(cause) }}
	}},
	"ToChan": {blind: true, mute: true, make: func() made {
		c := make(chan []byte, 1)
		return made{stream.ToChan(c), pulling(stream.FromChan(c)), nil}
	}},
	"ToWriter": {mute: true, waits: true, make: func() made {
		pr, pw := io.Pipe()
		return made{stream.ToWriter(pw), pulling(stream.FromReader(pr, 0)), nil}
	}},
	"ToWriter of a Writer": {mute: true, waits: true, make: func() made {
		return onQueue(func(q *stream.Queue[[]byte]) stream.Writable[[]byte] {
			return stream.ToWriter(stream.AsWriter(context.Background(), q))
		})
	}},
}

func onQueue(on func(*stream.Queue[[]byte]) stream.Writable[[]byte]) made {
	q := stream.NewQueue[[]byte](1)
	return made{on(q), pulling(q), func(cause error) { _ = q.Cancel(cause) }}
}

func pulling(r stream.Readable[[]byte]) func() (string, error) {
	return func() (string, error) {
		v, err := r.Pull(context.Background())
		return string(v), err
	}
}

func same(v []byte) ([]byte, error) { return v, nil }

// A tryingWriteCloser is what Writer returns for a Queue.
type tryingWriteCloser interface {
	io.WriteCloser
	CloseWithError(cause error) error
	all
}

// all is what a Writable may have.
type all interface {
	stream.Failer
	Abort(cause error) error
	Ready(ctx context.Context) error
	Done() <-chan struct{}
	TryWrite(v []byte) (bool, error)
}

// A fromWriter is a Writer as the Writable that it stands on.
type fromWriter struct{ tryingWriteCloser }

func (w fromWriter) Write(_ context.Context, v []byte) error {
	_, err := w.tryingWriteCloser.Write(v)
	return err
}

func (w fromWriter) Close(context.Context) error { return w.tryingWriteCloser.Close() }

// A trying Writable is one with a TryWrite.
type trying interface {
	TryWrite(v []byte) (bool, error)
}

// A telling Writable has all but a TryWrite.
type telling interface {
	stream.Writable[[]byte]
	stream.Failer
	Ready(ctx context.Context) error
	Done() <-chan struct{}
}

func eachWritable(t *testing.T, f func(t *testing.T, name string, m made)) {
	for name, c := range writables {
		t.Run(name, func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, name, c.make()) }) })
	}
}

func TestWritablesFailBehindWhatWasWritten(t *testing.T) {
	eachWritable(t, func(t *testing.T, name string, m made) {
		w := m.w.(telling)
		require.Equal(t, errOther, w.Fail(endedWith(errOther), errBoom),
			"its context had ended: nothing happened")
		first := goWrite(t.Context(), m.w, []byte("a"))
		synctest.Wait()
		second := goWrite(t.Context(), m.w, []byte("b"))
		second.waits(t, "there is room for one at most")
		ctx, cancel := context.WithCancelCause(t.Context())
		early := goDo(func() error { return w.Fail(ctx, errBoom) })
		early.waits(t, "its turn is after the Write")
		cancel(errOther)
		early.returns(t, errOther)
		failing := goDo(func() error { return w.Fail(t.Context(), errBoom) })
		failing.waits(t, "its turn is after the Write")
		for _, want := range []string{"a", "b"} {
			v, err := m.pull()
			require.NoError(t, err)
			require.Equal(t, want, v)
		}
		first.returns(t, nil)
		second.returns(t, nil)
		failing.returns(t, nil)
		if !writables[name].blind {
			_, err := m.pull()
			require.Equal(t, errBoom, err, "the far side sees why")
		}
		wantWritesToEnd(t, m.w, errBoom)
		require.NoError(t, w.Fail(t.Context(), errOther), "after the end it changes nothing")
		require.NoError(t, w.Abort(errOther))
		wantWritesToEnd(t, m.w, errBoom)
	})
}

func TestWritablesFailWithoutACauseIsErrClosed(t *testing.T) {
	eachWritable(t, func(t *testing.T, _ string, m made) {
		require.NoError(t, m.w.(telling).Fail(t.Context(), nil))
		wantWritesToEnd(t, m.w, stream.ErrClosed)
	})
}

func TestWritablesTellTheEndOfWhatTheyStandOn(t *testing.T) {
	eachWritable(t, func(t *testing.T, name string, m made) {
		w := m.w.(telling)
		require.False(t, isClosed(w.Done()))
		if m.end == nil || writables[name].waits {
			return
		}
		goWrite(t.Context(), m.w, []byte("a")).returns(t, nil)
		late := goWrite(t.Context(), m.w, []byte("b"))
		late.waits(t, "there is room for one at most")
		later := goWrite(t.Context(), m.w, []byte("c"))
		later.waits(t, "its turn is after the other")
		m.end(errBoom)
		late.returns(t, errBoom)
		later.returns(t, errBoom)
		wantWritesToEnd(t, m.w, errBoom)
	})
}

func TestWritablesKnowWhetherThereIsRoom(t *testing.T) {
	eachWritable(t, func(t *testing.T, name string, m made) {
		w := m.w.(telling)
		require.Equal(t, errBoom, w.Ready(endedWith(errBoom)))
		require.NoError(t, w.Ready(t.Context()))
		try, ok := m.w.(trying)
		require.Equal(t, !writables[name].waits, ok, "TryWrite")
		if !ok {
			return
		}
		wantTry := func(want bool, v, why string) {
			t.Helper()
			ok, err := try.TryWrite([]byte(v))
			require.NoError(t, err)
			require.Equal(t, want, ok, why)
		}
		wantTry(true, "a", "there is room")
		wantTry(false, "none", "there is no room")
		ready := goDo(func() error { return w.Ready(t.Context()) })
		if writables[name].mute {
			ready.returns(t, nil)
		} else {
			ready.waits(t, "there is no room")
		}
		v, err := m.pull()
		require.NoError(t, err)
		require.Equal(t, "a", v)
		ready.returns(t, nil)
		wantTry(true, "b", "there is room again")
		waiting := goWrite(t.Context(), m.w, []byte("c"))
		waiting.waits(t, "there is no room")
		wantTry(false, "none", "a Write waits its turn")
		for _, want := range []string{"b", "c"} {
			v, err := m.pull()
			require.NoError(t, err)
			require.Equal(t, want, v)
		}
		waiting.returns(t, nil)
	})
}

func TestWritablesDiscardHasEveryCapability(t *testing.T) {
	w := stream.Discard[[]byte]().(interface {
		telling
		trying
	})
	require.Equal(t, errBoom, w.Ready(endedWith(errBoom)))
	require.NoError(t, w.Ready(t.Context()))
	ok, err := w.TryWrite(nil)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, errOther, w.Fail(endedWith(errOther), errBoom))
	require.False(t, isClosed(w.Done()))
	require.NoError(t, w.Fail(t.Context(), errBoom))
	wantWritesToEnd(t, w, errBoom)
}

// An adapter on a Writable that has nothing but its three methods tells nothing that this does not.
func TestWritablesOverABareWritableAbortItInTurn(t *testing.T) {
	for name, on := range map[string]func(*bareSink) any{
		"MapWriter": func(s *bareSink) any { return stream.MapWriter(s, same) },
		"AsWriter":  func(s *bareSink) any { return stream.AsWriter(t.Context(), s) },
	} {
		t.Run(name, func(t *testing.T) {
			sink := new(bareSink)
			w := on(sink)
			_, tries := w.(trying)
			require.False(t, tries, "what never succeeds is no TryWrite")
			require.Nil(t, w.(interface{ Done() <-chan struct{} }).Done())
			require.NoError(t, w.(interface {
				Ready(ctx context.Context) error
			}).Ready(t.Context()))
			require.NoError(t, w.(stream.Failer).Fail(t.Context(), errBoom))
			require.Equal(t, []error{errBoom}, sink.aborts)
		})
	}
	sink := new(bareSink)
	w := stream.AsWriter(t.Context(), sink).(interface{ CloseWithError(cause error) error })
	require.NoError(t, w.CloseWithError(nil))
	require.Equal(t, 1, sink.closes)
}

// A bareSink is a Writable and no more.
type bareSink struct {
	aborts []error
	closes int
}

func (*bareSink) Write(context.Context, []byte) error { return nil }
func (s *bareSink) Close(context.Context) error       { s.closes++; return nil }
func (s *bareSink) Abort(cause error) error {
	s.aborts = append(s.aborts, cause)
	return nil
}

func TestWritablesOfAStageAreAQueue(t *testing.T) {
	r := stream.Stage(stream.From(1), stream.Count(1),
		func(_ context.Context, _ stream.Readable[int], dst stream.Writable[int]) error {
			require.IsType(t, stream.NewQueue[int](0), dst)
			return nil
		})
	require.Empty(t, collect(t, r))
}

// wantWritesToEnd checks all that tells of a Writable's end.
func wantWritesToEnd(t *testing.T, w any, end error) {
	t.Helper()
	require.True(t, isClosed(w.(telling).Done()), "Done is open")
	require.Equal(t, end, w.(telling).Ready(t.Context()))
	require.Equal(t, end, w.(telling).Write(t.Context(), []byte("late")))
	if try, ok := w.(trying); ok {
		ok, err := try.TryWrite([]byte("late"))
		require.False(t, ok)
		require.Equal(t, end, err)
	}
}

// endedWith returns a context that has ended.
func endedWith(cause error) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return ctx
}

package stream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

// TestPipeShutsDownByTheMatrix has one case for each event and each option, in all combinations.
func TestPipeShutsDownByTheMatrix(t *testing.T) {
	type ends struct {
		closes  int
		aborts  []error
		cancels []error
		err     error
	}
	for name, c := range map[string]struct {
		src  *fakeSource
		dst  *fakeSink
		ctx  bool // ends
		want ends // without options
	}{
		"source ends": {src: source(io.EOF, 1, 2), dst: &fakeSink{}, want: ends{closes: 1}},
		"source fails": {
			src:  source(errBoom, 1, 2),
			dst:  &fakeSink{},
			want: ends{aborts: []error{errBoom}, err: errBoom},
		},
		"destination fails": {
			src:  source(nil, 1, 2),
			dst:  &fakeSink{writeErr: errBoom},
			want: ends{aborts: []error{errBoom}, cancels: []error{errBoom}, err: errBoom},
		},
		"destination closed": {
			src:  source(nil, 1, 2),
			dst:  &fakeSink{writeErr: stream.ErrClosed},
			want: ends{cancels: []error{stream.ErrClosed}, err: stream.ErrClosed},
		},
		"context ends": {
			src:  source(nil, 1, 2),
			dst:  &fakeSink{},
			ctx:  true,
			want: ends{aborts: []error{errBoom}, cancels: []error{errBoom}, err: errBoom},
		},
	} {
		for o := range 8 {
			options := &stream.PipeOptions{
				PreventClose:  o&1 != 0,
				PreventAbort:  o&2 != 0,
				PreventCancel: o&4 != 0,
			}
			t.Run(fmt.Sprintf("%s/%+v", name, *options), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					src, dst, want := source(c.src.end,
						c.src.chunks...), &fakeSink{writeErr: c.dst.writeErr}, c.want
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					piping := goDo(func() error { return stream.Pipe(ctx, dst, src, options) })
					if c.ctx {
						piping.waits(t, "the source is idle")
						cancel(errBoom)
					}
					piping.returns(t, want.err)
					if options.PreventClose {
						want.closes = 0
					}
					if options.PreventAbort {
						want.aborts = nil
					}
					if options.PreventCancel {
						want.cancels = nil
					}
					require.Equal(t, want, ends{dst.closes, dst.aborts, src.cancels, want.err})
				})
			})
		}
	}
}

func TestPipeMovesAllChunksInOrder(t *testing.T) {
	src, dst := source(io.EOF, 1, 2, 3), &fakeSink{}
	var progress []int64
	o := &stream.PipeOptions{Progress: func(n int64) { progress = append(progress, n) }}
	require.NoError(t, stream.Pipe(t.Context(), dst, src, o))
	require.Equal(t, []int{1, 2, 3}, dst.got)
	require.Equal(t, []int64{1, 2, 3}, progress)
	require.Empty(t, src.cancels, "a source that has ended is not cancelled")
}

func TestPipePullsNothingBeforeThereIsRoom(t *testing.T) {
	for _, mark := range []int{0, 2} {
		bubble(t, func(t *testing.T) {
			src, dst := source(nil, 1, 2, 3, 4, 5), stream.NewQueue[int](stream.Count(mark))
			ctx, cancel := context.WithCancelCause(t.Context())
			piping := goDo(func() error { return stream.Pipe(ctx, dst, src, nil) })
			piping.waits(t, "the destination is full")
			require.Equal(t, mark, src.taken())
			require.Equal(t, 1, pull(t, dst))
			piping.waits(t, "the destination is full")
			require.Equal(t, mark+1, src.taken())
			cancel(errBoom)
			piping.returns(t, errBoom)
			require.Equal(t, mark+1, src.taken(), "nothing was held outside")
			wantEnd(t, dst, errBoom)
		})
	}
}

func TestPipeNoticesTheEndOfASourceThatTellsItWithoutRoom(t *testing.T) {
	dst := stream.NewQueue[int](2)
	require.NoError(t, stream.Pipe(t.Context(), dst, stream.From(1, 2), nil))
	require.Equal(t, []int{1, 2}, collect(t, dst))
}

func TestPipeHoldsOneChunkWhereTheDestinationDoesNotTellItsRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(nil, 1, 2, 3)
		dst := &fakeSink{
			onWrite: func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		piping := goDo(func() error { return stream.Pipe(ctx, dst, src, nil) })
		piping.waits(t, "the destination is stalled")
		require.Equal(t, 1, src.taken())
		cancel(errBoom)
		piping.returns(t, errBoom)
	})
}

func TestPipeWithAContextThatHasEndedMovesNothing(t *testing.T) {
	src, dst := source(io.EOF, 1), &fakeSink{}
	require.Equal(t, errBoom, stream.Pipe(ended(t), dst, &lateSource{src}, nil))
	require.Zero(t, src.pulls, "it is not even asked")
	require.Empty(t, dst.got)
	require.Equal(t, []error{errBoom}, dst.aborts)
	require.Equal(t, []error{errBoom}, src.cancels)
}

func TestPipeWaitsForAWriteInProgressBeforeItShutsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		dst := &fakeSink{onWrite: func(context.Context) error { <-release; return nil }}
		src := source(nil, 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		piping := goDo(func() error { return stream.Pipe(ctx, dst, src, nil) })
		piping.waits(t, "a write is in progress")
		cancel(errBoom)
		piping.waits(t, "a write is in progress")
		require.Empty(t, dst.aborts)
		require.Empty(t, src.causes())
		close(release)
		piping.returns(t, errBoom)
		require.Equal(t, []error{errBoom}, dst.aborts)
	})
}

func TestPipeJoinsTheErrorsOfAShutdown(t *testing.T) {
	for name, c := range map[string]struct {
		src  *fakeSource
		dst  *fakeSink
		want []error
	}{
		"abort fails": {
			src:  source(errBoom),
			dst:  &fakeSink{abortErr: errOther},
			want: []error{errBoom, errOther},
		},
		"cancel fails": {
			src:  source(nil, 1),
			dst:  &fakeSink{writeErr: errBoom},
			want: []error{errBoom, errOther},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.src.cancelErr = errOther
			err := stream.Pipe(t.Context(), c.dst, c.src, nil)
			require.Equal(t, errors.Join(c.want...), err)
		})
	}
}

func TestPipeDropsNothingThatCameBeforeAFailure(t *testing.T) {
	for name, dst := range map[string]func(q *stream.Queue[int]) stream.Writable[int]{
		"a Queue": func(q *stream.Queue[int]) stream.Writable[int] { return q },
		"an adapter of a Queue": func(q *stream.Queue[int]) stream.Writable[int] {
			return stream.MapWriter(q, double)
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := stream.NewQueue[int](3)
			require.Equal(t, errBoom, stream.Pipe(t.Context(), dst(q), source(errBoom, 1, 2), nil))
			_, _ = pull(t, q), pull(t, q)
			wantEnd(t, q, errBoom)
		})
	}
	q := stream.NewQueue[int](3)
	require.Equal(t, errBoom,
		stream.Pipe(t.Context(), q, source(errBoom, 1), &stream.PipeOptions{PreventAbort: true}))
	require.NoError(t, q.Write(t.Context(), 2), "it is as it was")
}

func double(v int) (int, error) { return 2 * v, nil }

func TestPipeWhenTheContextEndsDuringFailAbortsAndReturnsBothErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dst := stream.NewQueue[int](0)
		goWrite(t.Context(), dst, 1).waits(t, "there is no Pull") // Fail takes its turn behind it
		ctx, cancel := context.WithCancelCause(t.Context())
		src := stream.NewQueue[int](1)
		require.NoError(t, src.Fail(t.Context(), errOther))
		piping := goDo(func() error { return stream.Pipe(ctx, dst, src, nil) })
		piping.waits(t, "there is no Pull")
		cancel(errBoom)
		piping.returns(t, errors.Join(errOther, errBoom))
		wantEnd(t, dst, errOther)
	})
}

func TestPipeEndsWithErrorsThatCannotBeCompared(t *testing.T) {
	cause := error(sheet{rows: []string{"bad"}})
	src, dst := source(nil), &fakeSink{}
	require.Equal(t, cause, stream.Pipe(endedWith(cause), dst, src, nil))
	require.Equal(t, []error{cause}, src.cancels)
	src, dst = source(cause), &fakeSink{abortErr: cause}
	require.ErrorContains(t, stream.Pipe(t.Context(), dst, src, nil), "bad")
	bubble(t, func(t *testing.T) {
		src, dst := source(nil), &fakeSink{}
		ctx, cancel := context.WithCancelCause(t.Context())
		piping := goDo(func() error { return stream.Pipe(ctx, dst, src, nil) })
		piping.waits(t, "the source is idle")
		cancel(cause)
		piping.returns(t, cause)
		require.Equal(t, []error{cause}, src.cancels,
			"it was the context, and no end of the source")
		require.Equal(t, []error{cause}, dst.aborts)
	})
	room := stream.NewBroadcast[int](nil)
	stream.Subscribe(room, stream.Count(0), stream.Block())
	require.Equal(t, cause, room.Publish(endedWith(cause), 1))
	w := stream.Discard[int]()
	require.NoError(t, w.Abort(cause))
	require.Equal(t, cause, w.Close(t.Context()))
}

// A sheet is an error whose type says that it can be compared, which its value cannot.
type sheet struct{ rows any }

func (s sheet) Error() string { return s.rows.([]string)[0] }

// The law is that io.EOF is bare, so that == finds it; every other error may be wrapped, or be what
// == panics on.
func TestErrorsAreComparedByErrorsIs(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	compares := regexp.MustCompile(`([\w.()]*)\b[\w]*(?i:err|end|cause|met|ErrClosed)(?:\(\w*\))?` +
		` [!=]= (\w[\w.]*)`)
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range compares.FindAllStringSubmatch(string(b), -1) {
			seen++
			require.Contains(t, []string{"nil", "io.EOF"}, m[2], "%s: %s", file, m[0])
		}
	}
	require.Greater(t, seen, 20, "the search finds what it looks for")
}

func TestPipeReturnsTheErrorOfClose(t *testing.T) {
	src, dst := source(io.EOF), &fakeSink{closeErr: errBoom}
	require.Equal(t, errBoom, stream.Pipe(t.Context(), dst, src, nil))
	require.Empty(t, src.cancels, "it has ended")
	require.Empty(t, dst.aborts, "it has failed")
}

func TestPipeWhenTheContextEndsDuringCloseAborts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dst := stream.NewQueue[int](0)
		goWrite(t.Context(), dst, 1).waits(t, "there is no Pull") // Close takes its turn behind it
		ctx, cancel := context.WithCancelCause(t.Context())
		src := stream.From[int]()
		piping := goDo(func() error { return stream.Pipe(ctx, dst, src, nil) })
		piping.waits(t, "there is no Pull")
		cancel(errBoom)
		piping.returns(t, errBoom)
		wantEnd(t, dst, errBoom)
	})
}

func TestPipeWhenBothEndsFailReturnsTheFirst(t *testing.T) {
	src, dst := source(errBoom), &fakeSink{writeErr: errOther}
	require.Equal(t, errBoom, stream.Pipe(t.Context(), dst, src, nil))
	src, dst = source(errBoom, 1), &fakeSink{writeErr: errOther}
	require.Equal(t, errOther, stream.Pipe(t.Context(), dst, src, nil))
}

func TestPipeOfAnEndedSourceIntoAClosedDestinationSucceeds(t *testing.T) {
	for name, dst := range map[string]stream.Writable[int]{
		"that tells": closedQueue(t),
		"that does not": &fakeSink{
			writeErr: stream.ErrClosed,
			closeErr: stream.ErrClosed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, stream.Pipe(t.Context(), dst, stream.From[int](), nil))
		})
	}
	left := stream.From(1)
	require.Equal(t, stream.ErrClosed, stream.Pipe(t.Context(), closedQueue(t), left, nil))
	wantEnd(t, left, io.EOF)
}

func TestPipeWithPreventCancelLosesNoChunkToAClosedDestination(t *testing.T) {
	src := stream.From(1)
	err := stream.Pipe(t.Context(), closedQueue(t), src, &stream.PipeOptions{PreventCancel: true})
	require.Equal(t, stream.ErrClosed, err)
	require.Equal(t, []int{1}, collect(t, src))
}

func closedQueue(t *testing.T) stream.Writable[int] {
	q := stream.NewQueue[int](1)
	require.NoError(t, q.Close(t.Context()))
	return q
}

func TestPipeNoticesTheEndOfADestinationWhileTheSourceIsIdle(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(q *stream.Queue[int])
		want error
	}{
		"failed": {func(q *stream.Queue[int]) { q.Cancel(errBoom) }, errBoom},
		"closed": {func(q *stream.Queue[int]) { q.Cancel(nil) }, stream.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				src, dst := source(nil), stream.NewQueue[int](1)
				piping := goDo(func() error { return stream.Pipe(t.Context(), dst, src, nil) })
				piping.waits(t, "the source is idle")
				c.end(dst)
				piping.returns(t, c.want)
				require.Equal(t, []error{c.want}, src.cancels)
			})
		})
	}
}

// A signal is a destination with a Done and nothing else.
type signal struct {
	*fakeSink
	done chan struct{}
}

func (s *signal) Done() <-chan struct{} { return s.done }

func TestPipeTakesADestinationThatIsDoneForClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src, dst := source(nil), &signal{&fakeSink{}, make(chan struct{})}
		piping := goDo(func() error { return stream.Pipe(t.Context(), dst, src, nil) })
		piping.waits(t, "the source is idle")
		close(dst.done)
		piping.returns(t, stream.ErrClosed)
		require.Equal(t, []error{stream.ErrClosed}, src.cancels)
		require.Empty(t, dst.aborts)
	})
}

func TestPipeDoesNotAbortADestinationThatHasEnded(t *testing.T) {
	src, dst := source(nil, 1), &signal{&fakeSink{writeErr: errBoom}, make(chan struct{})}
	dst.onWrite = func(context.Context) error { close(dst.done); return nil }
	require.Equal(t, errBoom, stream.Pipe(t.Context(), dst, src, nil))
	require.Empty(t, dst.aborts)
}

func TestPipeWritesTheChunkInHandWhenItsContextEnds(t *testing.T) {
	src, dst := source(nil, 1, 2), stream.NewQueue[int](2)
	ctx, cancel := context.WithCancelCause(t.Context())
	src.onPull = func() {
		src.onPull = nil
		go cancel(errBoom)
		<-ctx.Done()
	}
	late := &lateSource{src}
	err := stream.Pipe(ctx, dst, late, &stream.PipeOptions{PreventCancel: true, PreventAbort: true})
	require.Equal(t, errBoom, err)
	require.Equal(t, 1, pull(t, dst))
	require.Equal(t, 2, pull(t, late))
}

// A lateSource has taken a chunk before it looks at the context.
type lateSource struct{ *fakeSource }

func (s *lateSource) Pull(context.Context) (int, error) {
	return s.fakeSource.Pull(context.Background()) // one that never ends
}

func TestPipePanicShutsBothEnds(t *testing.T) {
	for name, c := range map[string]struct {
		src func(stream.Readable[int]) stream.Readable[int]
		dst func(stream.Writable[int]) stream.Writable[int]
		o   *stream.PipeOptions
	}{
		"in the source": {
			src: func(r stream.Readable[int]) stream.Readable[int] {
				return stream.Map(r, explode)
			},
		},
		"in the destination": {
			dst: func(w stream.Writable[int]) stream.Writable[int] {
				return stream.MapWriter(w, explode)
			},
		},
		"in a transform": {
			src: func(r stream.Readable[int]) stream.Readable[int] {
				each := func(v int, _ func(int)) error {
					_, err := explode(v)
					return err
				}
				return stream.Through(r, stream.Transform[int, int]{Each: each})
			},
		},
		"in progress": {o: &stream.PipeOptions{Progress: func(int64) { _, _ = explode(0) }}},
	} {
		t.Run(name, func(t *testing.T) {
			src, dst := source(nil, 1), &fakeSink{}
			r, w := stream.Readable[int](src), stream.Writable[int](dst)
			if c.src != nil {
				r = c.src(r)
			}
			if c.dst != nil {
				w = c.dst(w)
			}
			value, stack := panicOf(func() { stream.Pipe(t.Context(), w, r, c.o) })
			require.Equal(t, "boom", value)
			require.Contains(t, stack, "stream_test.explode(", "where it happened")
			require.Len(t, src.cancels, 1)
			require.Len(t, dst.aborts, 1)
		})
	}
}

// panicOf returns what f panics with, and the stack at that moment.
func panicOf(f func()) (value any, stack string) {
	defer func() {
		if value = recover(); value != nil {
			stack = string(debug.Stack())
		}
	}()
	f()
	return nil, ""
}

func TestPipePanicBehindTheEndOfASourceDoesNotCancelIt(t *testing.T) {
	src := source(io.EOF)
	require.PanicsWithValue(t, "boom", func() {
		stream.Pipe(t.Context(), closePanics{&fakeSink{}}, src, nil)
	})
	require.Empty(t, src.cancels)
}

type closePanics struct{ *fakeSink }

func (closePanics) Close(context.Context) error { panic("boom") }

func explode(int) (int, error) { panic("boom") }

func TestPipeOfANilStreamPanics(t *testing.T) {
	require.Panics(t, func() { stream.Pipe(t.Context(), nil, stream.From(1), nil) })
	require.Panics(t, func() { stream.Pipe[int](t.Context(), stream.Discard[int](), nil, nil) })
}

// An intoSource counts how it is pulled.
type intoSource struct {
	n, into int
}

func (s *intoSource) Pull(context.Context) ([]byte, error) { return s.next(nil) }

func (s *intoSource) PullInto(_ context.Context, v *[]byte) (err error) {
	s.into++
	*v, err = s.next((*v)[:0])
	return err
}

func (s *intoSource) next(p []byte) ([]byte, error) {
	if s.n == 0 {
		return p, io.EOF
	}
	s.n--
	return append(p, "chunk"...), nil
}

func (s *intoSource) Cancel(error) error { return nil }

func TestPipePullsIntoOneChunkOnlyIfTheDestinationKeepsNothing(t *testing.T) {
	src := &intoSource{n: 3}
	require.NoError(t, stream.Pipe(t.Context(), stream.Discard[[]byte](), src, nil))
	require.Equal(t, 4, src.into)

	src = &intoSource{n: 3}
	q := stream.NewQueue[[]byte](4)
	require.NoError(t, stream.Pipe(t.Context(), q, src, nil))
	require.Zero(t, src.into)
}

func TestPipeAllocatesNothingForAChunk(t *testing.T) {
	for name, dst := range map[string]func() stream.Writable[[]byte]{
		"that keeps nothing": stream.Discard[[]byte],
		"io.Writer":          func() stream.Writable[[]byte] { return stream.ToWriter(io.Discard) },
	} {
		t.Run(name, func(t *testing.T) {
			few := testing.AllocsPerRun(10, func() {
				require.NoError(t, stream.Pipe(t.Context(), dst(), &intoSource{n: 10}, nil))
			})
			many := testing.AllocsPerRun(10, func() {
				require.NoError(t, stream.Pipe(t.Context(), dst(), &intoSource{n: 10_000}, nil))
			})
			require.InDelta(t, few, many, 2)
		})
	}
}

// wait waits for the call, outside of any script.
func (c *call[T]) wait() error {
	<-c.done
	return c.err
}

// catchPanic returns the *stream.Panic that f panics with.
func catchPanic(t *testing.T, f func()) (p *stream.Panic) {
	t.Helper()
	defer func() {
		t.Helper()
		var ok bool
		p, ok = recover().(*stream.Panic)
		require.True(t, ok, "f did not panic with a *Panic")
	}()
	f()
	return nil
}

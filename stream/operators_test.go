package stream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

// operators are all operators as identities: each delivers its source's chunks, in order.
var operators = map[string]func(stream.Readable[int]) stream.Readable[int]{
	"Map": func(r stream.Readable[int]) stream.Readable[int] {
		return stream.Map(r, func(v int) (int, error) { return v, nil })
	},
	"Filter": func(r stream.Readable[int]) stream.Readable[int] {
		return stream.Filter(r, func(int) bool { return true })
	},
	"Through": func(r stream.Readable[int]) stream.Readable[int] {
		return stream.Through(r, stream.Transform[int, int]{
			Each: func(v int, emit func(int)) error { emit(v); return nil },
		})
	},
	"FlatMap": func(r stream.Readable[int]) stream.Readable[int] {
		return stream.FlatMap(r, func(v int) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) { yield(v, nil) }
		})
	},
	"Scan": func(r stream.Readable[int]) stream.Readable[int] {
		return stream.Scan(r, 0, func(_, v int) (int, error) { return v, nil })
	},
	"Batch": func(r stream.Readable[int]) stream.Readable[int] {
		return stream.Unbatch(stream.Batch(r, stream.Count(3), 0))
	},
	"Throttle": func(r stream.Readable[int]) stream.Readable[int] {
		return stream.Throttle(r, free{})
	},
	"Parallel": func(r stream.Readable[int]) stream.Readable[int] {
		return stream.Parallel(r, 3, func(_ context.Context, v int) (int, error) { return v, nil })
	},
	"Stage": func(r stream.Readable[int]) stream.Readable[int] {
		return stream.Stage(r, stream.Count(2),
			func(ctx context.Context, src stream.Readable[int], dst stream.Writable[int]) error {
				for {
					v, err := src.Pull(ctx)
					if err != nil {
						return err
					}
					if err := dst.Write(ctx, v); err != nil {
						return err
					}
				}
			})
	},
	"Merge":  func(r stream.Readable[int]) stream.Readable[int] { return stream.Merge(r) },
	"Concat": func(r stream.Readable[int]) stream.Readable[int] { return stream.Concat(r) },
	"Tee": func(r stream.Readable[int]) stream.Readable[int] {
		a, b := stream.Tee(r, stream.Count(1), stream.Count(1))
		_ = b.Cancel(nil)
		return &teeHalf{a}
	},
	"Decode": func(r stream.Readable[int]) stream.Readable[int] {
		return stream.Decode(r, stream.Codec[int, int]{
			Decode: func(v int) (int, error) { return v, nil },
		})
	},
}

// teeHalf hides nothing: it stands for a Tee of which one branch was cancelled.
type teeHalf struct{ stream.Readable[int] }

// free is a limiter that sets no limit.
type free struct{}

func (free) Wait(ctx context.Context) error { return ctx.Err() }

func eachOperator(
	t *testing.T, f func(t *testing.T, op func(stream.Readable[int]) stream.Readable[int]),
) {
	for name, op := range operators {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) { f(t, op) })
		})
	}
}

func TestOperatorsDeliverAllChunksThenTheEnd(t *testing.T) {
	for _, end := range []error{io.EOF, errBoom} {
		eachOperator(t, func(t *testing.T, op func(stream.Readable[int]) stream.Readable[int]) {
			src := source(end, 1, 2, 3, 4)
			r := op(src)
			for i := range 4 {
				require.Equal(t, i+1, pull(t, r))
			}
			wantEnd(t, r, end)
			require.NoError(t, r.Cancel(errOther))
			synctest.Wait()
			require.Empty(t, src.causes(), "a source that has ended is not cancelled")
			wantEnd(t, r, end)
		})
	}
}

func TestOperatorsPullNothingBeforeThereIsDemand(t *testing.T) {
	eachOperator(t, func(t *testing.T, op func(stream.Readable[int]) stream.Readable[int]) {
		src := source(nil, 1, 2, 3)
		r := op(src)
		synctest.Wait()
		require.Zero(t, src.taken())
		require.NoError(t, r.Cancel(nil))
	})
}

func TestOperatorsCancelTheirSourceOnce(t *testing.T) {
	eachOperator(t, func(t *testing.T, op func(stream.Readable[int]) stream.Readable[int]) {
		src := source(nil)
		src.cancelErr = errOther
		r := op(src)
		pulls := []*call[int]{goPull(t.Context(), r), goPull(t.Context(), r)}
		pulls[0].waits(t, "the source is idle")
		err := r.Cancel(errBoom)
		require.ErrorIs(t, err, errOther)
		pulls[0].returns(t, io.EOF)
		pulls[1].returns(t, io.EOF)
		require.NoError(t, r.Cancel(errOther))
		wantEnd(t, r, io.EOF)
		require.Len(t, src.causes(), 1)
		require.ErrorIs(t, src.causes()[0], errBoom)
	})
}

func TestOperatorsLoseNothingWhenAPullsContextEnds(t *testing.T) {
	eachOperator(t, func(t *testing.T, op func(stream.Readable[int]) stream.Readable[int]) {
		q := stream.NewQueue[int](5)
		r := op(q)
		_, err := r.Pull(ended(t))
		require.Equal(t, errBoom, err)
		for range 3 {
			ctx, cancel := context.WithCancelCause(t.Context())
			p := goPull(ctx, r)
			p.waits(t, "the source is idle")
			behind := goPull(ctx, r)
			behind.waits(t, "the source is idle")
			cancel(errBoom)
			p.returns(t, errBoom)
			behind.returns(t, errBoom)
		}
		for i := range 3 {
			require.NoError(t, q.Write(t.Context(), i))
		}
		require.NoError(t, q.Close(t.Context()))
		require.Equal(t, []int{0, 1, 2}, collect(t, r))
	})
}

func TestOperatorsLetAPullLeaveThatWaitsBehindAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(nil)
		r := stream.Map(src, func(v int) (int, error) { return v, nil })
		first := goPull(t.Context(), r)
		first.waits(t, "the source is idle")
		ctx, cancel := context.WithCancelCause(t.Context())
		second, third := goPull(ctx, r), goPull(t.Context(), r)
		second.waits(t, "its turn is after the first")
		cancel(errBoom)
		second.returns(t, errBoom)
		first.waits(t, "the source is idle")
		third.waits(t, "its turn is after the first")
		require.NoError(t, r.Cancel(nil))
		first.returns(t, io.EOF)
		third.returns(t, io.EOF)
	})
}

func TestOperatorsEndPullsThatWaitWhenCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		r := stream.Map(source(nil, 1), func(v int) (int, error) { <-release; return v, nil })
		busy := goPull(t.Context(), r)
		busy.waits(t, "the function is at work")
		behind := goPull(t.Context(), r)
		behind.waits(t, "its turn is after the first")
		require.NoError(t, r.Cancel(nil))
		behind.returns(t, io.EOF)
		busy.waits(t, "the function is at work")
		close(release)
		busy.returns(t, io.EOF)
	})
}

func TestOperatorsFailWithAnErrorOfTheirFunction(t *testing.T) {
	for name, op := range withF {
		for what, c := range map[string]struct {
			err  error
			want []int
			end  error
		}{
			"fail the stream and cancel the source": {errBoom, []int{1, 2}, errBoom},
			"Skip drops the chunk":                  {stream.Skip, []int{1, 2, 4, 5}, io.EOF},
			"wrapped Skip drops the chunk": {
				fmt.Errorf("bad: %w", stream.Skip),
				[]int{1, 2, 4, 5},
				io.EOF,
			},
			"SkipAll ends the stream well": {stream.SkipAll, []int{1, 2}, io.EOF},
			"io.EOF is no end":             {io.EOF, []int{1, 2}, io.ErrUnexpectedEOF},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					src := source(io.EOF, 1, 2, 3, 4, 5)
					r := op(src, func(v int) (int, error) {
						if v == 3 {
							return 0, c.err
						}
						return v, nil
					})
					for _, want := range c.want {
						require.Equal(t, want, pull(t, r))
					}
					wantEnd(t, r, c.end)
					synctest.Wait()
					if name == "Parallel" {
						return // it may have met the source's end
					}
					switch {
					case errors.Is(c.err, stream.Skip):
						require.Empty(t, src.causes())
					case c.end == io.EOF:
						require.Equal(t, []error{nil}, src.causes())
					default:
						require.Equal(t, []error{c.end}, src.causes())
					}
				})
			})
		}
	}
}

func TestNilFunctionPanics(t *testing.T) {
	src, dst := stream.From(1), stream.Discard[int]()
	for name, f := range map[string]func(){
		"Map":       func() { stream.Map[int, int](src, nil) },
		"MapWriter": func() { stream.MapWriter[int, int](dst, nil) },
		"Filter":    func() { stream.Filter(src, nil) },
		"FlatMap":   func() { stream.FlatMap[int, int](src, nil) },
		"Scan":      func() { stream.Scan[int, int](src, 0, nil) },
		"Through":   func() { stream.Through(src, stream.Transform[int, int]{}) },
		"Throttle":  func() { stream.Throttle(src, nil) },
		"Parallel":  func() { stream.Parallel[int, int](src, 1, nil) },
		"Stage":     func() { stream.Stage[int, int](src, stream.Count(1), nil) },
		"FromSeq":   func() { stream.FromSeq[int](nil) },
		"FromSeq2":  func() { stream.FromSeq2[int](nil) },
		"Decode":    func() { stream.Decode(src, stream.Codec[int, int]{}) },
		"Encode":    func() { stream.Encode(dst, stream.Codec[int, int]{}) },
		"SkipBad":   func() { stream.Codec[int, int]{}.SkipBad(nil) },
		"Size":      func() { stream.Size[int](1, nil) },
		"Latest":    func() { stream.Latest[int, int](nil) },
		"Subscribe": func() {
			stream.Subscribe(stream.NewBroadcast[int](nil), stream.Count(1), stream.Keyed[int]{})
		},
		"a Writable": func() { stream.MapWriter(nil, same) },
		"a source":   func() { stream.Map(nil, explode) },
	} {
		t.Run(name, func(t *testing.T) { require.Panics(t, f) })
	}
}

// The goroutine of an operator sees the end of the output before Cancel has come to the source. It
// must not cancel the source with the error of its function.
func TestCancelGivesTheSourceItsOwnCauseAndReturnsItsError(t *testing.T) {
	stopped := func(ctx context.Context) error {
		<-ctx.Done()
		return errOther
	}
	for name, op := range map[string]func(stream.Readable[int]) stream.Readable[int]{
		"Parallel": func(r stream.Readable[int]) stream.Readable[int] {
			return stream.Parallel(r, 2, func(ctx context.Context, v int) (int, error) {
				return v, stopped(ctx)
			})
		},
		"Stage": func(r stream.Readable[int]) stream.Readable[int] {
			return stream.Stage(r, stream.Count(1), func(
				ctx context.Context, _ stream.Readable[int], _ stream.Writable[int],
			) error {
				return stopped(ctx)
			})
		},
		"Merge": func(r stream.Readable[int]) stream.Readable[int] {
			return stream.Merge(r, source(nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 300 {
				bubble(t, func(t *testing.T) {
					src := source(nil, 1, 2, 3)
					src.cancelErr = errBoom
					r := op(src)
					ctx, cancel := context.WithCancel(t.Context())
					p := goPull(ctx, r)
					synctest.Wait()
					cancel()
					synctest.Wait()
					cause := errors.New("enough")
					require.ErrorIs(t, r.Cancel(cause), errBoom)
					synctest.Wait()
					require.Equal(t, []error{cause}, src.causes())
					p.wait()
				})
			}
		})
	}
}

package stream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
		return stream.Through(r, stream.Transform[int, int]{Each: func(v int, emit func(int)) error { emit(v); return nil }})
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
	"Throttle": func(r stream.Readable[int]) stream.Readable[int] { return stream.Throttle(r, free{}) },
	"Parallel": func(r stream.Readable[int]) stream.Readable[int] {
		return stream.Parallel(r, 3, func(_ context.Context, v int) (int, error) { return v, nil })
	},
	"Stage": func(r stream.Readable[int]) stream.Readable[int] {
		return stream.Stage(r, stream.Count(2), func(ctx context.Context, src stream.Readable[int], dst stream.Writable[int]) error {
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
		return stream.Decode(r, stream.Codec[int, int]{Decode: func(v int) (int, error) { return v, nil }})
	},
}

// teeHalf hides nothing: it stands for a Tee of which one branch was cancelled.
type teeHalf struct{ stream.Readable[int] }

// free is a limiter that sets no limit.
type free struct{}

func (free) Wait(ctx context.Context) error { return ctx.Err() }

func eachOperator(t *testing.T, f func(t *testing.T, op func(stream.Readable[int]) stream.Readable[int])) {
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

// withF are the operators that take a function from int to int and error.
var withF = map[string]func(stream.Readable[int], func(int) (int, error)) stream.Readable[int]{
	"Map": stream.Map[int, int],
	"Through": func(r stream.Readable[int], f func(int) (int, error)) stream.Readable[int] {
		return stream.Through(r, stream.Transform[int, int]{Each: func(v int, emit func(int)) error {
			v, err := f(v)
			if err == nil {
				emit(v)
			}
			return err
		}})
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

func TestOperatorsFailWithAnErrorOfTheirFunction(t *testing.T) {
	for name, op := range withF {
		for what, c := range map[string]struct {
			err  error
			want []int
			end  error
		}{
			"fail the stream and cancel the source": {errBoom, []int{1, 2}, errBoom},
			"Skip drops the chunk":                  {stream.Skip, []int{1, 2, 4, 5}, io.EOF},
			"wrapped Skip drops the chunk":          {fmt.Errorf("bad: %w", stream.Skip), []int{1, 2, 4, 5}, io.EOF},
			"SkipAll ends the stream well":          {stream.SkipAll, []int{1, 2}, io.EOF},
			"io.EOF is no end":                      {io.EOF, []int{1, 2}, io.ErrUnexpectedEOF},
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

func TestThroughFlushesOnceAtTheEnd(t *testing.T) {
	flushed := 0
	r := stream.Through(stream.From(1, 2), stream.Transform[int, int]{
		Each:   func(v int, emit func(int)) error { emit(v); emit(v); return nil },
		Flush:  func(emit func(int)) error { flushed++; emit(9); return nil },
		Cancel: func(error) { require.Fail(t, "Cancel after Flush") },
	})
	require.Equal(t, []int{1, 1, 2, 2, 9}, collect(t, r))
	require.NoError(t, r.Cancel(nil))
	wantEnd(t, r, io.EOF)
	require.Equal(t, 1, flushed)
}

func TestThroughFailsBehindWhatFlushEmitted(t *testing.T) {
	r := stream.Through(stream.From(1), stream.Transform[int, int]{
		Each:  func(int, func(int)) error { return nil },
		Flush: func(emit func(int)) error { emit(9); return errBoom },
	})
	require.Equal(t, 9, pull(t, r))
	wantEnd(t, r, errBoom)
}

func TestThroughFailsBehindWhatEachEmitted(t *testing.T) {
	src := source(nil, 1, 2)
	r := stream.Through(src, stream.Transform[int, int]{
		Each:   func(v int, emit func(int)) error { emit(v); emit(v); return errBoom },
		Flush:  func(func(int)) error { require.Fail(t, "Flush after an error"); return nil },
		Cancel: func(error) { require.Fail(t, "Cancel after an error") },
	})
	require.Equal(t, 1, pull(t, r))
	require.Equal(t, 1, pull(t, r))
	wantEnd(t, r, errBoom)
	require.Equal(t, []error{errBoom}, src.cancels)
	require.NoError(t, r.Cancel(errOther))
}

func TestThroughCallsItsCancelHookInsteadOfFlush(t *testing.T) {
	for name, busy := range map[string]bool{"idle": false, "while Each runs": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				src, release := source(nil, 1), make(chan struct{})
				var causes []error
				inEach := false
				r := stream.Through(src, stream.Transform[int, int]{
					Each: func(v int, emit func(int)) error {
						inEach = true
						if busy {
							<-release
						}
						inEach = false
						emit(v)
						return nil
					},
					Flush: func(func(int)) error { require.Fail(t, "Flush after Cancel"); return nil },
					Cancel: func(cause error) {
						require.False(t, inEach, "the hook ran beside Each")
						causes = append(causes, cause)
					},
				})
				p := goPull(t.Context(), r)
				synctest.Wait()
				require.NoError(t, r.Cancel(errBoom))
				require.NoError(t, r.Cancel(errOther))
				if busy {
					require.Empty(t, causes, "Each runs")
					close(release)
					p.returns(t, io.EOF)
				}
				synctest.Wait()
				require.Equal(t, []error{errBoom}, causes)
				require.Equal(t, []error{errBoom}, src.cancels)
			})
		})
	}
}

func TestThroughCallsItsCancelHookWhenItsSourceFails(t *testing.T) {
	var causes []error
	r := stream.Through(source(errBoom), stream.Transform[int, int]{
		Each:   func(int, func(int)) error { return nil },
		Cancel: func(cause error) { causes = append(causes, cause) },
	})
	wantEnd(t, r, errBoom)
	require.NoError(t, r.Cancel(nil))
	require.Equal(t, []error{errBoom}, causes)
}

func TestThroughPullsOnlyWhenItHasNothingLeft(t *testing.T) {
	src := source(io.EOF, 1, 2)
	r := stream.Through(src, stream.Transform[int, int]{
		Each: func(v int, emit func(int)) error { emit(v); emit(v); return nil },
	})
	pull(t, r)
	pull(t, r)
	require.Equal(t, 1, src.taken())
	pull(t, r)
	require.Equal(t, 2, src.taken())
}

func TestScanDeliversEachState(t *testing.T) {
	sum := func(s, v int) (int, error) { return s + v, nil }
	require.Equal(t, []int{11, 13, 16}, collect(t, stream.Scan(stream.From(1, 2, 3), 10, sum)))
}

func TestFilterDropsWhatIsNotWanted(t *testing.T) {
	odd := func(v int) bool { return v%2 == 1 }
	require.Equal(t, []int{1, 3}, collect(t, stream.Filter(stream.From(1, 2, 3, 4), odd)))
}

func TestFlatMapGoesOnBehindSkipAndStopsAtAnError(t *testing.T) {
	stopped := false
	r := stream.FlatMap(stream.From(1, 2), func(v int) iter.Seq2[int, error] {
		if v == 1 {
			return nil
		}
		return func(yield func(int, error) bool) {
			_ = yield(1, nil) && yield(0, stream.Skip) && yield(2, nil)
			stopped = !yield(0, errBoom)
		}
	})
	require.Equal(t, 1, pull(t, r))
	require.Equal(t, 2, pull(t, r))
	wantEnd(t, r, errBoom)
	require.True(t, stopped)
}

func TestBatchIsDeliveredWhenItIsFullOrDueOrAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[string](9)
		r := stream.Batch(q, stream.Bytes[string](4), time.Second)
		for _, v := range []string{"ab", "cde", "f"} {
			require.NoError(t, q.Write(t.Context(), v))
		}
		require.Equal(t, []string{"ab", "cde"}, pull(t, r), "full, with its last chunk beyond the mark")
		start := time.Now()
		require.Equal(t, []string{"f"}, pull(t, r))
		require.Equal(t, time.Second, time.Since(start))
		require.NoError(t, q.Write(t.Context(), "g"))
		require.NoError(t, q.Fail(t.Context(), errBoom))
		require.Equal(t, []string{"g"}, pull(t, r), "before the end")
		wantEnd(t, r, errBoom)
	})
}

func TestBatchNowTakesTheChunksThatAreThere(t *testing.T) {
	same := func(v int) (int, error) { return v, nil }
	for name, on := range map[string]func(q *stream.Queue[int]) stream.Readable[int]{
		"a queue":  func(q *stream.Queue[int]) stream.Readable[int] { return q },
		"a map":    func(q *stream.Queue[int]) stream.Readable[int] { return stream.Map(q, same) },
		"a concat": func(q *stream.Queue[int]) stream.Readable[int] { return stream.Concat(stream.From[int](), q) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				q := stream.NewQueue[int](9)
				r := stream.BatchNow(on(q), stream.Count(3))
				write := func(vs ...int) {
					for _, v := range vs {
						require.NoError(t, q.Write(t.Context(), v))
					}
				}
				write(1, 2, 3, 4)
				require.Equal(t, []int{1, 2, 3}, pull(t, r), "up to the limit")
				require.Equal(t, []int{4}, pull(t, r), "what is left")
				first := goPull(t.Context(), r)
				first.waits(t, "nothing is there")
				write(5)
				require.Equal(t, []int{5}, first.returns(t, nil), "it waits for the first alone")
				write(6, 7)
				require.NoError(t, q.Fail(t.Context(), errBoom))
				require.Equal(t, []int{6, 7}, pull(t, r), "before the end")
				wantEnd(t, r, errBoom)
			})
		})
	}
}

func TestBatchNowTakesWhatAChannelHolds(t *testing.T) {
	c := make(chan int, 100)
	for v := range 100 {
		c <- v
	}
	r := stream.BatchNow(stream.FromChan(c), stream.Count(1000))
	require.Len(t, pull(t, r), 100)
	close(c)
	wantEnd(t, r, io.EOF)
}

func TestBatchNowOfAReaderIsOneChunkAndClosesNothing(t *testing.T) {
	pr, pw := io.Pipe()
	r := stream.BatchNow(stream.FromReader(pr, 0), stream.Count(9))
	go func() { // ends with the pipe
		_, _ = pw.Write([]byte("a"))
		_, _ = pw.Write([]byte("b"))
		_ = pw.Close()
	}()
	require.Equal(t, [][]byte{[]byte("a")}, pull(t, r), "a Read may wait, so it is not begun")
	require.Equal(t, [][]byte{[]byte("b")}, pull(t, r))
	wantEnd(t, r, io.EOF)
}

func TestBatchNowKeepsNothingWhenItsPullLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](9)
		r := stream.BatchNow(q, stream.Count(3))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errBoom)
		defer cancel()
		_, err := r.Pull(ctx)
		require.Equal(t, errBoom, err)
		require.NoError(t, q.Write(t.Context(), 1))
		require.Equal(t, []int{1}, pull(t, r))
	})
}

func TestBatchKeepsWhatItHasAndItsTimeWhenAPullLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](9)
		r := stream.Batch(q, stream.Count(4), time.Second)
		require.NoError(t, q.Write(t.Context(), 1))
		start := time.Now()
		for v := 2; v <= 3; v++ {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			_, err := r.Pull(ctx)
			cancel()
			require.Equal(t, context.DeadlineExceeded, err)
			require.NoError(t, q.Write(t.Context(), v))
		}
		require.Equal(t, []int{1, 2, 3}, pull(t, r))
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestBatchLosesNothingWhenItsContextEndsWithItsSource(t *testing.T) {
	src := source(io.EOF, 1)
	r := stream.Batch(&lateSource{src}, stream.Count(3), 0)
	ctx, cancel := context.WithCancelCause(t.Context())
	src.onPull = func() {
		if src.taken() == 1 {
			cancel(errBoom)
		}
	}
	require.Equal(t, [][]int{{1}}, collectAfter(t, ctx, r))
}

// collectAfter pulls with ctx, and again without it if it has ended, until the end.
func collectAfter[T any](t *testing.T, ctx context.Context, r stream.Readable[T]) []T {
	all, err := stream.Collect(ctx, r)
	if ctx.Err() != nil && err == context.Cause(ctx) {
		rest, err := stream.Collect(t.Context(), r)
		require.NoError(t, err)
		return append(all, rest...)
	}
	require.NoError(t, err)
	return all
}

func TestBatchFailsForANegativeSize(t *testing.T) {
	src := source(nil, 1, -2, 3)
	r := stream.Batch(src, stream.Size(9, func(v int) int { return v }), 0)
	require.Equal(t, []int{1}, pull(t, r))
	_, err := r.Pull(t.Context())
	require.EqualError(t, err, "stream: size function returned -2")
	require.Equal(t, []error{err}, src.cancels)
}

func TestLinesAreCutWhateverTheChunks(t *testing.T) {
	text := "one\ntwo\r\n\nfour\rx\nlast"
	want := []string{"one", "two", "", "four\rx", "last"}
	for size := 1; size <= len(text); size++ {
		r := stream.Lines(stream.FromReader(strings.NewReader(text), size), 6)
		require.Equal(t, want, collect(t, r), size)
	}
}

func TestLinesFailForALineThatIsTooLong(t *testing.T) {
	for size := 1; size <= 12; size++ {
		r := stream.Lines(stream.FromReader(strings.NewReader("123456\r\n1234567\n"), size), 6)
		require.Equal(t, "123456", pull(t, r))
		_, err := r.Pull(t.Context())
		require.ErrorIs(t, err, bufio.ErrTooLong)
	}
	long := strings.Repeat("x", 100<<10)
	_, err := stream.Lines(stream.From([]byte(long)), 0).Pull(t.Context())
	require.ErrorIs(t, err, bufio.ErrTooLong)
	require.Equal(t, long, pull(t, stream.Lines(stream.From([]byte(long)), -1)))
}

func TestLinesGatherNoLineThatIsTooLong(t *testing.T) {
	pulled := 0
	src := stream.Map(stream.FromSeq(func(yield func([]byte) bool) {
		for yield([]byte("xxxx")) {
		}
	}), func(b []byte) ([]byte, error) {
		if pulled++; pulled > 10 {
			return nil, errBoom
		}
		return b, nil
	})
	_, err := stream.Lines(src, 10).Pull(t.Context())
	require.ErrorIs(t, err, bufio.ErrTooLong)
	require.Equal(t, 3, pulled)
}

func TestLinesDropTheStartOfALineWhenTheSourceFails(t *testing.T) {
	src := stream.FromSeq2(func(yield func([]byte, error) bool) { _ = yield([]byte("a\nb"), nil) && yield(nil, errBoom) })
	r := stream.Lines(src, 0)
	require.Equal(t, "a", pull(t, r))
	wantEnd(t, r, errBoom)
}

// A pace is a limiter that lets one through each second.
type pace struct{ err error }

func (p pace) Wait(ctx context.Context) error {
	if _, dated := ctx.Deadline(); dated {
		return errors.New("pace: would exceed context deadline")
	}
	select {
	case <-time.After(time.Second):
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestThrottleKeepsThePaceAndTheChunk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(io.EOF, 1, 2)
		r, start := stream.Throttle(src, pace{}), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := r.Pull(ctx)
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, []int{1, 2}, collect(t, r))
		require.Equal(t, 2500*time.Millisecond, time.Since(start))
	})
}

func TestThrottleFailsWithAnErrorOfItsLimiter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(nil, 1, 2)
		r := stream.Throttle(src, pace{errBoom})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := r.Pull(ctx)
		require.Equal(t, errBoom, err)
		wantEnd(t, r, errBoom)
		require.Equal(t, []error{errBoom}, src.cancels)
	})
}

func TestThrottleStopsWaitingWhenCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := stream.Throttle(source(nil, 1), pace{})
		p := goPull(t.Context(), r)
		p.waits(t, "the pace")
		require.NoError(t, r.Cancel(nil))
		p.returns(t, io.EOF)
	})
}

func TestParallelWorksConcurrentlyAndKeepsTheOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(io.EOF, 5, 4, 3, 2, 1, 6, 7, 8)
		var now, most atomic.Int32
		r := stream.Parallel(src, 4, func(ctx context.Context, v int) (int, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			<-time.After(time.Duration(v) * time.Second)
			return v, ctx.Err()
		})
		require.Equal(t, 5, pull(t, r))
		synctest.Wait()
		require.Equal(t, 5, src.taken(), "n and the one delivered")
		require.Equal(t, []int{4, 3, 2, 1, 6, 7, 8}, collect(t, r))
		require.EqualValues(t, 4, most.Load())
	})
}

func TestParallelFailsInOrderBehindTheResultsBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(nil, 1, 2, 3)
		r := stream.Parallel(src, 3, func(ctx context.Context, v int) (int, error) {
			switch v {
			case 1:
				<-time.After(time.Second)
				return v, ctx.Err()
			case 2:
				return 0, errBoom
			}
			<-ctx.Done()
			return 0, context.Cause(ctx)
		})
		require.Equal(t, 1, pull(t, r))
		require.Equal(t, []error{errBoom}, src.causes(), "as soon as f has failed")
		wantEnd(t, r, errBoom)
	})
}

func TestPanicOfAFunctionOnAnotherGoroutineReachesThePull(t *testing.T) {
	for name, op := range map[string]func(stream.Readable[int]) stream.Readable[int]{
		"Parallel": func(r stream.Readable[int]) stream.Readable[int] {
			return stream.Parallel(r, 2, func(_ context.Context, v int) (int, error) { return explode(v) })
		},
		"Stage": func(r stream.Readable[int]) stream.Readable[int] {
			return stream.Stage(r, stream.Count(0), func(context.Context, stream.Readable[int], stream.Writable[int]) error {
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
		inner := stream.Parallel(source(nil, 1), 2, func(context.Context, int) (int, error) { panic(errBoom) })
		outer := stream.Parallel(inner, 2, func(_ context.Context, v int) (int, error) { return v, nil })
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
			return stream.Parallel(r, 2, func(_ context.Context, v int) (int, error) { return leave(v) })
		},
		"Stage": func(r stream.Readable[int]) stream.Readable[int] {
			return stream.Stage(r, stream.Count(0), func(context.Context, stream.Readable[int], stream.Writable[int]) error {
				_, err := leave(1)
				return err
			})
		},
		"before Parallel": func(r stream.Readable[int]) stream.Readable[int] { return operators["Parallel"](stream.Map(r, leave)) },
		"before Merge":    func(r stream.Readable[int]) stream.Readable[int] { return operators["Merge"](stream.Map(r, leave)) },
		"before Tee":      func(r stream.Readable[int]) stream.Readable[int] { return operators["Tee"](stream.Map(r, leave)) },
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

func TestParallelIsAsParallelAsItIsTold(t *testing.T) {
	for n, want := range map[int]int{0: runtime.GOMAXPROCS(0), -1: 1, 3: 3} {
		bubble(t, func(t *testing.T) {
			src := source(nil, make([]int, 1000)...)
			r := stream.Parallel(src, n, func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, nil
			})
			p := goPull(t.Context(), r)
			p.waits(t, "the work goes on")
			require.Equal(t, want, src.taken())
			require.NoError(t, r.Cancel(nil))
			p.returns(t, io.EOF)
		})
	}
}

func TestStageEndsAsItsFunctionDoes(t *testing.T) {
	for name, c := range map[string]struct {
		drain bool
		err   error
		want  error
	}{
		"nil":                   {false, nil, io.EOF},
		"an error":              {false, errBoom, errBoom},
		"io.EOF behind the end": {true, io.EOF, io.EOF},
		"io.EOF before the end": {false, io.EOF, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				src := source(io.EOF, 1)
				r := stream.Stage(src, stream.Count(1), func(ctx context.Context, src stream.Readable[int], dst stream.Writable[int]) error {
					if c.drain {
						if _, err := stream.Collect(ctx, src); err != nil {
							return err
						}
					}
					if err := dst.Write(ctx, 7); err != nil {
						return err
					}
					return c.err
				})
				require.Equal(t, 7, pull(t, r))
				wantEnd(t, r, c.want)
				synctest.Wait()
				require.Equal(t, !c.drain, len(src.causes()) == 1, "a source that has not ended is cancelled")
			})
		})
	}
}

func TestWorkContextEndsWithCancel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		causes := make(chan error, 2)
		r := stream.Parallel(source(nil, 1), 1, func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return 0, nil
		})
		s := stream.Stage(source(nil), stream.Count(1), func(ctx context.Context, _ stream.Readable[int], _ stream.Writable[int]) error {
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return nil
		})
		for _, r := range []stream.Readable[int]{r, s} {
			p := goPull(t.Context(), r)
			p.waits(t, "the work goes on")
			require.NoError(t, r.Cancel(errBoom))
			p.returns(t, io.EOF)
			require.Equal(t, errBoom, <-causes)
		}
	})
}

func TestMergeDeliversAllOfAllSources(t *testing.T) {
	bubble(t, func(t *testing.T) {
		require.ElementsMatch(t, []int{1, 2, 3, 4}, collect(t, stream.Merge(stream.From(1, 2), stream.From(3, 4))))
		require.Empty(t, collect(t, stream.Merge[int]()))
	})
}

func TestMergeFailsBehindWhatWasPulledAndCancelsTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bad, good := stream.NewQueue[int](1), source(nil, 1)
		r := stream.Merge[int](bad, good)
		require.Equal(t, 1, pull(t, r))
		p := goPull(t.Context(), r)
		p.waits(t, "both are idle")
		require.NoError(t, bad.Abort(errBoom))
		p.returns(t, errBoom)
		require.Equal(t, []error{errBoom}, good.causes())
	})
}

func TestMergeHoldsOneChunkOfEachSource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := source(nil, 1, 2, 3), source(nil, 1, 2, 3)
		r := stream.Merge[int](a, b)
		pull(t, r)
		synctest.Wait()
		require.LessOrEqual(t, a.taken()+b.taken(), 2, "one was delivered; nobody asks for more")
		require.NoError(t, r.Cancel(nil))
	})
}

func TestConcatIsOneSourceAfterTheOther(t *testing.T) {
	require.Equal(t, []int{1, 2, 3}, collect(t, stream.Concat(stream.From(1), stream.From[int](), stream.From(2, 3))))
	require.Empty(t, collect(t, stream.Concat[int]()))
	later := source(nil, 9)
	r := stream.Concat[int](source(errBoom, 1), later)
	require.Equal(t, 1, pull(t, r))
	wantEnd(t, r, errBoom)
	require.Zero(t, later.taken())
	require.Equal(t, []error{errBoom}, later.cancels)
}

func TestMergeAndConcatJoinTheErrorsOfCancel(t *testing.T) {
	for name, join := range map[string]func(...stream.Readable[int]) stream.Readable[int]{
		"Merge":  stream.Merge[int],
		"Concat": stream.Concat[int],
	} {
		t.Run(name, func(t *testing.T) {
			a, b := source(nil), source(nil)
			a.cancelErr, b.cancelErr = errBoom, errOther
			err := join(a, b).Cancel(nil)
			require.ErrorIs(t, err, errBoom)
			require.ErrorIs(t, err, errOther)
		})
	}
}

func TestTeeBranchesSeeAllChunksInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := stream.Tee[int](source(errBoom, 1, 2, 3), stream.Count(1), stream.Count(4))
		for i := range 3 {
			require.Equal(t, i+1, pull(t, a))
		}
		wantEnd(t, a, errBoom)
		for i := range 3 {
			require.Equal(t, i+1, pull(t, b), "what came before the error comes first")
		}
		wantEnd(t, b, errBoom)
	})
}

func TestTeeBranchThatIsNotPulledHoldsBackTheOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(nil, 1, 2, 3, 4, 5)
		a, b := stream.Tee[int](src, stream.Count(0), stream.Count(2))
		pull(t, a)
		pull(t, a)
		p := goPull(t.Context(), a)
		p.waits(t, "the other branch is full")
		require.Equal(t, 2, src.taken())
		require.Equal(t, 1, pull(t, b))
		require.Equal(t, 3, p.returns(t, nil))
		require.NoError(t, b.Cancel(errBoom))
		require.Equal(t, 4, pull(t, a), "one that was cancelled holds nobody back")
		require.Empty(t, src.causes())
		require.NoError(t, a.Cancel(errOther))
		require.Len(t, src.causes(), 1)
		require.Equal(t, errors.Join(errBoom, errOther), src.causes()[0])
	})
}

func TestTeeBranchWithANegativeSizeFailsAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src := source(nil, 1, -2, 3)
		a, b := stream.Tee[int](src, stream.Size(5, func(v int) int { return v }), stream.Count(5))
		require.Equal(t, 1, pull(t, a))
		_, err := a.Pull(t.Context())
		require.EqualError(t, err, "stream: size function returned -2")
		for _, want := range []int{1, -2, 3} {
			require.Equal(t, want, pull(t, b))
		}
		require.NoError(t, b.Cancel(nil))
		require.NoError(t, a.Cancel(nil))
		require.Len(t, src.causes(), 1)
	})
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
		"Subscribe": func() { stream.Subscribe(stream.NewBroadcast[int](nil), stream.Count(1), stream.Keyed[int]{}) },
		"a source":  func() { stream.Map(nil, explode) },
	} {
		t.Run(name, func(t *testing.T) { require.Panics(t, f) })
	}
}

package stream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestJoinRelaysBothWaysUntilBothHaveEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		left, right := newPeer(), newPeer()
		joining := goDo(func() error {
			return stream.Join(t.Context(), left.duplex(), right.duplex())
		})
		require.NoError(t, left.out.Write(t.Context(), 1))
		require.Equal(t, 1, pull(t, right.in))
		require.NoError(t, right.out.Write(t.Context(), 2))
		require.Equal(t, 2, pull(t, left.in))
		require.NoError(t, left.out.Close(t.Context()))
		wantEnd(t, right.in, io.EOF)
		joining.waits(t, "the other way is open")
		require.NoError(t, right.out.Close(t.Context()))
		joining.returns(t, nil)
		wantEnd(t, left.in, io.EOF)
	})
}

func TestJoinPassesAFailureOnBehindWhatCameAndTheOtherWayGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		left, right := newPeer(), newPeer()
		joining := goDo(func() error {
			return stream.Join(t.Context(), left.duplex(), right.duplex())
		})
		require.NoError(t, left.out.Write(t.Context(), 1))
		require.NoError(t, left.out.Fail(t.Context(), errBoom))
		joining.waits(t, "the other way is open")
		require.Equal(t, 1, pull(t, right.in))
		wantEnd(t, right.in, errBoom)
		require.NoError(t, right.out.Write(t.Context(), 2))
		require.Equal(t, 2, pull(t, left.in))
		require.NoError(t, right.out.Close(t.Context()))
		joining.returns(t, errBoom)
		wantEnd(t, left.in, io.EOF)
	})
}

func TestJoinWhenOneSideLeavesIsAnEndAndNoFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		left, right := newPeer(), newPeer()
		joining := goDo(func() error {
			return stream.Join(t.Context(), left.duplex(), right.duplex())
		})
		require.NoError(t, left.in.Cancel(nil))
		require.NoError(t, left.out.Close(t.Context()))
		require.NoError(t, joining.wait())
		require.Equal(t, stream.ErrClosed, right.out.Write(t.Context(), 1))
		wantEnd(t, right.in, io.EOF)
	})
}

func TestJoinReturnsTheCauseOfItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		left, right := newPeer(), newPeer()
		ctx, cancel := context.WithCancelCause(t.Context())
		joining := goDo(func() error { return stream.Join(ctx, left.duplex(), right.duplex()) })
		joining.waits(t, "both are open")
		cancel(errBoom)
		joining.returns(t, errBoom)
		wantEnd(t, left.in, errBoom)
		wantEnd(t, right.in, errBoom)
	})
}

func TestJoinPanicReachesItsCaller(t *testing.T) {
	for _, flip := range []bool{false, true} {
		left, right := newPeer(), newPeer()
		bad := left.duplex()
		bad.Readable = stream.Map(bad.Readable, explode)
		require.NoError(t, left.out.Write(t.Context(), 1))
		a, b := bad, right.duplex()
		if flip {
			a, b = b, a
		}
		p := catchPanic(t, func() { stream.Join(t.Context(), a, b) })
		require.Equal(t, "boom", p.Value)
		require.Contains(t, string(p.Stack), "explode")
		require.Error(t, right.out.Write(t.Context(), 1))
	}
}

func TestJoinGoexitEndsBothWays(t *testing.T) {
	for _, flip := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			left, right := newPeer(), newPeer()
			bad := left.duplex()
			bad.Readable = stream.Map(bad.Readable, func(v int) (int, error) {
				runtime.Goexit()
				return v, nil
			})
			require.NoError(t, left.out.Write(t.Context(), 1))
			a, b := bad, right.duplex()
			if flip {
				a, b = b, a
			}
			joining := goDo(func() error { return stream.Join(t.Context(), a, b) })
			_ = joining.wait()
			require.Error(t, right.out.Write(t.Context(), 1))
			require.Error(t, left.out.Write(t.Context(), 1))
			_, err := right.in.Pull(t.Context())
			require.Error(t, err)
			require.NotEqual(t, io.EOF, err)
		})
	}
}

// A peer is what stands behind a duplex: what it writes to out can be pulled from the duplex.
type peer struct{ in, out *stream.Queue[int] }

func newPeer() *peer {
	return &peer{stream.NewQueue[int](1), stream.NewQueue[int](1)}
}

func (p *peer) duplex() stream.Duplex[int, int] {
	return stream.Duplex[int, int]{Readable: p.out, Writable: p.in}
}

// A line is a connection as a relay sees it. Both halves end together. Close and Fail wait until
// the peer has seen them, and the peer answers.
type line struct {
	in, out *stream.Queue[int] // of the relay
	cuts    atomic.Int32       // Aborts and Cancels by the relay
}

func newLine(mark int) *line {
	return &line{
		in:  stream.NewQueue[int](stream.Count(mark)),
		out: stream.NewQueue[int](stream.Count(mark)),
	}
}

func (l *line) duplex() stream.Duplex[int, int] {
	return stream.Duplex[int, int]{
		Readable: lineReadable{l.in, l},
		Writable: lineWritable{l.out, l},
	}
}

type lineReadable struct {
	*stream.Queue[int]
	l *line
}

func (r lineReadable) Cancel(cause error) error {
	if !isClosed(r.Done()) {
		r.l.cuts.Add(1)
	}
	return r.Queue.Cancel(cause)
}

type lineWritable struct {
	*stream.Queue[int]
	l *line
}

func (w lineWritable) Close(ctx context.Context) error {
	return errors.Join(w.Queue.Close(ctx), w.answered(ctx))
}

func (w lineWritable) Fail(ctx context.Context, cause error) error {
	return errors.Join(w.Queue.Fail(ctx, cause), w.answered(ctx))
}

func (w lineWritable) Abort(cause error) error {
	w.l.cuts.Add(1)
	return w.Queue.Abort(cause)
}

// answered waits until the peer has closed its half, too.
func (w lineWritable) answered(ctx context.Context) error {
	select {
	case <-w.l.in.Done():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// say has the peer write the numbers below n and end with end.
func (l *line) say(ctx context.Context, n int, end error) {
	for v := range n {
		if l.in.Write(ctx, v) != nil {
			return
		}
	}
	if end == io.EOF {
		_ = l.in.Close(ctx)
		_ = l.out.Cancel(nil)
	} else {
		_ = l.in.Fail(ctx, end)
		_ = l.out.Cancel(end)
	}
}

// hear has the peer pull until the end, with a pause before each, and answer that.
func (l *line) hear(ctx context.Context, pause time.Duration) (got []int, end error) {
	defer l.in.Close(ctx)
	for {
		<-time.After(pause)
		v, err := l.out.Pull(ctx)
		if err != nil {
			return got, err
		}
		got = append(got, v)
	}
}

// In the table are all ends that a side has, from each side, with a slow backend that has something
// to say too.
func TestJoinPassesEachEndOnAndLosesNothing(t *testing.T) {
	const n = 2000
	want := make([]int, n)
	for v := range want {
		want[v] = v
	}
	for _, mark := range []int{1, 1 << 20} {
		for _, flip := range []bool{false, true} {
			for name, c := range map[string]struct{ end, passed, joined error }{
				"ends well":          {io.EOF, io.EOF, nil},
				"is closed":          {stream.ErrClosed, io.EOF, nil},
				"fails":              {errBoom, errBoom, errBoom},
				"wraps io.EOF":       {errWrapsEOF, errWrapsEOF, errWrapsEOF},
				"cannot be compared": {parts{"a"}, parts{"a"}, parts{"a"}},
			} {
				t.Run(fmt.Sprintf("%s/mark of %d/flipped %t", name, mark,
					flip), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						client, backend := newLine(mark), newLine(mark)
						a, b := client.duplex(), backend.duplex()
						if flip {
							a, b = b, a
						}
						joining := goDo(func() error { return stream.Join(t.Context(), a, b) })
						talking := goDo(func() error { return talk(t.Context(), backend) })
						go client.say(t.Context(), n, c.end)
						got, end := backend.hear(t.Context(), time.Millisecond)
						require.Equal(t, want, got)
						require.Equal(t, c.passed, end)
						joining.returns(t, c.joined)
						require.Error(t, talking.wait())
						require.Zero(t, client.cuts.Load()+backend.cuts.Load(), "no side was cut")
					})
				})
			}
		}
	}
}

// talk has the peer write, at its pace, until it may not.
func talk(ctx context.Context, l *line) error {
	for {
		<-time.After(time.Millisecond)
		if err := l.in.Write(ctx, 7); err != nil {
			return err
		}
	}
}

var errWrapsEOF = fmt.Errorf("truncated: %w", io.EOF)

// parts is an error that == panics on.
type parts []string

func (p parts) Error() string { return p[0] }

func TestJoinOfTwoThatEndTogetherReturns(t *testing.T) {
	for _, end := range []error{io.EOF, errBoom} {
		bubble(t, func(t *testing.T) {
			left, right := newLine(1), newLine(1)
			joining := goDo(func() error {
				return stream.Join(t.Context(), left.duplex(), right.duplex())
			})
			joining.waits(t, "both are open")
			left.say(t.Context(), 0, end)
			right.say(t.Context(), 0, end)
			if end == io.EOF {
				end = nil
			}
			joining.returns(t, end)
		})
	}
}

// A half is a Writable that fails, and says by Done whether it has ended, if it says so at all.
type half struct {
	*fakeSink
	done  chan struct{}
	fails []error
}

func (h *half) Done() <-chan struct{} { return h.done }

func (h *half) Fail(_ context.Context, cause error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fails = append(h.fails, cause)
	return nil
}

func (h *half) failed() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fails
}

func TestJoinDropsChunksForADestinationThatHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src, dead := source(nil, 1, 2, 3), &fakeSink{writeErr: errBoom}
		back, alive := stream.NewQueue[int](1), &fakeSink{}
		joining := goDo(func() error {
			return stream.Join(t.Context(),
				stream.Duplex[int, int]{
					Readable: src,
					Writable: alive,
				}, stream.Duplex[int, int]{Readable: back, Writable: dead})
		})
		joining.waits(t, "the other way is open")
		require.Equal(t, 3, src.taken())
		require.Empty(t, src.causes())
		require.NoError(t, back.Write(t.Context(), 4))
		joining.waits(t, "the other way is open")
		require.NoError(t, back.Close(t.Context()))
		joining.returns(t, errBoom)
		require.Equal(t, []error{errBoom}, src.causes())
		require.Equal(t, []int{4}, alive.got)
		require.Equal(t, 1, alive.closes)
		require.Empty(t, append(alive.aborts, dead.aborts...))
		require.Zero(t, dead.closes)
	})
}

func TestJoinEndsWhenBothDestinationsHaveEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		left, right := source(nil, 1), source(nil, 2)
		joining := goDo(func() error {
			return stream.Join(t.Context(),
				stream.Duplex[int, int]{
					Readable: left,
					Writable: &fakeSink{writeErr: stream.ErrClosed},
				},
				stream.Duplex[int, int]{
					Readable: right,
					Writable: &fakeSink{writeErr: stream.ErrClosed},
				})
		})
		joining.returns(t, nil)
		require.Equal(t, []error{stream.ErrClosed}, left.causes())
		require.Equal(t, []error{stream.ErrClosed}, right.causes())
	})
}

func TestJoinFailsADestinationThatRefusesAChunk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src, picky := source(nil, 1, 2, 3), &half{
			fakeSink: &fakeSink{writeErr: errBoom},
			done:     make(chan struct{}),
		}
		back, alive := stream.NewQueue[int](1), &fakeSink{}
		joining := goDo(func() error {
			return stream.Join(t.Context(),
				stream.Duplex[int, int]{
					Readable: src,
					Writable: alive,
				}, stream.Duplex[int, int]{Readable: back, Writable: picky})
		})
		joining.waits(t, "the other way is open")
		require.Equal(t, 1, src.taken())
		require.Equal(t, []error{errBoom}, src.causes())
		require.Equal(t, []error{errBoom}, picky.failed())
		require.NoError(t, back.Close(t.Context()))
		joining.returns(t, errBoom)
	})
}

// A flushed Writable is one whose Flush waits.
type flushed struct {
	*fakeSink
	release chan struct{}
}

func (f flushed) Flush(context.Context) error { <-f.release; return nil }

func TestJoinClosesASlowSideOnceThatHasTakenWhatWasWritten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dst, back := flushed{&fakeSink{}, make(chan struct{})}, stream.NewQueue[int](1)
		joining := goDo(func() error {
			return stream.Join(t.Context(),
				stream.Duplex[int, int]{Readable: source(io.EOF, 1), Writable: &fakeSink{}},
				stream.Duplex[int, int]{Readable: back, Writable: dst})
		})
		joining.waits(t, "it is not flushed")
		require.Zero(t, dst.closed())
		close(dst.release)
		joining.waits(t, "the other way is open")
		require.Equal(t, 1, dst.closed())
		require.NoError(t, back.Close(t.Context()))
		joining.returns(t, nil)
	})
}

func TestJoinContextCutsAllThatHasNotEnded(t *testing.T) {
	for name, early := range map[string]func(left, right *fakeSource){
		"while both ways are idle":      func(_, _ *fakeSource) {},
		"while an end is passed on":     func(left, _ *fakeSource) { left.end = io.EOF },
		"while a failure is passed on":  func(left, _ *fakeSource) { left.end = errOther },
		"while what comes is dropped":   func(left, _ *fakeSource) { left.chunks = []int{-1} },
		"before anything else happened": nil,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				left, right := source(nil), source(nil)
				ctx, cancel := context.WithCancelCause(t.Context())
				if early != nil {
					early(left, right)
				} else {
					cancel(errBoom)
				}
				a, b := &stuck{fakeSink: &fakeSink{}}, &stuck{fakeSink: &fakeSink{}}
				joining := goDo(func() error {
					return stream.Join(ctx, stream.Duplex[int, int]{Readable: left, Writable: a},
						stream.Duplex[int, int]{Readable: right, Writable: b})
				})
				synctest.Wait()
				cancel(errBoom)
				err := joining.wait()
				want := errBoom
				if left.end == errOther {
					want = errOther // it came first
				}
				if len(left.chunks) == 0 && left.pulls == 1 {
					want = errLost
				}
				require.Equal(t, want, err)
				require.Equal(t, []error{errBoom}, a.aborts)
				require.Equal(t, []error{errBoom}, b.aborts)
				require.Equal(t, []error{errBoom}, right.causes())
				if left.end == nil {
					require.Equal(t, []error{errBoom}, left.causes())
				}
			})
		})
	}
}

var errLost = errors.New("lost")

// A stuck Writable fails a Write of less than zero, and waits in Close and Fail for as long as it
// may.
type stuck struct{ *fakeSink }

func (s *stuck) Write(ctx context.Context, v int) error {
	if v < 0 {
		return errLost
	}
	return s.fakeSink.Write(ctx, v)
}

func (s *stuck) Close(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }

func (s *stuck) Fail(ctx context.Context, _ error) error { <-ctx.Done(); return context.Cause(ctx) }

func TestJoinOfANilStreamPanics(t *testing.T) {
	whole := newPeer().duplex()
	for _, part := range []stream.Duplex[int, int]{
		{Readable: whole.Readable},
		{Writable: whole.Writable},
	} {
		require.Panics(t, func() { stream.Join(t.Context(), whole, part) })
		require.Panics(t, func() { stream.Join(t.Context(), part, whole) })
	}
}

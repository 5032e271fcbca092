package stream_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errBoom  = errors.New("boom")
	errOther = errors.New("other")
)

// A fakeSource is a Readable that delivers chunks, then end, and remembers what was done to it.
// With a nil end it stays open and idle behind its chunks.
type fakeSource struct {
	mu        sync.Mutex
	chunks    []int
	end       error
	pulls     int // chunks that were taken
	cancels   []error
	cancelErr error // what Cancel returns
	cancelled chan struct{}
	onPull    func() // before anything else
}

func source(end error, chunks ...int) *fakeSource {
	return &fakeSource{chunks: chunks, end: end, cancelled: make(chan struct{})}
}

func (s *fakeSource) Pull(ctx context.Context) (int, error) {
	if s.onPull != nil {
		s.onPull()
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	s.mu.Lock()
	switch {
	case len(s.cancels) > 0:
		s.mu.Unlock()
		return 0, io.EOF
	case len(s.chunks) > 0:
		defer s.mu.Unlock()
		v := s.chunks[0]
		s.chunks = s.chunks[1:]
		s.pulls++
		return v, nil
	case s.end != nil:
		defer s.mu.Unlock()
		return 0, s.end
	}
	s.mu.Unlock()
	select {
	case <-s.cancelled:
		return 0, io.EOF
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (s *fakeSource) Cancel(cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancels = append(s.cancels, cause)
	if len(s.cancels) == 1 {
		close(s.cancelled)
	}
	return s.cancelErr
}

func (s *fakeSource) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pulls
}

func (s *fakeSource) causes() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cancels
}

// A fakeSink is a Writable that remembers what was done to it.
type fakeSink struct {
	mu       sync.Mutex
	got      []int
	writeErr error // what Write returns
	closeErr error
	abortErr error
	closes   int
	aborts   []error
	onWrite  func(ctx context.Context) error // before anything else
}

func (s *fakeSink) Write(ctx context.Context, v int) error {
	if s.onWrite != nil {
		if err := s.onWrite(ctx); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writeErr == nil {
		s.got = append(s.got, v)
	}
	return s.writeErr
}

func (s *fakeSink) Close(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closes++
	return s.closeErr
}

func (s *fakeSink) Abort(cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aborts = append(s.aborts, cause)
	return s.abortErr
}

func (s *fakeSink) closed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closes
}

// ended returns a context that has ended with errBoom.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBoom)
	return ctx
}

// A call is one on another goroutine.
type call[T any] struct {
	v    T
	err  error
	done chan struct{}
}

func goPull[T any](ctx context.Context, r stream.Readable[T]) *call[T] {
	c := &call[T]{done: make(chan struct{})}
	go func() { // ends with the Pull
		defer close(c.done)
		c.v, c.err = r.Pull(ctx)
	}()
	return c
}

func goDo(f func() error) *call[struct{}] {
	c := &call[struct{}]{done: make(chan struct{})}
	go func() { // ends with f
		defer close(c.done)
		c.err = f()
	}()
	return c
}

func goWrite[T any](ctx context.Context, w stream.Writable[T], v T) *call[struct{}] {
	return goDo(func() error { return w.Write(ctx, v) })
}

// waits checks, in a bubble, that the call has not returned and nothing else can happen.
func (c *call[T]) waits(t *testing.T, why string) {
	t.Helper()
	synctest.Wait()
	select {
	case <-c.done:
		require.Fail(t, "call did not wait", "%s; it returned %v, %v", why, c.v, c.err)
	default:
	}
}

// returns checks that the call has returned by now, with err.
func (c *call[T]) returns(t *testing.T, err error) T {
	t.Helper()
	synctest.Wait()
	select {
	case <-c.done:
	default:
		require.Fail(t, "call still waits")
	}
	require.Equal(t, err, c.err)
	return c.v
}

func pull[T any](t *testing.T, r stream.Readable[T]) T {
	t.Helper()
	v, err := r.Pull(t.Context())
	require.NoError(t, err)
	return v
}

func wantEnd[T any](t *testing.T, r stream.Readable[T], end error) {
	t.Helper()
	for range 2 {
		_, err := r.Pull(t.Context())
		require.Equal(t, end, err)
	}
}

func collect[T any](t *testing.T, r stream.Readable[T]) []T {
	t.Helper()
	all, err := stream.Collect(t.Context(), r)
	require.NoError(t, err)
	return all
}

// bubble runs f under synctest.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// goroutines returns the number of goroutines in the caller's bubble. runtime.NumGoroutine counts
// others, too: the one that runs a finalizer comes and goes with the garbage collector.
func goroutines(t *testing.T) int {
	t.Helper()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	own := regexp.MustCompile(`synctest bubble \d+[],]`).Find(stacks) // the caller's stack comes first
	require.NotEmpty(t, own)
	return bytes.Count(stacks, own)
}

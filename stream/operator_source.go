package stream

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
)

// A source is the Readable that an operator pulls from. It knows whether that has ended, and then
// does not cancel it.
type source[T any] struct {
	r     Readable[T]
	into  PullerInto[T] // r's PullInto; nil if it has none
	ended atomic.Bool
}

func newSource[T any](r Readable[T]) *source[T] {
	if r == nil {
		panic("stream: nil Readable")
	}
	into, _ := r.(PullerInto[T])
	return &source[T]{r: r, into: into}
}

// Pull pulls from the source.
func (s *source[T]) Pull(ctx context.Context) (T, error) {
	v, err := s.r.Pull(ctx)
	if err != nil {
		s.note(ctx, err)
	}
	return v, err
}

// PullInto pulls from the source into *v. If the source has no PullInto, it is Pull.
func (s *source[T]) PullInto(ctx context.Context, v *T) (err error) {
	if s.into == nil {
		*v, err = s.Pull(ctx)
		return err
	}
	if err = s.into.PullInto(ctx, v); err != nil {
		s.note(ctx, err)
	}
	return err
}

// note notes whether the error of a pull is the end of the source.
func (s *source[T]) note(ctx context.Context, err error) {
	if err == io.EOF || ctx.Err() == nil {
		s.ended.Store(true)
	}
}

// Cancel cancels the source unless it has ended.
func (s *source[T]) Cancel(cause error) error { return s.claim()(cause) }

// claim returns a function that cancels the source unless it has ended. All other Cancels do
// nothing from then on. So a goroutine that sees the end of the output first does not cancel the
// source with a cause of its own.
func (s *source[T]) claim() func(cause error) error {
	if s.ended.Swap(true) {
		return func(error) error { return nil }
	}
	return s.r.Cancel
}

// Done returns that of the source, which may be nil.
func (s *source[T]) Done() <-chan struct{} { return doneOf(s.r) }

func newSources[T any](src []Readable[T]) []*source[T] {
	sources := make([]*source[T], len(src))
	for i, r := range src {
		sources[i] = newSource(r)
	}
	return sources
}

func cancelAll[T any](sources []*source[T], cause error) error {
	return claimAll(sources)(cause)
}

// claimAll claims all sources.
func claimAll[T any](sources []*source[T]) func(cause error) error {
	cancels := make([]func(error) error, len(sources))
	for i, s := range sources {
		cancels[i] = s.claim()
	}
	return func(cause error) (all error) {
		for _, cancel := range cancels {
			all = errors.Join(all, cancel(cause))
		}
		return all
	}
}

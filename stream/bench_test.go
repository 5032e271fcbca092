package stream_test

import (
	"testing"

	"github.com/wsstream/wsstream/stream"
)

// The benchmarks that belong together run in one binary, so that ratios are of one run.

func BenchmarkHandOff(b *testing.B) {
	const depth = 64
	b.Run("channel/inline", func(b *testing.B) {
		c := make(chan int, depth)
		b.ReportAllocs()
		for b.Loop() {
			c <- 1
			<-c
		}
	})
	b.Run("queue/inline", func(b *testing.B) {
		q := stream.NewQueue(stream.Count[int](depth))
		ctx := b.Context()
		b.ReportAllocs()
		for b.Loop() {
			_ = q.Write(ctx, 1)
			_, _ = q.Pull(ctx)
		}
	})
	b.Run("channel/two", func(b *testing.B) {
		c := make(chan int, depth)
		done := make(chan struct{})
		go func() { // ends with c
			defer close(done)
			for range c {
			}
		}()
		b.ReportAllocs()
		for b.Loop() {
			c <- 1
		}
		close(c)
		<-done
	})
	b.Run("channel+ctx/two", func(b *testing.B) {
		c := make(chan int, depth)
		done := make(chan struct{})
		ctx := b.Context()
		go func() { // ends with c
			defer close(done)
			for {
				select {
				case _, ok := <-c:
					if !ok {
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}()
		b.ReportAllocs()
		for b.Loop() {
			select {
			case c <- 1:
			case <-ctx.Done():
			}
		}
		close(c)
		<-done
	})
	b.Run("queue/two", func(b *testing.B) {
		q := stream.NewQueue(stream.Count[int](depth))
		done := make(chan struct{})
		ctx := b.Context()
		go func() { // ends with q
			defer close(done)
			for {
				if _, err := q.Pull(ctx); err != nil {
					return
				}
			}
		}()
		b.ReportAllocs()
		for b.Loop() {
			_ = q.Write(ctx, 1)
		}
		_ = q.Close(ctx)
		<-done
	})
}

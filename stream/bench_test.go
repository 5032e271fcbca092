package stream_test

import (
	"context"
	"fmt"
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
		q := stream.NewQueue[int](stream.Count(depth))
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
		q := stream.NewQueue[int](stream.Count(depth))
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

func BenchmarkPipe(b *testing.B) {
	ctx := b.Context()
	b.Run("queue", func(b *testing.B) {
		src, dst := stream.NewQueue[int](64), stream.NewQueue[int](64)
		piping := goDo(func() error { return stream.Pipe(ctx, dst, src, nil) })
		pulling := goDo(func() error {
			_, err := stream.Collect(ctx, stream.Filter(dst, func(int) bool { return false }))
			return err
		})
		b.ReportAllocs()
		for b.Loop() {
			_ = src.Write(ctx, 1)
		}
		_ = src.Close(ctx)
		_, _ = piping.wait(), pulling.wait()
	})
	b.Run("into", func(b *testing.B) {
		src := &loopSource{b: b}
		b.ReportAllocs()
		_ = stream.Pipe(ctx, stream.Discard[[]byte](), src, nil)
	})
}

// A loopSource delivers a chunk for each turn of a benchmark.
type loopSource struct {
	intoSource
	b *testing.B
}

func (s *loopSource) PullInto(ctx context.Context, v *[]byte) error {
	s.n = 0
	if s.b.Loop() {
		s.n = 1
	}
	return s.intoSource.PullInto(ctx, v)
}

func BenchmarkMap(b *testing.B) {
	q := stream.NewQueue[int](1)
	r := stream.Map(q, func(v int) (int, error) { return v, nil })
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_ = q.Write(ctx, 1)
		_, _ = r.Pull(ctx)
	}
}

// What a message costs a subscriber, which has to be flat as their number grows: published once,
// pulled by each. The figure is what a subscriber adds: what a Publish costs without any (the case
// of 0) is taken off.
func BenchmarkBroadcast(b *testing.B) {
	var own float64 // ns of a Publish without subscribers
	for _, n := range []int{0, 1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			perMsg := broadcast(b, n, 0)
			if n == 0 {
				own = perMsg
				b.ReportMetric(own, "ns/msg")
				return
			}
			b.ReportMetric(perMsg/float64(n), "ns/sub/msg")
			b.ReportMetric((perMsg-own)/float64(n), "added-ns/sub/msg")
		})
	}
}

// One subscriber that never pulls, beside a hundred others that do: what those get must not change.
func BenchmarkStalledSubscriber(b *testing.B) {
	for stalled := range 2 {
		b.Run(fmt.Sprintf("stalled=%d", stalled), func(b *testing.B) {
			b.ReportMetric(1e9/broadcast(b, 100, stalled), "msg/s")
		})
	}
}

// broadcast measures a message to n subscribers that pull and some that are stalled, and returns
// how many ns it took.
func broadcast(b *testing.B, n, stalled int) (perMsg float64) {
	const depth = 16
	ctx := b.Context()
	room := stream.NewBroadcast[int](nil)
	defer room.Abort(nil)
	subs := make([]*stream.Subscription[int], n)
	for i := range subs {
		subs[i] = stream.Subscribe(room, stream.Count(depth), stream.DropOldest())
	}
	for range stalled {
		stream.Subscribe(room, stream.Count(depth), stream.DropOldest())
	}
	round := func() {
		for range depth {
			_ = room.Publish(ctx, 1)
		}
		for _, s := range subs {
			for range depth {
				_, _ = s.Pull(ctx)
			}
		}
	}
	round() // what a queue holds is made once
	b.ReportAllocs()
	for b.Loop() {
		round()
	}
	return float64(b.Elapsed().Nanoseconds()) / float64(b.N) / depth
}

package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wsstream/wsstream/stream"
)

var ctx = context.Background()

func show[T any](r stream.Readable[T]) {
	for v, err := range stream.All(ctx, r) {
		if err != nil {
			fmt.Println("error:", err)
			return
		}
		fmt.Println(v)
	}
}

// A chain reads from top to bottom: each operator takes the stream before it.
func Example() {
	text := stream.FromReader(strings.NewReader("3\n1\nx\n4\n"), 0)
	defer text.Cancel(nil)
	lines := stream.Lines(text, 80)
	numbers := stream.Map(lines, func(s string) (n int, err error) {
		if _, err := fmt.Sscan(s, &n); err != nil {
			return 0, stream.Skip
		}
		return n, nil
	})
	sums := stream.Scan(numbers, 0, func(sum, n int) (int, error) { return sum + n, nil })
	show(sums)
	// Output:
	// 3
	// 4
	// 8
}

func ExampleQueue() {
	q := stream.NewQueue(stream.Bytes[string](8))
	q.Write(ctx, "hello")
	fmt.Println(q.DesiredSize())
	q.Write(ctx, "world")
	ok, _ := q.TryWrite("!")
	fmt.Println(q.DesiredSize(), ok)
	q.Close(ctx)
	show(q)
	// Output:
	// 3
	// -2 false
	// hello
	// world
}

func ExampleFuture() {
	f, settle := stream.NewFuture[string]()
	go settle("done", nil)
	fmt.Println(f.Wait(ctx))
	// Output: done <nil>
}

func ExamplePipe() {
	src := stream.From("a", "b", "c")
	dst := stream.MapWriter(stream.ToWriter(os.Stdout), func(s string) ([]byte, error) { return []byte(s + "\n"), nil })
	err := stream.Pipe(ctx, dst, src, &stream.PipeOptions{
		PreventClose: true, // standard output is not ours
		Progress:     func(n int64) { fmt.Println("chunks:", n) },
	})
	fmt.Println(err)
	// Output:
	// a
	// chunks: 1
	// b
	// chunks: 2
	// c
	// chunks: 3
	// <nil>
}

func ExampleJoin() {
	type queue = *stream.Queue[string]
	fromA, toA := stream.NewQueue(stream.Count[string](2)), stream.NewQueue(stream.Count[string](2))
	fromB, toB := stream.NewQueue(stream.Count[string](2)), stream.NewQueue(stream.Count[string](2))
	for name, q := range map[string]queue{"a": fromA, "b": fromB} {
		q.Write(ctx, "hello from "+name)
		q.Close(ctx)
	}
	err := stream.Join(ctx,
		stream.Duplex[string, string]{Readable: fromA, Writable: toA},
		stream.Duplex[string, string]{Readable: fromB, Writable: toB})
	fmt.Println(err)
	show(toA)
	show(toB)
	// Output:
	// <nil>
	// hello from b
	// hello from a
}

func ExampleThrough() {
	var held []string
	pairs := stream.Through(stream.From("a", "b", "c"), stream.Transform[string, string]{
		Each: func(s string, emit func(string)) error {
			if held = append(held, s); len(held) == 2 {
				emit(strings.Join(held, "+"))
				held = nil
			}
			return nil
		},
		Flush: func(emit func(string)) error { emit(strings.Join(held, "")); return nil },
	})
	show(pairs)
	// Output:
	// a+b
	// c
}

func ExampleMap() {
	show(stream.Map(stream.From(1, 2, 3), func(n int) (string, error) {
		if n == 2 {
			return "", stream.Skip
		}
		return fmt.Sprint("n", n), nil
	}))
	// Output:
	// n1
	// n3
}

func ExampleFilter() {
	show(stream.Filter(stream.From(1, 2, 3, 4), func(n int) bool { return n%2 == 0 }))
	// Output:
	// 2
	// 4
}

func ExampleFlatMap() {
	show(stream.FlatMap(stream.From("a b", "c"), func(s string) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for word := range strings.FieldsSeq(s) {
				if !yield(word, nil) {
					return
				}
			}
		}
	}))
	// Output:
	// a
	// b
	// c
}

func ExampleScan() {
	show(stream.Scan(stream.From(1, 2, 3), 0, func(sum, n int) (int, error) { return sum + n, nil }))
	// Output:
	// 1
	// 3
	// 6
}

func ExampleBatch() {
	show(stream.Batch(stream.From(1, 2, 3, 4, 5), stream.Count[int](2), time.Second))
	// Output:
	// [1 2]
	// [3 4]
	// [5]
}

func ExampleUnbatch() {
	show(stream.Unbatch(stream.From([]int{1, 2}, []int{3})))
	// Output:
	// 1
	// 2
	// 3
}

func ExampleLines() {
	show(stream.Lines(stream.From([]byte("one\ntw"), []byte("o\r\nthree")), 80))
	// Output:
	// one
	// two
	// three
}

// ticks is a limiter; a *rate.Limiter of golang.org/x/time/rate is another.
type ticks struct{ *time.Ticker }

func (t ticks) Wait(ctx context.Context) error {
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func ExampleThrottle() {
	t := ticks{time.NewTicker(time.Millisecond)}
	defer t.Stop()
	show(stream.Throttle(stream.From("tick", "tick"), t))
	// Output:
	// tick
	// tick
}

func ExampleParallel() {
	squares := stream.Parallel(stream.From(1, 2, 3), 2, func(_ context.Context, n int) (int, error) { return n * n, nil })
	defer squares.Cancel(nil)
	show(squares)
	// Output:
	// 1
	// 4
	// 9
}

func ExampleStage() {
	twice := stream.Stage(stream.From(1, 2), stream.Count[int](4), func(ctx context.Context, src stream.Readable[int], dst stream.Writable[int]) error {
		for n, err := range stream.All(ctx, src) {
			if err != nil {
				return err
			}
			if err := errors.Join(dst.Write(ctx, n), dst.Write(ctx, n)); err != nil {
				return err
			}
		}
		return nil
	})
	defer twice.Cancel(nil)
	show(twice)
	// Output:
	// 1
	// 1
	// 2
	// 2
}

func ExampleMerge() {
	both := stream.Merge(stream.From(1, 3), stream.From(2, 4))
	defer both.Cancel(nil)
	all, err := stream.Collect(ctx, both)
	slices.Sort(all)
	fmt.Println(all, err)
	// Output: [1 2 3 4] <nil>
}

func ExampleConcat() {
	show(stream.Concat(stream.From(1), stream.From(2, 3)))
	// Output:
	// 1
	// 2
	// 3
}

func ExampleTee() {
	a, b := stream.Tee(stream.From(1, 2), stream.Count[int](1), stream.Count[int](3))
	defer a.Cancel(nil)
	defer b.Cancel(nil)
	fmt.Println(stream.Collect(ctx, a))
	fmt.Println(stream.Collect(ctx, b))
	// Output:
	// [1 2] <nil>
	// [1 2] <nil>
}

func ExampleBroadcast() {
	room := stream.NewBroadcast(&stream.BroadcastOptions[string]{Replay: 1})
	room.Publish(ctx, "before")
	newest := room.Subscribe(stream.Count[string](1), stream.DropOldest)
	first := room.Subscribe(stream.Count[string](1), stream.DropNewest)
	strict := room.Subscribe(stream.Count[string](1), stream.Disconnect)
	for _, s := range []string{"a", "b", "c"} {
		room.Publish(ctx, s)
	}
	room.Close(ctx)
	for _, sub := range []*stream.Subscription[string]{newest, first, strict} {
		all, err := stream.Collect(ctx, sub)
		fmt.Println(all, sub.Dropped(), err)
	}
	// Output:
	// [c] 3 <nil>
	// [before a] 2 <nil>
	// [before a] 0 stream: subscriber too slow
}

func ExampleLatest() {
	type price struct {
		symbol string
		cents  int
	}
	prices := stream.NewBroadcast[price](nil)
	slow := prices.Subscribe(stream.Count[price](10), stream.Latest(func(p price) string { return p.symbol }))
	for _, p := range []price{{"A", 1}, {"B", 1}, {"A", 2}, {"A", 3}} {
		prices.Publish(ctx, p)
	}
	prices.Close(ctx)
	show(slow)
	// Output:
	// {A 3}
	// {B 1}
}

func ExampleBroadcast_Publisher() {
	room := stream.NewBroadcast[string](nil)
	viewer := room.Subscribe(stream.Count[string](9), stream.Block)
	for _, name := range []string{"ann", "bob"} { // each leaves, and the room stays
		stream.Pipe(ctx, room.Publisher(), stream.From(name+" says hi"), nil)
	}
	room.Close(ctx)
	show(viewer)
	// Output:
	// ann says hi
	// bob says hi
}

func ExampleAll() {
	src := stream.From(1, 2, 3)
	for n, err := range stream.All(ctx, src) {
		if err != nil || n == 2 {
			break
		}
		fmt.Println(n)
	}
	fmt.Println(src.Pull(ctx)) // leaving the loop leaves the stream
	// Output:
	// 1
	// 3 <nil>
}

func ExampleFromSeq() {
	src := stream.FromSeq(slices.Values([]string{"a", "b"}))
	defer src.Cancel(nil)
	show(src)
	// Output:
	// a
	// b
}

func ExampleFromSeq2() {
	src := stream.FromSeq2(func(yield func(int, error) bool) {
		_ = yield(1, nil) && yield(0, errors.New("disk on fire"))
	})
	defer src.Cancel(nil)
	show(src)
	// Output:
	// 1
	// error: disk on fire
}

func ExampleFromChan() {
	c := make(chan int, 2)
	stream.Pipe(ctx, stream.ToChan(c), stream.From(1, 2), nil)
	show(stream.FromChan(c))
	// Output:
	// 1
	// 2
}

func ExampleDiscard() {
	var n int64
	err := stream.Pipe(ctx, stream.Discard[int](), stream.From(1, 2), &stream.PipeOptions{Progress: func(k int64) { n = k }})
	fmt.Println(n, err)
	// Output: 2 <nil>
}

func ExampleReader() {
	r := stream.Reader(ctx, stream.From([]byte("hello, "), []byte("world\n")))
	io.Copy(os.Stdout, r)
	// Output: hello, world
}

func ExampleWriter() {
	q := stream.NewQueue(stream.Count[[]byte](4))
	w := stream.Writer(ctx, q)
	fmt.Fprintf(w, "%d bottles", 99)
	w.Close()
	show(stream.Map(q, func(b []byte) (string, error) { return string(b), nil }))
	// Output: 99 bottles
}

func ExampleDecode() {
	type point struct{ X, Y int }
	codec := stream.Codec[[]byte, point]{
		Encode: func(p point) ([]byte, error) { return json.Marshal(p) },
		Decode: func(b []byte) (p point, err error) { err = json.Unmarshal(b, &p); return p, err },
	}
	wire := stream.NewQueue(stream.Count[[]byte](4))
	stream.Encode(wire, codec).Write(ctx, point{1, 2})
	wire.Write(ctx, []byte("garbage"))
	wire.Close(ctx)
	show(stream.Decode(wire, codec.SkipBad(func(m []byte, _ error) { fmt.Printf("skipped %q\n", m) })))
	// Output:
	// {1 2}
	// skipped "garbage"
}

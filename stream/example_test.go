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
	"strconv"
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
	q := stream.NewQueueOf(stream.Bytes[string](8))
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

// A stream accepts chunks while it holds less than the mark.
func ExampleStrategy() {
	type order struct{ items []string }
	for _, q := range []*stream.Queue[order]{
		stream.NewQueue[order](3),
		stream.NewQueueOf(stream.Size(3, func(o order) int { return len(o.items) })),
	} {
		held := 0
		for {
			ok, _ := q.TryWrite(order{[]string{"tea", "cup"}})
			if !ok {
				break
			}
			held++
		}
		fmt.Println("holds", held, "and wants", q.DesiredSize())
	}
	// Output:
	// holds 3 and wants 0
	// holds 2 and wants -1
}

// A failure comes behind the chunks before it.
func ExampleQueue_Fail() {
	q := stream.NewQueue[int](2)
	q.Write(ctx, 1)
	q.Fail(ctx, errors.New("out of paper"))
	show(q)
	fmt.Println("write:", q.Write(ctx, 2))
	// Output:
	// 1
	// error: out of paper
	// write: out of paper
}

func ExampleFuture() {
	f, settle := stream.NewFuture[string]()
	go settle("done", nil)
	fmt.Println(f.Wait(ctx))
	// Output: done <nil>
}

// A subscriber whose subscription is full has some time to pull. Then it is disconnected: the
// publisher waits that long, once.
func ExampleDisconnectAfter() {
	room := stream.NewBroadcast[int](nil)
	sub := stream.Subscribe(room, stream.Count(2), stream.DisconnectAfter(time.Millisecond))
	for v := range 4 {
		room.Publish(ctx, v)
	}
	fmt.Println(sub.Dropped(), "dropped")
	show(sub)
	// Output:
	// 2 dropped
	// error: stream: subscriber too slow
}

// A Pipe whose source fails drops no chunk that came before, because a Queue is a Failer.
func ExampleFailer() {
	src, q := stream.NewQueue[int](1), stream.NewQueue[int](1)
	src.Write(ctx, 1)
	src.Fail(ctx, errors.New("disk failed"))
	fmt.Println("pipe:", stream.Pipe(ctx, q, src, nil))
	show(q)
	// Output:
	// pipe: disk failed
	// 1
	// error: disk failed
}

func ExamplePipe() {
	src := stream.From("a", "b", "c")
	dst := stream.MapWriter(stream.ToWriter(os.Stdout), func(s string) ([]byte, error) {
		return []byte(s + "\n"), nil
	})
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

// Each end is passed on to the other side. Here the sink fails, and the source is told why.
func ExamplePipe_propagation() {
	src := stream.NewQueue[int](9)
	src.Write(ctx, 1)
	src.Write(ctx, -1)
	dst := stream.MapWriter(stream.Discard[int](), func(n int) (int, error) {
		if n < 0 {
			return 0, fmt.Errorf("%d is too small", n)
		}
		return n, nil
	})
	fmt.Println("pipe:", stream.Pipe(ctx, dst, src, nil))
	fmt.Println("source:", src.Write(ctx, 2))
	// Output:
	// pipe: -1 is too small
	// source: -1 is too small
}

func ExampleJoin() {
	type queue = *stream.Queue[string]
	fromA, toA := stream.NewQueue[string](2), stream.NewQueue[string](2)
	fromB, toB := stream.NewQueue[string](2), stream.NewQueue[string](2)
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

// A panic of a function reaches the caller of Pull. A panic on a goroutine of the stream arrives as
// a *Panic, with its stack.
func ExamplePanic() {
	quotients := stream.Parallel(stream.From(1, 0), 2, func(_ context.Context, n int) (int, error) {
		return 6 / n, nil
	})
	defer quotients.Cancel(nil)
	defer func() {
		p := recover().(*stream.Panic)
		fmt.Println(p.Value, len(p.Stack) > 0)
	}()
	show(quotients)
	// Output:
	// 6
	// runtime error: integer divide by zero true
}

func ExampleMapWriter() {
	q := stream.NewQueue[string](9)
	numbers := stream.MapWriter(q, func(n int) (string, error) {
		return strings.Repeat("*", n), nil
	})
	stream.Pipe(ctx, numbers, stream.From(1, 3), nil)
	show(q)
	// Output:
	// *
	// ***
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
	show(stream.Scan(stream.From(1, 2, 3), 0, func(sum, n int) (int, error) {
		return sum + n, nil
	}))
	// Output:
	// 1
	// 3
	// 6
}

func ExampleBatch() {
	show(stream.Batch(stream.From(1, 2, 3, 4, 5), stream.Count(2), time.Second))
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
	square := func(_ context.Context, n int) (int, error) { return n * n, nil }
	squares := stream.Parallel(stream.From(1, 2, 3), 2, square)
	defer squares.Cancel(nil)
	show(squares)
	// Output:
	// 1
	// 4
	// 9
}

func ExampleStage() {
	twice := stream.Stage(stream.From(1, 2), stream.Count(4),
		func(ctx context.Context, src stream.Readable[int], dst stream.Writable[int]) error {
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
	a, b := stream.Tee(stream.From(1, 2), stream.Count(1), stream.Count(3))
	defer a.Cancel(nil)
	defer b.Cancel(nil)
	fmt.Println(stream.Collect(ctx, a))
	fmt.Println(stream.Collect(ctx, b))
	// Output:
	// [1 2] <nil>
	// [1 2] <nil>
}

// A Tee never drops a chunk: its slower branch holds back the other. If one branch may lose chunks,
// use a Broadcast with two subscribers, each with its policy.
func ExampleTee_policies() {
	tee := stream.NewBroadcast[int](nil)
	all := stream.Subscribe(tee, stream.Count(3), stream.Block())
	newest := stream.Subscribe(tee, stream.Count(1), stream.DropOldest())
	stream.Pipe(ctx, tee.Publisher(), stream.From(1, 2, 3), nil)
	tee.Close(ctx)
	fmt.Println(stream.Collect(ctx, all))
	fmt.Println(stream.Collect(ctx, newest))
	// Output:
	// [1 2 3] <nil>
	// [3] <nil>
}

func ExampleBroadcast() {
	room := stream.NewBroadcast(&stream.BroadcastOptions[string]{Replay: 1})
	room.Publish(ctx, "before")
	newest := stream.Subscribe(room, stream.Count(1), stream.DropOldest())
	first := stream.Subscribe(room, stream.Count(1), stream.DropNewest())
	strict := stream.Subscribe(room, stream.Count(1), stream.Disconnect())
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

// Feed needs no goroutine for a destination that keeps up. A slow one has the subscription's limit
// and policy.
func ExampleSubscription_Feed() {
	room := stream.NewBroadcast[string](nil)
	fast, slow := stream.NewQueue[string](9), stream.NewQueue[string](1)
	var feeds []*stream.Future[int64]
	for _, dst := range []*stream.Queue[string]{fast, slow} {
		sub := stream.Subscribe(room, stream.Count(1), stream.DropOldest())
		feeds = append(feeds, sub.Feed(ctx, dst, nil)) // closes dst with the room
	}
	for _, s := range []string{"a", "b", "c"} {
		room.Publish(ctx, s)
	}
	room.Close(ctx)
	for i, dst := range []*stream.Queue[string]{fast, slow} {
		all, err := stream.Collect(ctx, dst)
		moved, _ := feeds[i].Wait(ctx)
		fmt.Println(all, err, moved)
	}
	// Output:
	// [a b c] <nil> 3
	// [a c] <nil> 2
}

// A hook is told which chunks were dropped, and which subscription lost them. Dropped counts them.
func ExampleBroadcastOptions() {
	names := map[*stream.Subscription[int]]string{}
	room := stream.NewBroadcast(&stream.BroadcastOptions[int]{
		OnDrop: func(s *stream.Subscription[int], v int) { fmt.Println(names[s], "lost", v) },
	})
	ann := stream.Subscribe(room, stream.Count(2), stream.DropOldest())
	bob := stream.Subscribe(room, stream.Count(1), stream.DropNewest())
	names[ann], names[bob] = "ann", "bob"
	for v := range 3 {
		room.Publish(ctx, v)
	}
	fmt.Println(ann.Dropped(), bob.Dropped(), room.Dropped())
	// Output:
	// bob lost 1
	// ann lost 0
	// bob lost 2
	// 1 2 3
}

// With Block the publisher waits for the slowest subscriber, and no chunk is lost.
func ExampleBlock() {
	room := stream.NewBroadcast[int](nil)
	slow := stream.Subscribe(room, stream.Count(1), stream.Block())
	room.Publish(ctx, 1)
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	fmt.Println(room.Publish(short, 2))
	fmt.Println(slow.Pull(ctx))
	fmt.Println(room.Publish(ctx, 3))
	// Output:
	// context deadline exceeded
	// 1 <nil>
	// <nil>
}

func ExampleLatest() {
	type price struct {
		symbol string
		cents  int
	}
	prices := stream.NewBroadcast[price](nil)
	slow := stream.Subscribe(prices, stream.Count(10),
		stream.Latest(func(p price) string { return p.symbol }))
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
	viewer := stream.Subscribe(room, stream.Count(9), stream.Block())
	for _, name := range []string{"ann", "bob"} { // each leaves, and the room stays
		stream.Pipe(ctx, room.Publisher(), stream.From(name+" says hi"), nil)
	}
	room.Close(ctx)
	show(viewer)
	// Output:
	// ann says hi
	// bob says hi
}

func ExampleFrom() {
	show(stream.From("a", "b"))
	// Output:
	// a
	// b
}

// Collect returns the chunks that came before an error, too.
func ExampleCollect() {
	q := stream.NewQueue[int](2)
	q.Write(ctx, 1)
	q.Fail(ctx, errors.New("lost"))
	fmt.Println(stream.Collect(ctx, q))
	// Output: [1] lost
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

func ExampleToChan() {
	c := make(chan int, 2)
	fmt.Println(stream.Pipe(ctx, stream.ToChan(c), stream.From(1, 2), nil)) // which closes it
	for v := range c {
		fmt.Println(v)
	}
	// Output:
	// <nil>
	// 1
	// 2
}

func ExampleFromReader() {
	r := stream.FromReader(strings.NewReader("hello, world"), 5)
	defer r.Cancel(nil) // which closes a file
	show(stream.Map(r, func(b []byte) (string, error) { return fmt.Sprintf("%q", b), nil }))
	// Output:
	// "hello"
	// ", wor"
	// "ld"
}

func ExampleToWriter() {
	var b strings.Builder
	err := stream.Pipe(ctx, stream.ToWriter(&b), stream.From([]byte("hello, "), []byte("world")),
		nil)
	fmt.Println(b.String(), err)
	// Output: hello, world <nil>
}

func ExampleDiscard() {
	var n int64
	err := stream.Pipe(ctx, stream.Discard[int](), stream.From(1, 2), &stream.PipeOptions{
		Progress: func(k int64) { n = k },
	})
	fmt.Println(n, err)
	// Output: 2 <nil>
}

func ExampleAsReader() {
	r := stream.AsReader(ctx, stream.From([]byte("hello, "), []byte("world\n")))
	io.Copy(os.Stdout, r)
	// Output: hello, world
}

func ExampleAsWriter() {
	q := stream.NewQueue[[]byte](4)
	w := stream.AsWriter(ctx, q)
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
	wire := stream.NewQueue[[]byte](4)
	stream.Encode(wire, codec).Write(ctx, point{1, 2})
	wire.Write(ctx, []byte("garbage"))
	wire.Close(ctx)
	show(stream.Decode(wire,
		codec.SkipBad(func(m []byte, _ error) { fmt.Printf("skipped %q\n", m) })))
	// Output:
	// {1 2}
	// skipped "garbage"
}

// A message that cannot be decoded ends the stream, and is in the error.
func ExampleDecodeError() {
	numbers := stream.Codec[string, int]{Decode: strconv.Atoi}
	_, err := stream.Collect(ctx, stream.Decode(stream.From("1", "two", "3"), numbers))
	if bad, ok := errors.AsType[*stream.DecodeError[string]](err); ok {
		fmt.Printf("%q: %v\n", bad.Message, bad.Err)
	}
	// Output: "two": strconv.Atoi: parsing "two": invalid syntax
}

func ExampleEncode() {
	numbers := stream.Codec[string, int]{
		Encode: func(n int) (string, error) { return strconv.Itoa(n), nil },
	}
	q := stream.NewQueue[string](9)
	stream.Pipe(ctx, stream.Encode(q, numbers), stream.From(1, 2), nil)
	show(q)
	// Output:
	// 1
	// 2
}

// A burst is one batch; what comes later is another.
func ExampleBatchNow() {
	q := stream.NewQueue[int](9)
	batches := stream.BatchNow(q, stream.Count(100))
	for v := range 3 {
		_ = q.Write(ctx, v)
	}
	burst, _ := batches.Pull(ctx)
	_ = q.Write(ctx, 3)
	later, _ := batches.Pull(ctx)
	fmt.Println(burst, later)
	// Output: [0 1 2] [3]
}

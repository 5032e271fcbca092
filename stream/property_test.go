package stream_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/quick"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

// A plan is a random chain of operators, and what becomes of it.
type plan struct {
	Chunks   int      // which the source delivers
	Fails    bool     // the source, behind them
	FailsAt  int      // the chunk at which the first operator fails; negative: none
	Chain    []string // the operators behind that
	CancelAt int      // how many chunks the puller takes before it gives up; negative: all
	Seed     uint64   // of all that, and of when contexts end
}

func planOf(seed uint64) plan {
	rnd := rand.New(rand.NewPCG(seed, 1))
	p := plan{Chunks: rnd.IntN(30), Fails: rnd.IntN(3) == 0, FailsAt: -1, CancelAt: -1, Seed: seed}
	if rnd.IntN(3) == 0 && p.Chunks > 0 {
		p.FailsAt = rnd.IntN(p.Chunks)
	}
	if rnd.IntN(4) == 0 {
		p.CancelAt = rnd.IntN(p.Chunks + 1)
	}
	for range rnd.IntN(8) {
		p.Chain = append(p.Chain, links[rnd.IntN(len(links))])
	}
	return p
}

// links are the names of all that a chain can be made of.
var links = slices.Sorted(maps.Keys(chained))

// chained are the operators, and what else stands between two streams.
var chained = func() map[string]func(stream.Readable[int]) stream.Readable[int] {
	all := maps.Clone(operators)
	all["Queue"] = func(r stream.Readable[int]) stream.Readable[int] { return piped(r, 2) }
	all["Queue without a mark"] = func(r stream.Readable[int]) stream.Readable[int] {
		return piped(r, 0)
	}
	all["FromSeq2 of All"] = func(r stream.Readable[int]) stream.Readable[int] {
		return both{stream.FromSeq2(stream.All(context.Background(), r)), r}
	}
	return all
}()

// piped returns a queue that a Pipe fills, by way of a MapWriter, and that fails as r does, behind
// what it holds.
func piped(r stream.Readable[int], mark int) stream.Readable[int] {
	q := stream.NewQueue[int](stream.Count(mark))
	go func() { // ends with r, or with the queue
		w := stream.MapWriter(q, func(v int) (int, error) { return v, nil })
		if err := stream.Pipe(context.Background(), w, r,
			&stream.PipeOptions{PreventAbort: true}); err != nil {
			_ = q.Fail(context.Background(), err)
		}
	}()
	return q
}

// both are a stream and the one it is made of, which it does not cancel by itself.
type both struct {
	stream.Readable[int]
	of stream.Readable[int]
}

func (b both) Cancel(cause error) error {
	err := b.of.Cancel(cause)
	_ = b.Readable.Cancel(cause)
	return err
}

// A random chain of operators delivers each chunk once and in order, or fails with the first error
// behind the chunks before it. It leaves no goroutine, whichever contexts end on the way and
// whichever side gives up.
func TestPipelineDeliversEachChunkOnceInOrder(t *testing.T) {
	holds := func(seed uint64) bool {
		return t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { planOf(seed).run(t) }) // fails if a goroutine is left
		})
	}
	require.NoError(t, quick.Check(holds, &quick.Config{MaxCount: 500}))
}

func (p plan) run(t *testing.T) {
	want, end := []int{}, io.EOF
	for v := range p.Chunks {
		want = append(want, v)
	}
	if p.Fails {
		end = errBoom
	}
	src := source(end, want...)
	r := stream.Map(src, func(v int) (int, error) {
		if v == p.FailsAt {
			return 0, errOther
		}
		return v, nil
	})
	for _, name := range p.Chain {
		r = chained[name](r)
	}
	if p.FailsAt >= 0 {
		want, end = want[:p.FailsAt], errOther
	}
	got, err := pullAll(t, rand.New(rand.NewPCG(p.Seed, 2)), r, p.CancelAt)
	if p.CancelAt >= 0 && len(got) == p.CancelAt {
		want, end = want[:p.CancelAt], nil
	}
	require.Equal(t, end, err, "%+v", p)
	require.Equal(t, want, got, "%+v", p)
	synctest.Wait()
	require.LessOrEqual(t, len(src.causes()), 1, "cancelled once at most: %+v", p)
}

// pullAll pulls until the end, now and then with a context that ends at a random moment, and
// returns the end. Behind stop chunks it cancels.
func pullAll(
	t *testing.T, rnd *rand.Rand, r stream.Readable[int], stop int,
) (got []int, err error) {
	got = []int{}
	for len(got) != stop {
		ctx, cancel := context.WithCancelCause(t.Context())
		if rnd.IntN(3) == 0 {
			go cancel(errLeft) // ends immediately; it races with the Pull
		}
		v, err := r.Pull(ctx)
		cancel(nil)
		switch {
		case err == nil:
			got = append(got, v)
		case err != errLeft:
			return got, err
		}
	}
	return got, r.Cancel(nil)
}

var errLeft = fmt.Errorf("left")

// holders are stages of a pipeline, with how many chunks each holds when the next one is stalled.
var holders = []struct {
	name  string
	holds int
	make  func(stream.Readable[int]) stream.Readable[int]
}{
	{"Map", 0, operators["Map"]},
	{"Through", 0, operators["Through"]},
	{"Concat", 0, operators["Concat"]},
	{"Merge", 0, operators["Merge"]}, // of one source: it pulls for a Pull that waits
	{"Parallel", 3, operators["Parallel"]},
	{"Stage", 2 + 1, operators["Stage"]}, // its mark, and the chunk in its function's hands
	{"Tee", 1, operators["Tee"]},
}

// What a pipeline holds is the sum of its marks, whatever the speeds: a fast source against a
// stalled sink.
func TestPipelineHoldsTheSumOfItsMarks(t *testing.T) {
	holds := func(seed uint64) bool {
		return t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 3))
				ctx, cancel := context.WithCancel(t.Context())
				src := source(nil, make([]int, 1000)...)
				var r stream.Readable[int] = src
				var names []string
				var pipes []*call[struct{}]
				marks := 0
				for range 1 + rnd.IntN(5) {
					h, mark := holders[rnd.IntN(len(holders))], rnd.IntN(10)
					if h.holds > 0 {
						mark++ // so that it is pulled, whatever comes behind it
					}
					marks += h.holds + mark
					names = append(names, fmt.Sprint(h.name, " ", mark))
					q, stage := stream.NewQueue[int](stream.Count(mark)), h.make(r)
					pipes = append(pipes,
						goDo(func() error { return stream.Pipe(ctx, q, stage, nil) }))
					r = q
				}
				synctest.Wait()
				require.Equal(t, marks, src.taken(), names)
				cancel()
				for _, p := range pipes {
					p.returns(t, context.Canceled)
				}
			})
		})
	}
	require.NoError(t, quick.Check(holds, &quick.Config{MaxCount: 100}))
}

// The same in bytes of the heap.
func TestPipelineMemoryIsTheSumOfItsMarks(t *testing.T) {
	const chunk = 16 << 10
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := stream.FromSeq(func(yield func([]byte) bool) {
			for yield(make([]byte, chunk)) {
			}
		})
		before, marks := liveHeap(), 0
		var pipes []*call[struct{}]
		for _, mark := range []int{1 << 20, chunk, 256 << 10, 0, 2 << 20} {
			marks += mark
			q, src := stream.NewQueueOf(stream.Bytes[[]byte](mark)), r
			pipes = append(pipes, goDo(func() error { return stream.Pipe(ctx, q, src, nil) }))
			r = q
		}
		synctest.Wait() // the sink is stalled
		require.InDelta(t, before+float64(marks), liveHeap(), 128<<10)
		cancel()
		for _, p := range pipes {
			p.returns(t, context.Canceled)
		}
	})
}

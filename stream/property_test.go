package stream_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

// A random chain of operators delivers each chunk once and in order, or fails with the first error behind what came
// before it, and leaves no goroutine, whatever contexts end on the way and whoever gives up. A failure names its seed.
func TestARandomChainDeliversEachChunkOnceInOrder(t *testing.T) {
	names := slices.Sorted(maps.Keys(operators))
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		end := io.EOF
		if rnd.IntN(3) == 0 {
			end = errBoom
		}
		want := []int{}
		for v := range rnd.IntN(30) {
			want = append(want, v)
		}
		var chain []string
		for range rnd.IntN(6) {
			chain = append(chain, names[rnd.IntN(len(names))])
		}
		failing := -1 // the chunk at which an operator of the chain fails
		if rnd.IntN(3) == 0 && len(want) > 0 {
			failing = rnd.IntN(len(want))
		}
		cancelAt := -1 // the number of chunks after which the puller gives up
		if rnd.IntN(4) == 0 {
			cancelAt = rnd.IntN(len(want) + 1)
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				src := source(end, want...)
				r := stream.Map(src, func(v int) (int, error) {
					if v == failing {
						return 0, errOther
					}
					return v, nil
				})
				for _, name := range chain {
					r = operators[name](r)
				}
				got, err := pullAll(t, rnd, r, cancelAt)
				switch {
				case cancelAt >= 0 && len(got) == cancelAt:
					require.Equal(t, want[:cancelAt], got, chain)
				case failing >= 0:
					require.Equal(t, errOther, err, chain)
					require.Equal(t, want[:failing], got, chain)
				default:
					require.Equal(t, end, err, chain)
					require.Equal(t, want, got, chain)
				}
				synctest.Wait()
				require.LessOrEqual(t, len(src.causes()), 1, "cancelled once at most")
			}) // which fails if a goroutine is left
		})
	}
}

// pullAll pulls until the end, now and then with a context that ends at a random moment, and returns the end. Behind
// stop chunks it cancels.
func pullAll(t *testing.T, rnd *rand.Rand, r stream.Readable[int], stop int) (got []int, err error) {
	got = []int{}
	for len(got) != stop {
		ctx, cancel := context.WithCancelCause(t.Context())
		if rnd.IntN(3) == 0 {
			go cancel(errLeft) // ends at once; it races with the Pull
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

// What a pipeline holds is the sum of its marks, whatever the speeds: a fast source against a stalled sink.
func TestAPipelineHoldsTheSumOfItsMarks(t *testing.T) {
	for seed := range uint64(50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 2))
				ctx, cancel := context.WithCancel(t.Context())
				src := source(nil, make([]int, 1000)...)
				var r stream.Readable[int] = src
				marks := 0
				var pipes []*call[struct{}]
				for range 1 + rnd.IntN(5) {
					mark := rnd.IntN(10)
					marks += mark
					q := stream.NewQueue(stream.Count[int](mark))
					from := stream.Map(r, func(v int) (int, error) { return v, nil })
					pipes = append(pipes, goDo(func() error { return stream.Pipe(ctx, q, from, nil) }))
					r = q
				}
				synctest.Wait()
				require.Equal(t, marks, src.taken())
				cancel()
				for _, p := range pipes {
					p.returns(t, context.Canceled)
				}
			})
		})
	}
}

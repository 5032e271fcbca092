package stream_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

// capabilities returns the optional interfaces of a stream of chunks T that are of use.
func capabilities[T any](s any) string {
	var names []string
	has := func(name string, ok bool) {
		if ok {
			names = append(names, name)
		}
	}
	notifier, ok := s.(stream.Notifier)
	has("Notifier", ok && notifier.Done() != nil)
	_, ok = s.(stream.Readier)
	has("Readier", ok)
	_, ok = s.(stream.TryWriter[T])
	has("TryWriter", ok)
	_, ok = s.(stream.Failer)
	has("Failer", ok)
	_, ok = s.(stream.Flusher)
	has("Flusher", ok)
	borrower, ok := s.(stream.Borrower)
	has("Borrower", ok && borrower.Borrows())
	_, ok = s.(stream.PullerInto[T])
	has("PullerInto", ok)
	return strings.Join(names, " ")
}

// An ableSource has every capability of a Readable.
type ableSource struct{ intoSource }

func (*ableSource) Done() <-chan struct{} { return make(chan struct{}) }

// An ableSink has every capability of a Writable.
type ableSink struct{ stream.Writable[[]byte] }

func newAbleSink() ableSink { return ableSink{stream.NewQueue[[]byte](1 << 20)} }

func (s ableSink) queue() *stream.Queue[[]byte] { return s.Writable.(*stream.Queue[[]byte]) }

func (s ableSink) Done() <-chan struct{}               { return s.queue().Done() }
func (s ableSink) Ready(ctx context.Context) error     { return s.queue().Ready(ctx) }
func (s ableSink) TryWrite(v []byte) (bool, error)     { return s.queue().TryWrite(v) }
func (ableSink) Fail(context.Context, error) error     { return nil }
func (ableSink) Flush(context.Context) error           { return errBoom }
func (ableSink) Borrows() bool                         { return true }
func (s ableSink) Write(context.Context, []byte) error { return nil }

// bareSource is a Readable and no more.
type bareSource struct{ stream.Readable[[]byte] }

func borrowing() stream.Codec[[]byte, []byte] {
	return stream.Codec[[]byte, []byte]{
		Encode:  func(v []byte) ([]byte, error) { return bytes.Clone(v), nil },
		Decode:  func(v []byte) ([]byte, error) { return bytes.Clone(v), nil },
		Borrows: true,
	}
}

func TestCapabilitiesThatReadablesPassOn(t *testing.T) {
	type bytesOf = stream.Readable[[]byte]
	count := stream.Count(1)
	for name, tc := range map[string]struct {
		on   func(src bytesOf) any
		able string
		bare string
	}{
		"Map": {on: func(r bytesOf) any { return stream.Map(r, same) }, able: "Notifier"},
		"Filter": {
			on: func(r bytesOf) any {
				return stream.Filter(r, func([]byte) bool { return true })
			},
			able: "Notifier",
		},
		"Through": {
			on:   func(r bytesOf) any { return stream.Through(r, transform()) },
			able: "Notifier",
		},
		"Decode": {
			on:   func(r bytesOf) any { return stream.Decode(r, borrowing()) },
			able: "Notifier",
		},
		"Lines": {on: func(r bytesOf) any { return stream.Lines(r, 0) }, able: "Notifier"},
		"Batch": {
			on:   func(r bytesOf) any { return stream.Batch(r, count, time.Second) },
			able: "Notifier",
		},
		"BatchNow": {
			on:   func(r bytesOf) any { return stream.BatchNow(r, count) },
			able: "Notifier",
		},
		"Throttle": {
			on: func(r bytesOf) any { return stream.Throttle(r, noLimit{}) },
		},
		"Concat": {
			on:   func(r bytesOf) any { return stream.Concat(r) },
			able: "PullerInto",
		},
		"Merge": {
			on:   func(r bytesOf) any { return stream.Merge(r) },
			able: "Notifier",
			bare: "Notifier",
		},
		"Stage": {
			on:   func(r bytesOf) any { return stream.Stage(r, count, moveAll) },
			able: "Notifier",
			bare: "Notifier",
		},
		"Parallel": {
			on: func(r bytesOf) any {
				return stream.Parallel(r, 1, func(_ context.Context, v []byte) ([]byte, error) {
					return v, nil
				})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.able, capabilities[[]byte](tc.on(new(ableSource))),
				"on a source that has all")
			require.Equal(t, tc.bare, capabilities[[]byte](tc.on(bareSource{})),
				"on a source that has none")
		})
	}
}

type noLimit struct{}

func (noLimit) Wait(context.Context) error { return nil }

func transform() stream.Transform[[]byte, []byte] {
	return stream.Transform[[]byte, []byte]{Each: func(v []byte, emit func([]byte)) error {
		emit(v)
		return nil
	}}
}

func moveAll(ctx context.Context, src stream.Readable[[]byte], dst stream.Writable[[]byte]) error {
	return stream.Pipe(ctx, dst, src, nil)
}

func TestCapabilitiesThatWritablesPassOn(t *testing.T) {
	type bytesOf = stream.Writable[[]byte]
	const passed = "Notifier Readier TryWriter Failer Flusher"
	for name, tc := range map[string]struct {
		on   func(dst bytesOf) any
		able string
		bare string
	}{
		"MapWriter": {
			on:   func(w bytesOf) any { return stream.MapWriter(w, same) },
			able: passed,
			bare: "Readier Failer Flusher",
		},
		"MapWriter of a MapWriter": {
			on:   func(w bytesOf) any { return stream.MapWriter(stream.MapWriter(w, same), same) },
			able: passed,
			bare: "Readier Failer Flusher",
		},
		"Encode": {
			on: func(w bytesOf) any {
				return stream.Encode(w, stream.Codec[[]byte, []byte]{Encode: same})
			},
			able: passed,
			bare: "Readier Failer Flusher",
		},
		"Encode that borrows": {
			on:   func(w bytesOf) any { return stream.Encode(w, borrowing()) },
			able: passed + " Borrower",
			bare: "Readier Failer Flusher Borrower",
		},
		"AsWriter": {
			on:   func(w bytesOf) any { return stream.AsWriter(t.Context(), w) },
			able: passed,
			bare: "Readier Failer Flusher",
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.able, capabilities[[]byte](tc.on(newAbleSink())),
				"on a Writable that has all")
			require.Equal(t, tc.bare, capabilities[[]byte](tc.on(new(bareSink))),
				"on a Writable that has none")
			flusher := tc.on(newAbleSink()).(stream.Flusher)
			require.Equal(t, errBoom, flusher.Flush(t.Context()), "Flush reaches the Writable")
			require.NoError(t, tc.on(new(bareSink)).(stream.Flusher).Flush(t.Context()))
		})
	}
}

func TestCapabilitiesOfSourcesAndSinks(t *testing.T) {
	room := stream.NewBroadcast[[]byte](nil)
	for name, tc := range map[string]struct {
		stream any
		want   string
	}{
		"Queue":        {stream.NewQueue[[]byte](1), "Notifier Readier TryWriter Failer"},
		"From":         {stream.From([]byte("a")), "Notifier Readier TryWriter Failer"},
		"ToChan":       {stream.ToChan(make(chan []byte)), "Notifier Readier TryWriter Failer"},
		"ToWriter":     {stream.ToWriter(io.Discard), "Notifier Readier Failer Borrower"},
		"Discard":      {stream.Discard[[]byte](), "Notifier Readier TryWriter Failer Borrower"},
		"Publisher":    {room.Publisher(), "Notifier Readier TryWriter Failer"},
		"Subscription": {stream.Subscribe(room, stream.Count(1), stream.Block()), "Notifier"},
		"FromReader":   {stream.FromReader(strings.NewReader(""), 0), "PullerInto"},
		"FromChan":     {stream.FromChan(make(chan []byte)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, capabilities[[]byte](tc.stream))
		})
	}
}

// A chunk that comes through an adapter costs no allocation, where the source and the destination
// cost none.
func TestCapabilitiesKeepAPipeFreeOfAllocations(t *testing.T) {
	sink := stream.Discard[[]byte]
	for name, pipe := range map[string]func(t *testing.T, n int) error{
		"Concat": func(t *testing.T, n int) error {
			return stream.Pipe(t.Context(), sink(), stream.Concat[[]byte](&intoSource{n: n}), nil)
		},
		"Map": func(t *testing.T, n int) error {
			return stream.Pipe(t.Context(), sink(), stream.Map(steady(n), same), nil)
		},
		"Filter": func(t *testing.T, n int) error {
			return stream.Pipe(t.Context(), sink(),
				stream.Filter(steady(n), func([]byte) bool { return true }), nil)
		},
		"Decode": func(t *testing.T, n int) error {
			c := stream.Codec[[]byte, int]{
				Decode:  func(v []byte) (int, error) { return len(v), nil },
				Borrows: true,
			}
			return stream.Pipe(t.Context(), stream.Discard[int](),
				stream.Decode[[]byte](&intoSource{n: n}, c), nil)
		},
		"Encode": func(t *testing.T, n int) error {
			c := stream.Codec[int, []byte]{
				Encode:  func(v []byte) (int, error) { return len(v), nil },
				Borrows: true,
			}
			return stream.Pipe(t.Context(), stream.Encode(stream.Discard[int](), c),
				&intoSource{n: n}, nil)
		},
		"MapWriter": func(t *testing.T, n int) error {
			return stream.Pipe(t.Context(), stream.MapWriter(sink(), same), steady(n), nil)
		},
		"Publisher": func(t *testing.T, n int) error {
			room := stream.NewBroadcast[[]byte](nil)
			stream.Subscribe(room, stream.Count(1), stream.DropOldest())
			return stream.Pipe(t.Context(), room.Publisher(), steady(n), nil)
		},
		"AsReader": func(t *testing.T, n int) error {
			_, err := io.Copy(io.Discard, stream.AsReader(t.Context(), &intoSource{n: n}))
			return err
		},
		"AsWriter": func(t *testing.T, n int) error {
			w := stream.AsWriter(t.Context(), sink())
			for range n {
				if _, err := w.Write(chunk); err != nil {
					return err
				}
			}
			return w.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			allocs := func(n int) float64 {
				return testing.AllocsPerRun(10, func() {
					if err := pipe(t, n); err != nil {
						t.Fatal(err)
					}
				})
			}
			require.InDelta(t, allocs(10), allocs(10_000), 2)
		})
	}
}

var chunk = []byte("chunk")

// A steadySource gives the same chunk again and again, and has no PullInto.
type steadySource struct{ n int }

func steady(n int) stream.Readable[[]byte] { return &steadySource{n} }

func (s *steadySource) Pull(context.Context) ([]byte, error) {
	if s.n == 0 {
		return nil, io.EOF
	}
	s.n--
	return chunk, nil
}

func (*steadySource) Cancel(error) error { return nil }

func TestDecodeKeepsTheMessageOfItsError(t *testing.T) {
	var reported []string
	c := stream.Codec[[]byte, string]{
		Decode: func(v []byte) (string, error) {
			if v[0] == '!' {
				return "", errBoom
			}
			return string(v), nil
		},
		Borrows: true,
	}
	var kept [][]byte
	src := stream.FromReader(iterated("!a", "b", "!c", "d"), 8)
	got := collect(t, stream.Decode(src, c.SkipBad(func(m []byte, err error) {
		require.Equal(t, errBoom, err)
		kept = append(kept, m)
	})))
	for _, m := range kept {
		reported = append(reported, string(m))
	}
	require.Equal(t, []string{"b", "d"}, got)
	require.Equal(t, []string{"!a", "!c"}, reported)
}

// iterated returns a reader that gives a piece with each Read.
func iterated(pieces ...string) io.Reader {
	var readers []io.Reader
	for p := range slices.Values(pieces) {
		readers = append(readers, strings.NewReader(p))
	}
	return io.MultiReader(readers...)
}

// A slowLimit lets its context end in the first Wait.
type slowLimit struct{ cancel context.CancelCauseFunc }

func (l *slowLimit) Wait(ctx context.Context) error {
	if l.cancel != nil {
		l.cancel(errBoom)
		l.cancel = nil
		<-ctx.Done()
	}
	return ctx.Err()
}

// The memory that a caller gives to PullInto is its own again after an error.
func TestThrottleKeepsTheChunkButNoMemoryOfAPullThatLeaves(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	r := stream.Throttle(stream.FromReader(iterated("a", "b"), 8), &slowLimit{cancel})
	memory := make([]byte, 8)
	if into, ok := r.(stream.PullerInto[[]byte]); ok {
		v := memory[:0]
		require.Equal(t, errBoom, into.PullInto(ctx, &v))
	} else {
		_, err := r.Pull(ctx)
		require.Equal(t, errBoom, err)
	}
	copy(memory, "overwritten")
	for _, want := range []string{"a", "b"} {
		v, err := r.Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, string(v))
	}
	_, err := r.Pull(t.Context())
	require.Equal(t, io.EOF, err)
	require.NoError(t, r.Cancel(nil))
}

func TestConcatPullIntoOfSourcesWithAndWithoutIt(t *testing.T) {
	r := stream.Concat(stream.From([]byte("a")), stream.FromReader(strings.NewReader("b"), 8))
	into := r.(stream.PullerInto[[]byte])
	var v []byte
	require.NoError(t, into.PullInto(t.Context(), &v))
	require.Equal(t, "a", string(v))
	require.NoError(t, into.PullInto(t.Context(), &v))
	require.Equal(t, "b", string(v))
	require.Equal(t, io.EOF, into.PullInto(t.Context(), &v))
}

package stream_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestAllYieldsAnErrorOnceAndLast(t *testing.T) {
	var got []int
	var errs []error
	for v, err := range stream.All(t.Context(), source(errBoom, 1, 2)) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		require.Empty(t, errs)
		got = append(got, v)
	}
	require.Equal(t, []int{1, 2}, got)
	require.Equal(t, []error{errBoom}, errs)
}

func TestAllYieldsNothingMoreAtACleanEnd(t *testing.T) {
	n := 0
	for _, err := range stream.All(t.Context(), stream.From(1)) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 1, n)
}

func TestAllLeavesTheStreamAsItIsWhenTheLoopIsLeft(t *testing.T) {
	src := source(io.EOF, 1, 2, 3)
	for range stream.All(t.Context(), src) {
		break
	}
	require.Empty(t, src.cancels)
	require.Equal(t, []int{2, 3}, collect(t, src))
}

func TestCollectReturnsWhatCameBeforeAnError(t *testing.T) {
	got, err := stream.Collect(t.Context(), source(errBoom, 1, 2))
	require.Equal(t, errBoom, err)
	require.Equal(t, []int{1, 2}, got)
	got, err = stream.Collect(ended(t), stream.From(1))
	require.Equal(t, errBoom, err)
	require.Empty(t, got)
}

func TestFromSeqRunsOnlyWhenPulledAndIsStoppedByCancel(t *testing.T) {
	made, stopped := 0, false
	r := stream.FromSeq(func(yield func(int) bool) {
		defer func() { stopped = true }()
		for {
			made++
			if !yield(made) {
				return
			}
		}
	})
	require.Zero(t, made)
	require.Equal(t, 1, pull(t, r))
	require.Equal(t, 1, made)
	_, err := r.Pull(ended(t))
	require.Equal(t, errBoom, err)
	require.Equal(t, 2, pull(t, r))
	require.NoError(t, r.Cancel(nil))
	require.True(t, stopped)
	wantEnd(t, r, io.EOF)
}

func TestFromSeqEndsAsItsSequenceDoes(t *testing.T) {
	require.Equal(t, []int{1, 2}, collect(t, stream.FromSeq(slices.Values([]int{1, 2}))))
	require.NoError(t, stream.FromSeq(slices.Values([]int{1})).Cancel(nil), "one that never began")
	stopped := false
	r := stream.FromSeq2(func(yield func(int, error) bool) { stopped = yield(1, nil) && !yield(0, errBoom) })
	require.Equal(t, 1, pull(t, r))
	wantEnd(t, r, errBoom)
	require.True(t, stopped)
	r = stream.FromSeq(func(func(int) bool) { panic("boom") })
	require.PanicsWithValue(t, "boom", func() { r.Pull(t.Context()) })
	_, err := r.Pull(t.Context())
	require.Error(t, err)
	require.NoError(t, r.Cancel(nil))
}

func TestFromSeqIsStoppedAfterTheValueInTheMaking(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release, stopped := make(chan struct{}), false
		r := stream.FromSeq(func(yield func(int) bool) {
			<-release
			stopped = !yield(1) || !yield(2)
		})
		p := goPull(t.Context(), r)
		p.waits(t, "the sequence blocks")
		require.NoError(t, r.Cancel(nil))
		close(release)
		p.returns(t, io.EOF)
		synctest.Wait()
		require.True(t, stopped)
	})
}

func TestFromChanAndToChan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := make(chan int, 1)
		r, w := stream.FromChan(c), stream.ToChan(c)
		p := goPull(t.Context(), r)
		p.waits(t, "the channel is empty")
		require.NoError(t, w.Write(t.Context(), 1))
		require.Equal(t, 1, p.returns(t, nil))
		require.NoError(t, w.Write(t.Context(), 2))
		ctx, cancel := context.WithCancelCause(t.Context())
		write := goWrite(ctx, w, 3)
		write.waits(t, "the channel is full")
		closing := goDo(func() error { return w.Close(t.Context()) })
		closing.waits(t, "its turn is after the write")
		cancel(errBoom)
		write.returns(t, errBoom)
		closing.returns(t, nil)
		require.Equal(t, stream.ErrClosed, w.Write(t.Context(), 4))
		require.NoError(t, w.Close(t.Context()))
		require.Equal(t, []int{2}, collect(t, r))
	})
	bubble(t, func(t *testing.T) {
		c := make(chan int)
		w := stream.ToChan(c)
		write := goWrite(t.Context(), w, 1)
		write.waits(t, "nobody receives")
		require.NoError(t, w.Abort(errBoom))
		write.returns(t, errBoom)
		_, open := <-c
		require.False(t, open)
		require.Equal(t, errBoom, w.Write(t.Context(), 2))
		require.Equal(t, errBoom, w.Close(t.Context()))
	})
	bubble(t, func(t *testing.T) {
		c := make(chan int)
		w := stream.ToChan(c)
		require.NoError(t, w.Abort(errBoom))
		_, open := <-c
		require.False(t, open, "with no Write in progress, too")
		require.NoError(t, w.Abort(nil))
	})
	bubble(t, func(t *testing.T) {
		r := stream.FromChan[int](nil)
		p := goPull(t.Context(), r)
		p.waits(t, "a nil channel delivers nothing")
		require.NoError(t, r.Cancel(nil))
		require.NoError(t, r.Cancel(nil))
		p.returns(t, io.EOF)
		wantEnd(t, r, io.EOF)
	})
}

func TestDiscardTakesAllUntilItsEnd(t *testing.T) {
	w := stream.Discard[int]()
	require.NoError(t, w.Write(t.Context(), 1))
	require.Equal(t, errBoom, w.Write(ended(t), 1))
	require.NoError(t, w.Close(t.Context()))
	require.Equal(t, stream.ErrClosed, w.Write(t.Context(), 1))
	w = stream.Discard[int]()
	require.NoError(t, w.Abort(errBoom))
	require.Equal(t, errBoom, w.Close(t.Context()))
}

func TestFromReaderCutsBytesIntoChunks(t *testing.T) {
	text := strings.Repeat("0123456789", 10)
	for _, r := range []io.Reader{
		strings.NewReader(text),
		iotest.OneByteReader(strings.NewReader(text)),
		iotest.HalfReader(strings.NewReader(text)),
		iotest.DataErrReader(strings.NewReader(text)),
	} {
		chunks := collect(t, stream.FromReader(r, 7))
		require.Equal(t, text, string(slices.Concat(chunks...)), "each chunk is the puller's to keep")
		for _, c := range chunks {
			require.NotEmpty(t, c)
			require.LessOrEqual(t, len(c), 7)
		}
	}
}

func TestFromReaderFailsBehindTheBytesBefore(t *testing.T) {
	r := stream.FromReader(io.MultiReader(strings.NewReader("a"), iotest.ErrReader(errBoom)), 0)
	require.Equal(t, "a", string(pull(t, r)))
	wantEnd(t, r, errBoom)
	_, err := stream.FromReader(nothing{}, 0).Pull(t.Context())
	require.Equal(t, io.ErrNoProgress, err)
	_, err = stream.FromReader(liar{}, 0).Pull(t.Context())
	require.ErrorContains(t, err, "impossible count")
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

type liar struct{}

func (liar) Read(p []byte) (int, error) { return len(p) + 1, nil }

func TestFromReaderPullIntoReusesTheChunk(t *testing.T) {
	r := stream.FromReader(strings.NewReader("abcdef"), 4).(stream.PullerInto[[]byte])
	buf := make([]byte, 4)
	v := buf
	require.NoError(t, r.PullInto(t.Context(), &v))
	require.Equal(t, "abcd", string(v))
	require.Same(t, &buf[0], &v[0])
	require.NoError(t, r.PullInto(t.Context(), &v))
	require.Equal(t, "ef", string(v))
	require.Equal(t, io.EOF, r.PullInto(t.Context(), &v))
	require.Empty(t, v)
	require.Equal(t, errBoom, r.PullInto(ended(t), &v))
}

func TestFromReaderEndsABlockedReadByADeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		near, far := net.Pipe()
		r := stream.FromReader(near, 0)
		for range 3 {
			ctx, cancel := context.WithCancelCause(t.Context())
			p := goPull(ctx, r)
			p.waits(t, "nothing was written")
			cancel(errBoom)
			p.returns(t, errBoom)
		}
		p := goPull(t.Context(), r)
		p.waits(t, "nothing was written")
		_, err := far.Write([]byte("hi"))
		require.NoError(t, err)
		require.Equal(t, "hi", string(p.returns(t, nil)))
		p = goPull(t.Context(), r)
		p.waits(t, "nothing was written")
		require.NoError(t, r.Cancel(nil))
		p.returns(t, io.EOF)
		_, err = far.Write([]byte("x"))
		require.Equal(t, io.ErrClosedPipe, err, "Cancel closes")
	})
}

func TestFromReaderEndsABlockedReadByClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		r := stream.FromReader(pr, 0)
		ctx, cancel := context.WithCancelCause(t.Context())
		p := goPull(ctx, r)
		p.waits(t, "nothing was written")
		cancel(errBoom)
		p.returns(t, errBoom)
		wantEnd(t, r, errBoom)
		_, err := pw.Write([]byte("x"))
		require.Error(t, err)
	})
	bubble(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		r := stream.FromReader(pr, 0)
		p := goPull(t.Context(), r)
		p.waits(t, "nothing was written")
		require.NoError(t, r.Cancel(errOther))
		p.returns(t, io.EOF)
		_, err := pw.Write([]byte("x"))
		require.Equal(t, errOther, err, "the cause is passed on")
	})
}

func TestToWriterWritesEachChunkAndClosesInTurn(t *testing.T) {
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	w := stream.ToWriter(out)
	require.NoError(t, w.Write(t.Context(), []byte("one ")))
	require.Equal(t, errBoom, w.Write(ended(t), []byte("none ")))
	require.NoError(t, w.Write(t.Context(), []byte("two")))
	require.Empty(t, b.String())
	require.NoError(t, w.Close(t.Context()))
	require.Equal(t, "one two", b.String(), "Close flushes")
	require.Equal(t, stream.ErrClosed, w.Write(t.Context(), nil))
	require.NoError(t, w.Close(t.Context()))
}

func TestToWriterEndsWithAnErrorOfItsWriter(t *testing.T) {
	for name, c := range map[string]struct {
		w    io.Writer
		want error
	}{
		"error":       {failing{0, errBoom}, errBoom},
		"short write": {failing{1, nil}, io.ErrShortWrite},
	} {
		t.Run(name, func(t *testing.T) {
			w := stream.ToWriter(c.w)
			require.Equal(t, c.want, w.Write(t.Context(), []byte("ab")))
			require.Equal(t, c.want, w.Write(t.Context(), []byte("cd")))
			require.Equal(t, c.want, w.Close(t.Context()))
		})
	}
}

type failing struct {
	n   int
	err error
}

func (f failing) Write([]byte) (int, error) { return f.n, f.err }

func TestToWriterEndsABlockedWriteByADeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		near, far := net.Pipe()
		w := stream.ToWriter(near)
		ctx, cancel := context.WithCancelCause(t.Context())
		write := goWrite(ctx, w, []byte("none"))
		write.waits(t, "nobody reads")
		cancel(errBoom)
		write.returns(t, errBoom)

		write = goWrite(t.Context(), w, []byte("hello"))
		buf := make([]byte, 5)
		_, err := io.ReadFull(far, buf)
		require.NoError(t, err)
		write.returns(t, nil)
		require.Equal(t, "hello", string(buf), "a Write that its context ended has written nothing")

		ctx, cancel = context.WithCancelCause(t.Context())
		write = goWrite(ctx, w, []byte("cut"))
		_, err = far.Read(buf[:1])
		require.NoError(t, err)
		write.waits(t, "nobody reads")
		cancel(errBoom)
		require.ErrorIs(t, write.wait(), errBoom)
		require.ErrorContains(t, w.Write(t.Context(), nil), "cut after 1 of 3 bytes")
		require.NoError(t, w.Abort(nil))
		_, err = far.Read(buf)
		require.Equal(t, io.EOF, err, "Abort closes")
	})
}

func TestToWriterAbortEndsABlockedWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		w := stream.ToWriter(pw)
		write := goWrite(t.Context(), w, []byte("x"))
		write.waits(t, "nobody reads")
		behind := goWrite(t.Context(), w, []byte("y"))
		behind.waits(t, "its turn is after the write")
		require.NoError(t, w.Abort(errBoom))
		write.returns(t, errBoom)
		behind.returns(t, errBoom)
		_, err := pr.Read(make([]byte, 1))
		require.Equal(t, errBoom, err)
	})
}

func TestSinkIsNeverCalledConcurrently(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		w := stream.ToWriter(pw)
		first := goWrite(t.Context(), w, []byte("1"))
		first.waits(t, "nobody reads")
		second := goWrite(t.Context(), w, []byte("2"))
		second.waits(t, "its turn is after the first")
		closing := goDo(func() error { return w.Close(t.Context()) })
		closing.waits(t, "its turn is last")
		all, err := io.ReadAll(pr)
		require.NoError(t, err)
		require.Equal(t, "12", string(all))
		second.returns(t, nil)
		closing.returns(t, nil)
	})
}

func TestSinkIsNeverWrittenToAfterItsEnd(t *testing.T) {
	for name, end := range map[string]func(w stream.Writable[[]byte]) error{
		"Close": func(w stream.Writable[[]byte]) error { return w.Close(context.Background()) },
		"Abort": func(w stream.Writable[[]byte]) error { return w.Abort(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				release := make(chan struct{})
				var calls []string
				w := stream.ToWriter(writes(func(p []byte) {
					<-release
					calls = append(calls, string(p))
				}))
				first := goWrite(t.Context(), w, []byte("first"))
				first.waits(t, "the sink is stalled")
				ending := goDo(func() error { return end(w) })
				synctest.Wait()
				late := goWrite(t.Context(), w, []byte("late"))
				synctest.Wait()
				close(release)
				require.NoError(t, ending.wait())
				late.returns(t, stream.ErrClosed)
				require.Equal(t, stream.ErrClosed, w.Write(t.Context(), []byte("later")))
				require.NoError(t, w.Close(t.Context()))
				synctest.Wait()
				require.Equal(t, []string{"first"}, calls)
			})
		})
	}
}

func TestSinkIgnoresACallWhoseContextHasEnded(t *testing.T) {
	for name, w := range map[string]stream.Writable[[]byte]{
		"Discard":   stream.Discard[[]byte](),
		"ToWriter":  stream.ToWriter(io.Discard),
		"ToChan":    stream.ToChan(make(chan []byte, 1)),
		"MapWriter": stream.MapWriter(stream.NewQueue[[]byte](1), func(p []byte) ([]byte, error) { return p, nil }),
		"Publisher": stream.NewBroadcast[[]byte](nil).Publisher(),
	} {
		t.Run(name, func(t *testing.T) {
			ready := func(context.Context) error { return nil }
			r, tells := w.(interface {
				Ready(ctx context.Context) error
			})
			if tells {
				ready = r.Ready
				require.Equal(t, errBoom, ready(ended(t)))
			}
			require.Equal(t, errBoom, w.Write(ended(t), nil))
			require.Equal(t, errBoom, w.Close(ended(t)))
			require.NoError(t, ready(t.Context()))
			require.NoError(t, w.Write(t.Context(), nil))
			require.NoError(t, w.Close(t.Context()))
			require.Equal(t, stream.ErrClosed, w.Write(t.Context(), nil))
			if tells {
				require.Equal(t, stream.ErrClosed, ready(t.Context()))
			}
		})
	}
}

func TestSourceGivesNothingToAContextThatHasEnded(t *testing.T) {
	c := make(chan string, 1)
	c <- "a"
	room := stream.NewBroadcast(&stream.BroadcastOptions[string]{Replay: 1})
	require.NoError(t, room.Publish(t.Context(), "a"))
	for name, r := range map[string]stream.Readable[string]{
		"From":         stream.From("a"),
		"FromChan":     stream.FromChan(c),
		"FromSeq":      stream.FromSeq(slices.Values([]string{"a"})),
		"FromReader":   stream.Map(stream.FromReader(strings.NewReader("a"), 0), func(p []byte) (string, error) { return string(p), nil }),
		"Subscription": stream.Subscribe(room, stream.Count(1), stream.Block()),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Pull(ended(t))
			require.Equal(t, errBoom, err)
			require.Equal(t, "a", pull(t, r))
			require.NoError(t, r.Cancel(nil))
		})
	}
}

// A waiting call of an adapter, with what can end it.
type stoppable struct {
	call func(ctx context.Context) error
	stop func(cause error) error // Cancel or Abort
	far  func() error            // the other side stops
}

func reading[T any](r stream.Readable[T], far func() error) stoppable {
	return stoppable{func(ctx context.Context) error { _, err := r.Pull(ctx); return err }, r.Cancel, far}
}

func writing[T any](w stream.Writable[T], far func() error) stoppable {
	var v T
	return stoppable{func(ctx context.Context) error { return w.Write(ctx, v) }, w.Abort, far}
}

func TestAdaptersLeaveNoGoroutineBehind(t *testing.T) {
	ends := map[string]func(s stoppable, cancel context.CancelCauseFunc) error{
		"its context ends":  func(_ stoppable, cancel context.CancelCauseFunc) error { cancel(errBoom); return nil },
		"it is stopped":     func(s stoppable, _ context.CancelCauseFunc) error { return s.stop(errBoom) },
		"the far side ends": func(s stoppable, _ context.CancelCauseFunc) error { return s.far() },
	}
	for name, adapter := range map[string]func() stoppable{
		"FromReader, with deadlines": func() stoppable {
			near, far := net.Pipe()
			return reading(stream.FromReader(near, 0), far.Close)
		},
		"FromReader, with Close": func() stoppable {
			pr, pw := io.Pipe()
			return reading(stream.FromReader(pr, 0), pw.Close)
		},
		"ToWriter, with deadlines": func() stoppable {
			near, far := net.Pipe()
			return writing(stream.ToWriter(near), far.Close)
		},
		"ToWriter, with Close": func() stoppable {
			pr, pw := io.Pipe()
			return writing(stream.ToWriter(pw), pr.Close)
		},
		"FromChan": func() stoppable {
			c := make(chan int)
			return reading(stream.FromChan(c), func() error { close(c); return nil })
		},
		"ToChan": func() stoppable {
			c := make(chan int)
			return writing(stream.ToChan(c), func() error { <-c; return nil })
		},
		"AsReader": func() stoppable {
			q := stream.NewQueue[[]byte](0)
			return stoppable{func(ctx context.Context) error {
				_, err := stream.AsReader(ctx, q).Read(make([]byte, 1))
				return err
			}, q.Cancel, func() error { return q.Close(context.Background()) }}
		},
		"AsWriter": func() stoppable {
			q := stream.NewQueue[[]byte](0)
			return stoppable{func(ctx context.Context) error {
				_, err := stream.AsWriter(ctx, q).Write([]byte("x"))
				return err
			}, q.Abort, func() error { return q.Cancel(nil) }}
		},
		"FromSeq2 of All": func() stoppable {
			q := stream.NewQueue[int](0)
			return stoppable{func(ctx context.Context) error {
				r := stream.FromSeq2(stream.All(ctx, q))
				defer r.Cancel(nil)
				_, err := r.Pull(ctx)
				return err
			}, q.Cancel, func() error { return q.Close(context.Background()) }}
		},
	} {
		for why, end := range ends {
			t.Run(name+"/"+why, func(t *testing.T) {
				bubble(t, func(t *testing.T) { // which fails if a goroutine is left
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					s := adapter()
					waiting := goDo(func() error { return s.call(ctx) })
					waiting.waits(t, "the far side is idle")
					require.NoError(t, end(s, cancel))
					synctest.Wait()
					require.True(t, isClosed(waiting.done), "the call still waits")
				})
			})
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestFromSeqIsStoppedWhenItIsLeftInTheMiddle(t *testing.T) {
	stopped := false
	r := stream.FromSeq(func(yield func(int) bool) {
		defer func() { stopped = true }()
		for v := 1; yield(v); v++ {
		}
	})
	for v, err := range stream.All(t.Context(), r) {
		require.NoError(t, err)
		if v == 2 {
			break
		}
	}
	require.False(t, stopped, "leaving the loop leaves the stream")
	require.NoError(t, stream.Pipe(t.Context(), stream.Discard[int](), stream.Through(r, stream.Transform[int, int]{
		Each: func(v int, emit func(int)) error {
			if v > 3 {
				return stream.SkipAll
			}
			emit(v)
			return nil
		},
	}), nil))
	require.True(t, stopped, "by the pipe, whose transform had enough")
}

func TestAsReaderReadsChunksAsBytes(t *testing.T) {
	chunks := func() stream.Readable[[]byte] { return stream.From([]byte("ab"), nil, []byte("cde"), []byte("f")) }
	require.NoError(t, iotest.TestReader(stream.AsReader(t.Context(), chunks()), []byte("abcdef")))
	var calls []string
	n, err := io.Copy(writes(func(p []byte) { calls = append(calls, string(p)) }), stream.AsReader(t.Context(), chunks()))
	require.NoError(t, err)
	require.EqualValues(t, 6, n)
	require.Equal(t, []string{"ab", "cde", "f"}, calls, "each chunk as it is")
	_, err = io.Copy(failing{1, nil}, stream.AsReader(t.Context(), chunks()))
	require.Equal(t, io.ErrShortWrite, err)
	_, err = stream.AsReader(ended(t), chunks()).Read(make([]byte, 1))
	require.Equal(t, errBoom, err)
}

type writes func([]byte)

func (w writes) Write(p []byte) (int, error) { w(p); return len(p), nil }

func TestAsWriterWritesEachWriteAsAChunk(t *testing.T) {
	q := stream.NewQueue[[]byte](9)
	w := stream.AsWriter(t.Context(), q)
	buf := []byte("ab")
	n, err := w.Write(buf)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	buf[0] = 'x'
	_, err = w.Write(nil)
	require.NoError(t, err)
	m, err := io.Copy(w, struct{ io.Reader }{iotest.OneByteReader(strings.NewReader("cd"))})
	require.NoError(t, err)
	require.EqualValues(t, 2, m)
	require.NoError(t, w.Close())
	require.Equal(t, [][]byte{[]byte("ab"), []byte("c"), []byte("d")}, collect(t, q))
	_, err = w.Write([]byte("e"))
	require.Equal(t, stream.ErrClosed, err)
	_, err = io.Copy(w, struct{ io.Reader }{strings.NewReader("cd")})
	require.Equal(t, stream.ErrClosed, err)
	_, err = io.Copy(w, struct{ io.Reader }{iotest.ErrReader(errBoom)})
	require.Equal(t, errBoom, err)
}

func TestAsWriterCopiesNothingForABorrower(t *testing.T) {
	var b bytes.Buffer
	w := stream.AsWriter(t.Context(), stream.ToWriter(&b))
	p := []byte("abc")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b.Reset()
		_, _ = w.Write(p)
	}))
	_, err := io.Copy(w, struct{ io.Reader }{strings.NewReader("def")})
	require.NoError(t, err)
	require.Equal(t, "abcdef", b.String())
}

var number = stream.Codec[string, int]{
	Encode: func(n int) (string, error) {
		if n < 0 {
			return "", errBoom
		}
		return strconv.Itoa(n), nil
	},
	Decode: strconv.Atoi,
}

func TestDecodeEndsWithABadMessage(t *testing.T) {
	r := stream.Decode(stream.From("1", "x", "3"), number)
	require.Equal(t, 1, pull(t, r))
	_, err := r.Pull(t.Context())
	bad, ok := errors.AsType[*stream.DecodeError[string]](err)
	require.True(t, ok)
	require.Equal(t, "x", bad.Message)
	require.ErrorIs(t, err, strconv.ErrSyntax)
	require.EqualError(t, err, `stream: decode: strconv.Atoi: parsing "x": invalid syntax`)
	wantEnd(t, r, err)
}

func TestDecodeTakesNoEOFOfADecoderForAnEnd(t *testing.T) {
	empty := stream.Codec[string, int]{Decode: func(s string) (n int, err error) {
		return n, json.NewDecoder(strings.NewReader(s)).Decode(&n)
	}}
	_, err := stream.Decode(stream.From(""), empty).Pull(t.Context())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NotErrorIs(t, err, io.EOF)
}

func TestDecodeWithSkipBadDropsABadMessage(t *testing.T) {
	var bad []string
	c := number.SkipBad(func(m string, err error) {
		require.ErrorIs(t, err, strconv.ErrSyntax)
		bad = append(bad, m)
	})
	require.Equal(t, []int{1, 3}, collect(t, stream.Decode(stream.From("1", "x", "3"), c)))
	require.Equal(t, []string{"x"}, bad)
	require.Equal(t, []int{1}, collect(t, stream.Decode(stream.From("y", "1"), number.SkipBad(nil))))
}

func TestEncodeFailsTheWriteOfABadValue(t *testing.T) {
	q := stream.NewQueue[string](9)
	w := stream.Encode(q, number)
	require.Equal(t, errBoom, w.Write(t.Context(), -1))
	require.NoError(t, w.Write(t.Context(), 2))
	require.NoError(t, w.Close(t.Context()))
	require.Equal(t, []string{"2"}, collect(t, q))
	require.Equal(t, stream.ErrClosed, w.Write(t.Context(), 3))

	q = stream.NewQueue[string](9)
	require.Equal(t, errBoom, stream.Pipe(t.Context(), stream.Encode(q, number), stream.From(1, -1), nil))
	wantEnd(t, q, errBoom)
}

func TestMapWriterWritesInOrderOneAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := stream.NewQueue[int](0)
		busy := false
		w := stream.MapWriter(q, func(v int) (int, error) {
			require.False(t, busy)
			busy = true
			defer func() { busy = false }()
			if v == 2 {
				return 0, stream.Skip
			}
			return v * 10, nil
		})
		var calls []*call[struct{}]
		for v := range 4 {
			calls = append(calls, goWrite(t.Context(), w, v))
			synctest.Wait()
		}
		closing := goDo(func() error { return w.Close(t.Context()) })
		require.Equal(t, []int{0, 10, 30}, collect(t, q))
		for _, c := range calls {
			c.returns(t, nil)
		}
		closing.returns(t, nil)
		require.NoError(t, w.Abort(nil))
		require.Equal(t, errBoom, w.Write(ended(t), 1))
	})
}

func TestMapWriterNeverCallsItsFunctionConcurrently(t *testing.T) {
	bubble(t, func(t *testing.T) {
		begun, release := 0, make(chan struct{})
		w := stream.MapWriter(stream.Discard[int](), func(v int) (int, error) {
			begun++
			<-release
			return v, nil
		})
		first, second := goWrite(t.Context(), w, 1), goWrite(t.Context(), w, 2)
		first.waits(t, "the function is at work")
		require.Equal(t, 1, begun)
		close(release)
		first.returns(t, nil)
		second.returns(t, nil)
		require.Equal(t, 2, begun)
	})
}

func TestFutureSettlesOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, settle := stream.NewFuture[int]()
		_, _, settled := f.Peek()
		require.False(t, settled)
		ctx, cancel := context.WithCancelCause(t.Context())
		early := goDo(func() error { _, err := f.Wait(ctx); return err })
		early.waits(t, "it is open")
		cancel(errBoom)
		early.returns(t, errBoom)
		late := goDo(func() error { _, err := f.Wait(t.Context()); return err })
		late.waits(t, "it is open")
		require.True(t, settle(7, errOther))
		require.False(t, settle(8, nil))
		late.returns(t, errOther)
		<-f.Done()
		v, err, settled := f.Peek()
		require.Equal(t, []any{7, errOther, true}, []any{v, err, settled})
		v, err = f.Wait(t.Context())
		require.Equal(t, []any{7, errOther}, []any{v, err})
		_, err = f.Wait(ctx)
		require.Equal(t, errBoom, err, "a context that has ended comes first")
	})
}

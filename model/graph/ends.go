package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
)

// source makes the nth source of the graph.
func (b *builder) source(n int, s Source) {
	name := fmt.Sprintf("%s%d", s.Kind, n)
	items := make([]item, s.Items)
	want := make([]any, s.Items)
	for i := range items {
		items[i] = item{Src: n, N: i}
		want[i] = items[i]
	}
	failure := fmt.Errorf("failure of source %d", n)
	end := map[string]*ending{
		"eof":   {err: io.EOF},
		"error": {err: failure},
		"panic": {panicked: failure},
	}[s.End]
	var r stream.Readable[item]
	switch s.Kind {
	case "script":
		src := newScripted(items, s.Gaps)
		if end != nil {
			src.panics = end.panicked != nil
			src.end = failure
			if end.err == io.EOF {
				src.end = io.EOF
			}
		}
		if s.Fail {
			src.cancelErr = fmt.Errorf("failure of Cancel of source %d", n)
		}
		r = src
	case "from":
		r, end = stream.From(items...), &ending{err: io.EOF}
	case "seq":
		if end == nil {
			end = &ending{err: io.EOF}
		}
		r = stream.FromSeq2(sequence(items, end))
	case "chan":
		if end != nil {
			end = &ending{err: io.EOF}
		}
		r = b.channel(items, s.Gaps, end != nil)
	case "conn":
		end = &ending{err: io.EOF}
		r = stream.Decode(b.conn(items, s.Gaps), wsstream.JSON[item]())
	case "reader", "netreader":
		b.open = append(b.open, b.reader(name, s, items, failure))
		return
	}
	out := b.probe(name, r)
	out.log.many = false
	b.given(out.log, want, end)
	b.open = append(b.open, out)
}

// given is the law of a source: it delivers its chunks, and then its end.
func (b *builder) given(out *rlog, want []any, end *ending) {
	b.add(law{
		always: func() {
			out.deliveredLocked(want, false)
			out.endLocked(promise{out: want, end: end})
		},
		quiet: func() { out.deliveredLocked(want, true) },
	})
}

func sequence(items []item, end *ending) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for _, v := range items {
			if !yield(v, nil) {
				return
			}
		}
		if end.panicked != nil {
			panic(end.panicked)
		}
		if end.err != io.EOF {
			yield(item{}, end.err)
		}
	}
}

func (b *builder) channel(items []item, gaps []int, closes bool) stream.Readable[item] {
	c := make(chan item)
	b.spawn(func() {
		for i, v := range items {
			if !pause(b.ctx, gap(gaps, i), nil) {
				return
			}
			select {
			case c <- v:
			case <-b.ctx.Done():
				return
			}
		}
		if closes {
			close(c)
		}
	})
	return stream.FromChan(c)
}

// conn returns the Readable of a connection on which the items come.
func (b *builder) conn(items []item, gaps []int) stream.Readable[wsstream.Message] {
	duo := wstest.Pair(b.t, nil)
	b.spawn(func() {
		dst := stream.Encode(duo.Server.Writable(), wsstream.JSON[item]())
		for i, v := range items {
			if !pause(b.ctx, gap(gaps, i), nil) || dst.Write(b.ctx, v) != nil {
				return
			}
		}
		_ = dst.Close(b.ctx)
	})
	return duo.Client.Readable()
}

// reader makes a source of the lines of an io.Reader.
func (b *builder) reader(name string, s Source, items []item, failure error) port {
	log := b.rlog(name + " bytes")
	var lines strings.Builder
	text := func(i int) string {
		if s.Fail && i == len(items)-1 {
			return strings.TrimSuffix(line(items[i]), "\n")
		}
		return line(items[i])
	}
	for i := range items {
		lines.WriteString(text(i))
	}
	all, end := lines.String(), &ending{err: io.EOF}
	size := 1 + len(s.Gaps)*9
	var r io.Reader
	var w io.WriteCloser
	if s.Kind == "netreader" {
		r, w = net.Pipe()
	} else {
		pr, pw := io.Pipe()
		r, w = pr, pw
		if s.End == "error" {
			end.err = failure
		}
	}
	b.spawn(func() {
		for i := range items {
			if !pause(b.ctx, gap(s.Gaps, i), nil) {
				break
			}
			if _, err := io.WriteString(w, text(i)); err != nil {
				break
			}
		}
		if pw, ok := w.(*io.PipeWriter); ok && s.End == "error" {
			_ = pw.CloseWithError(failure)
			return
		}
		_ = w.Close()
	})
	b.add(law{always: func() {
		var came strings.Builder
		for _, v := range log.values {
			came.WriteString(v.(string))
			if n := len(v.(string)); n == 0 || n > size {
				b.faultLocked("%s: a chunk of %d bytes", log.name, n)
			}
		}
		got := came.String()
		if !strings.HasPrefix(all, got) {
			b.faultLocked("%s: delivers %q of %q", log.name, got, all)
		}
		// A context that ended has closed the io.Pipe.
		closed := log.end != nil && s.Kind == "reader" &&
			slices.ContainsFunc(log.pulls, func(c *call) bool {
				return c.ctx.Err() != nil && same(context.Cause(c.ctx), log.end.err)
			})
		if log.end != nil && !closed && (!endsAs(end, log.end, false) || got != all) {
			b.faultLocked("%s: ends with %v behind %d of %d bytes",
				log.name, log.end, len(got), len(all))
		}
	}})
	return b.parsed(name, log, probed(log, stream.FromReader(r, size)))
}

// sink consumes an output.
func (b *builder) sink(n int, p port, s Sink) {
	name := fmt.Sprintf("sink%d", n)
	cause := outside(name + " has enough")
	if s.Late > 0 {
		b.later(s.Late, func() { _ = p.r.Cancel(outside(name + " has left")) })
	}
	step := Step{}
	if len(s.Ctx) > 0 && s.Ctx[0] > 0 {
		step.Ctx = s.Ctx[0] * 3
	}
	switch s.Kind {
	case "pull":
		p.log.many = s.Pullers > 1
		b.pullers(p, s, cause)
	case "collect":
		b.spawn(func() {
			defer func() { _ = recover() }()
			got, err := stream.Collect(b.ctx, p.r)
			b.mu.Lock()
			defer b.mu.Unlock()
			for i, v := range got {
				if i >= len(p.log.values) || p.log.values[i] != any(v) {
					b.faultLocked("%s: Collect has %v as number %d", name, v, i)
				}
			}
			if len(got) != len(p.log.values) {
				b.faultLocked("%s: Collect has %d of %d", name, len(got), len(p.log.values))
			}
			if end := p.log.end; end != nil && end.err != io.EOF && err != end.err {
				b.faultLocked("%s: Collect fails with %v behind %v", name, err, end)
			}
		})
	case "sink":
		dst := newSink()
		dst.gaps, dst.err = s.Gaps, fmt.Errorf("%s fails", name)
		if s.Stop >= 0 {
			dst.stopAt, dst.ends, dst.stall = s.Stop, s.How == "end", s.How == "stall"
		}
		log := b.wlog(name)
		log.one = true
		var w stream.Writable[item] = dst
		if s.Pullers > 1 {
			w = notifying{dst}
		}
		b.pipe(name, step, p, p.r, wprobed(log, w), log, func(error) {}, nil)
	case "chan":
		b.chanSink(name, p, s, step)
	case "writer":
		b.writerSink(name, p, s, step)
	case "discard":
		log := b.wlog(name)
		b.pipe(name, step, p, p.r, wprobed(log, stream.Discard[item]()), log, func(error) {}, nil)
	}
}

// pullers are goroutines that pull until the end, or until they have enough.
func (b *builder) pullers(p port, s Sink, cause error) {
	var mu sync.Mutex
	taken := 0
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return s.Stop >= 0 && taken >= s.Stop
	}
	last := func() (err error) { // Pull may panic when another goroutine has got an error
		defer func() {
			if v := recover(); v != nil {
				err = errPanicked
			}
		}()
		_, err = p.r.Pull(b.ctx)
		return err
	}
	one := func(n int) (over bool) {
		defer func() {
			if v := recover(); v != nil {
				over = last() != nil
			}
		}()
		ctx, cancel := context.WithCancelCause(b.ctx)
		defer cancel(nil)
		left := fmt.Errorf("Pull %d has left", n)
		if len(s.Ctx) > 0 {
			switch wait := s.Ctx[n%len(s.Ctx)]; {
			case wait < 0 && n%2 == 0:
				cancel(left)
			case wait > 0:
				t := time.AfterFunc(time.Duration(wait)*ms, func() { cancel(left) })
				defer t.Stop()
			}
		}
		_, err := p.r.Pull(ctx)
		if err == nil {
			mu.Lock()
			taken++
			mu.Unlock()
		}
		return err != nil && (ctx.Err() == nil || !errors.Is(err, left))
	}
	for i := range max(s.Pullers, 1) {
		b.spawn(func() {
			for n := i; n < 100; n++ {
				if enough() {
					if s.How == "cancel" {
						_ = p.r.Cancel(cause)
					}
					return
				}
				if !pause(b.ctx, gap(s.Gaps, n), nil) || one(n) {
					_ = last()
					return
				}
			}
		})
	}
}

// chanSink pipes to a channel, whose reader takes its time.
func (b *builder) chanSink(name string, p port, s Sink, step Step) {
	c := make(chan item, len(s.Gaps))
	log := b.wlog(name)
	log.one = true
	var got []any
	closed := false
	b.spawn(func() {
		for i := 0; ; i++ {
			if !pause(b.ctx, gap(s.Gaps, i), nil) {
				return
			}
			select {
			case v, ok := <-c:
				b.mu.Lock()
				if !ok {
					closed = true
					b.mu.Unlock()
					return
				}
				got = append(got, v)
				b.mu.Unlock()
			case <-b.ctx.Done():
				return
			}
		}
	})
	b.add(law{quiet: func() {
		for i, v := range got {
			if i >= len(log.taken) || log.taken[i] != v {
				b.faultLocked("%s: the channel got %v of %v", name, got, log.taken)
				return
			}
		}
		if closed && len(got) != len(log.taken) {
			b.faultLocked("%s: the channel lost some of %v", name, log.taken)
		}
		if n := len(log.taken) - len(got); n > cap(c) {
			b.faultLocked("%s: %d chunks are lost", name, n)
		}
		if log.over() != nil && log.waiting() == 0 && len(c) == 0 && len(log.taken) == len(got) {
			select {
			case _, open := <-c:
				if open {
					b.faultLocked("%s: another chunk comes behind the end", name)
				}
			default:
				b.faultLocked("%s: does not close the channel", name)
			}
		}
	}})
	b.pipe(name, step, p, p.r, wprobed(log, stream.ToChan(c)), log, func(error) {}, nil)
}

// A slowWriter is an io.Writer that takes its time, and fails once.
type slowWriter struct {
	b      *builder
	name   string
	gaps   []int
	failAt int
	err    error
	closed chan struct{}
	once   sync.Once

	// Guarded by the world's mu.
	got     []any
	busy    bool
	flushed int
	cause   error
}

func (w *slowWriter) Write(p []byte) (int, error) {
	w.b.mu.Lock()
	if w.busy || w.flushed > 0 {
		w.b.faultLocked("%s: Write concurrently, or behind Flush", w.name)
	}
	w.busy = true
	n := len(w.got)
	w.b.mu.Unlock()
	ok := pause(context.Background(), gap(w.gaps, n), w.closed) && !isDone(w.closed)
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	w.busy = false
	switch {
	case !ok:
		return 0, io.ErrClosedPipe
	case n == w.failAt:
		return 0, w.err
	}
	w.got = append(w.got, string(p))
	return len(p), nil
}

func (w *slowWriter) Flush() error {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	w.flushed++
	return nil
}

func (w *slowWriter) CloseWithError(cause error) error {
	w.once.Do(func() {
		w.b.mu.Lock()
		defer w.b.mu.Unlock()
		w.cause = cause
		close(w.closed)
	})
	return nil
}

func (w *slowWriter) Close() error { return w.CloseWithError(nil) }

// writerSink pipes to an io.Writer, by way of a codec.
func (b *builder) writerSink(name string, p port, s Sink, step Step) {
	w := &slowWriter{
		b:      b,
		name:   name,
		gaps:   s.Gaps,
		failAt: s.Stop,
		err:    fmt.Errorf("%s fails", name),
		closed: make(chan struct{}),
	}
	inner, outer := b.wlog(name+" bytes"), b.wlog(name)
	inner.one, outer.one = true, true
	dst := wprobed(outer, stream.Encode(wprobed(inner, stream.ToWriter(w)), codec))
	b.mapWriter(name, outer, inner, func(v any) (any, any, error) {
		return line(v.(item)), nil, nil
	}, nil)
	b.add(law{quiet: func() {
		if !slices.Equal(w.got, inner.taken) {
			b.faultLocked("%s: the writer got %d of %d chunks", name, len(w.got), len(inner.taken))
		}
		for _, e := range inner.ends {
			if !e.ended.set() || len(inner.ends) > 1 {
				continue
			}
			switch {
			case !isDone(w.closed):
				b.faultLocked("%s: %s does not close the writer", name, e.verb)
			case e.verb == "Fail" && e.err == nil && w.cause != e.cause && inner.lastFailure() == nil:
				b.faultLocked("%s: the writer is closed with %v, not %v", name, w.cause, e.cause)
			case e.verb == "Close" && e.err == nil && w.flushed != 1:
				b.faultLocked("%s: is not flushed", name)
			}
		}
	}})
	b.pipe(name, step, p, p.r, dst, outer, func(error) {}, nil)
}

// lastFailure returns the error of a Write.
func (l *wlog) lastFailure() error {
	for _, c := range l.writes {
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

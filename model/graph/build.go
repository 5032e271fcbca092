package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsstream/wsstream/stream"
)

// A port is an output of the graph that no step has taken yet.
type port struct {
	r   stream.Readable[item]
	log *rlog
}

// A builder makes the graph of a program, and the laws of its parts.
type builder struct {
	*world
	open     []port
	wg       sync.WaitGroup  // the goroutines of the program
	start    chan struct{}   // closed when the graph is complete
	teardown []func()        // ends what no Cancel of an output ends
	ctx      context.Context // ends with the program
	t        *testing.T
}

// spawn starts a goroutine of the program, which runs f once the graph is complete.
func (b *builder) spawn(f func()) {
	b.wg.Go(func() {
		<-b.start
		f()
	})
}

// probe puts a log between r and its user.
func (b *builder) probe(name string, r stream.Readable[item]) port {
	log := b.rlog(name)
	return port{probed(log, r), log}
}

// take takes an open port.
func (b *builder) take(i int) port {
	i %= len(b.open)
	p := b.open[i]
	b.open = slices.Delete(b.open, i, i+1)
	return p
}

// A function is the function of a step. It is pure, so that the model can call it, too.
type function struct {
	n   int
	at  int
	do  string
	err error
}

func (b *builder) function(n int, s Step) function {
	return function{n, s.At, s.Do, fmt.Errorf("failure of step %d", n)}
}

// of returns what the function returns for v, or the value that it panics with.
func (f function) of(v any) (any, any, error) {
	in := v.(item)
	out := in.by(f.n)
	if in.N != f.at {
		return out, nil, nil
	}
	switch f.do {
	case "skip":
		return nil, nil, fmt.Errorf("nothing: %w", stream.Skip)
	case "skipall":
		return nil, nil, stream.SkipAll
	case "error":
		return nil, nil, f.err
	case "eof":
		return nil, nil, io.EOF
	case "panic":
		return nil, f.err, nil
	}
	return out, nil, nil
}

// call is the function as an operator calls it.
func (f function) call(v item) (out item, err error) {
	r, panicked, err := f.of(v)
	if panicked != nil {
		panic(panicked)
	}
	if err != nil {
		return out, err
	}
	return r.(item), nil
}

// logged returns f as an operator calls it, and the log of its calls.
func (b *builder) logged(f function) (func(item) (item, error), *callbacks) {
	calls := new(callbacks)
	return func(v item) (item, error) {
		defer calls.enter(b.world, v)()
		return f.call(v)
	}, calls
}

// emitting is the function of an operator that calls it for each chunk and emits the result.
func (f function) emitting(v any, emit func(any)) (any, error) {
	r, panicked, err := f.of(v)
	if err == nil && panicked == nil {
		emit(r)
	}
	return panicked, err
}

// inlineCalls is the law of the calls of an inline operator's function: one at a time, during a
// Pull, once for each chunk.
func (b *builder) inlineCalls(name string, in, out *rlog) *callbacks {
	calls := new(callbacks)
	b.add(law{quiet: func() {
		calls.eachOnceLocked(b.world, name, in, out.cancelled())
		if calls.most > 1 {
			b.faultLocked("%s: calls its function concurrently", name)
		}
	}})
	return calls
}

func (b *builder) step(n int, s Step) {
	if len(b.open) == 0 {
		return
	}
	name := fmt.Sprintf("%s%d", s.Kind, n)
	in := b.take(s.Of[0])
	src := in.r
	if s.Bare {
		src = bare[item]{src}
	}
	f := b.function(n, s)
	switch s.Kind {
	case "tee", "broadcast", "feed", "merge", "concat", "queue", "mapqueue", "codec", "gather",
		"join", "copy":
		b.junction(n, name, s, in, src, f)
	case "batch", "batchnow":
		b.batch(name, s, in, src)
	case "lines":
		b.lines(name, s, in, src)
	case "throttle":
		l := &limiter{w: b.world, wait: time.Duration(s.Wait) * ms, failAt: -1, err: f.err}
		if s.Do == "error" || s.Do == "panic" {
			l.failAt, l.panics = s.At, s.Do == "panic"
		}
		out := b.probe(name, stream.Throttle(src, l))
		b.throttle(name, in.log, out.log, l)
		b.open = append(b.open, out)
	case "parallel":
		b.open = append(b.open, b.parallelStep(name, s, in, src, f))
	case "stage":
		b.open = append(b.open, b.stageStep(name, s, in, src, f))
	default:
		b.open = append(b.open, b.inlineStep(name, s, in, src, f))
	}
}

func (b *builder) inlineStep(
	name string, s Step, in port, src stream.Readable[item], f function,
) (out port) {
	out.log = b.rlog(name)
	calls := b.inlineCalls(name, in.log, out.log)
	call := func(v item) (item, error) {
		defer calls.enter(b.world, v)()
		return f.call(v)
	}
	run := func() promise { return elementwise(in.log, f.emitting) }
	var r stream.Readable[item]
	switch s.Kind {
	case "map":
		r = stream.Map(src, call)
	case "filter":
		keep := func(v item) bool { return (v.N+v.Sub)%(s.Mark+2) != 0 }
		r = stream.Filter(src, func(v item) bool {
			defer calls.enter(b.world, v)()
			if f.do == "panic" && v.N == f.at {
				panic(f.err)
			}
			return keep(v)
		})
		run = func() promise {
			return elementwise(in.log, func(v any, emit func(any)) (any, error) {
				if f.do == "panic" && v.(item).N == f.at {
					return f.err, nil
				}
				if keep(v.(item)) {
					emit(v)
				}
				return nil, nil
			})
		}
	case "scan":
		next := func(state, v item) (item, error) {
			out, err := call(v)
			out.Tag += state.Tag
			return out, err
		}
		r = stream.Scan(src, item{}, next)
		run = func() promise {
			state := item{}
			return elementwise(in.log, func(v any, emit func(any)) (any, error) {
				return f.emitting(v, func(v any) {
					next := v.(item)
					next.Tag += state.Tag
					state = next
					emit(next)
				})
			})
		}
	case "flatmap":
		r, run = b.flatMap(s, in, src, f, calls)
	case "through":
		r, run = b.through(name, s, in, out, src, f, calls)
	}
	out.r = probed(out.log, r)
	b.inline(name, []*rlog{in.log}, out.log, run)
	return out
}

// parts are the results of one chunk that becomes several.
func (s Step) parts(v item) (all []item) {
	for i := range (v.N + s.Mark) % 4 {
		part := v
		part.Sub = part.Sub*4 + i
		all = append(all, part)
	}
	return all
}

// flatMap makes a FlatMap whose sequences have the function's error behind their first value.
func (b *builder) flatMap(
	s Step, in port, src stream.Readable[item], f function, calls *callbacks,
) (stream.Readable[item], func() promise) {
	seq := func(v item) iter.Seq2[item, error] {
		return func(yield func(item, error) bool) {
			for i, part := range s.parts(v) {
				if i == 1 {
					if out, err := f.call(v); err != nil && !yield(out, err) {
						return
					}
				}
				if !yield(part.by(f.n), nil) {
					return
				}
			}
		}
	}
	r := stream.FlatMap(src, func(v item) iter.Seq2[item, error] {
		defer calls.enter(b.world, v)()
		if v.N%5 == 4 {
			return nil
		}
		return seq(v)
	})
	run := func() promise {
		lost := 0
		p := elementwise(in.log, func(v any, emit func(any)) (any, error) {
			if v.(item).N%5 == 4 {
				return nil, nil
			}
			for i, part := range s.parts(v.(item)) {
				if i == 1 {
					_, panicked, err := f.of(v)
					if panicked != nil {
						lost = 1
						return panicked, nil
					}
					if err != nil && !errors.Is(err, stream.Skip) {
						return nil, err
					}
				}
				emit(part.by(f.n))
			}
			return nil, nil
		})
		p.out = p.out[:len(p.out)-lost] // a panic goes to the Pull that would have got it
		return p
	}
	return r, run
}

// through makes a Through that emits the parts of each chunk, and one more at the end.
func (b *builder) through(
	name string, s Step, in, out port, src stream.Readable[item], f function, calls *callbacks,
) (stream.Readable[item], func() promise) {
	last := item{Src: 100 + f.n}
	flushes, cancels := 0, 0
	note := func(n *int) {
		b.mu.Lock()
		defer b.mu.Unlock()
		*n++
	}
	r := stream.Through(src, stream.Transform[item, item]{
		Each: func(v item, emit func(item)) error {
			defer calls.enter(b.world, v)()
			for _, part := range s.parts(v) {
				emit(part.by(f.n))
			}
			_, err := f.call(v)
			return err
		},
		Flush: func(emit func(item)) error {
			note(&flushes)
			emit(last)
			return nil
		},
		Cancel: func(error) { note(&cancels) },
	})
	run := func() promise {
		lost := 0
		p := elementwise(in.log, func(v any, emit func(any)) (any, error) {
			for _, part := range s.parts(v.(item)) {
				emit(part.by(f.n))
			}
			_, panicked, err := f.of(v)
			if panicked != nil {
				lost = len(s.parts(v.(item)))
			}
			return panicked, err
		})
		p.out = p.out[:len(p.out)-lost]
		if p.end != nil && p.fail == nil && p.end.err == io.EOF {
			p.out = append(slices.Clone(p.out), last)
		}
		return p
	}
	b.add(law{quiet: func() {
		p := run()
		ended := in.log.end != nil && in.log.end.panicked == nil && p.fail == nil
		// A failure that came when a context had ended counts once the source has told it again.
		told := in.log.over() && !out.log.missed(in.log.end) || out.log.end != nil
		switch {
		case flushes > 1 || cancels > 1 || flushes+cancels > 1:
			b.faultLocked("%s: %d calls of Flush and %d of Cancel", name, flushes, cancels)
		case ended && in.log.end.err == io.EOF && flushes+cancels == 0:
			b.faultLocked("%s: does not call Flush", name)
		case ended && in.log.end.err != io.EOF && told && cancels == 0:
			b.faultLocked("%s: does not call Cancel", name)
		case out.log.cancelled() && p.fail == nil && flushes+cancels == 0:
			b.faultLocked("%s: does not call Cancel behind Cancel", name)
		case flushes > 0 && !ended:
			b.faultLocked("%s: calls Flush", name)
		case cancels > 0 && len(out.log.cancels) == 0 && !ended:
			b.faultLocked("%s: calls Cancel", name)
		}
	}})
	return r, run
}

func (b *builder) parallelStep(
	name string, s Step, in port, src stream.Readable[item], f function,
) port {
	calls := new(callbacks)
	n := max(s.Mark, 1)
	out := b.probe(name, stream.Parallel(src, n, func(ctx context.Context, v item) (item, error) {
		defer calls.enter(b.world, v)()
		if slow := time.Duration(s.Slow*(1+v.N%2)) * ms; !pause(ctx, slow, nil) {
			return item{}, fmt.Errorf("step %d stops: %w", f.n, context.Cause(ctx))
		}
		return f.call(v)
	}))
	b.parallel(name, in.log, out.log, n, f.of, calls)
	b.add(law{quiet: func() {
		if out.log.cancelled() && calls.in > 0 {
			b.faultLocked("%s: the context of its function goes on behind Cancel", name)
		}
	}})
	return out
}

func (b *builder) stageStep(
	name string, s Step, in port, src stream.Readable[item], f function,
) port {
	stop := stopping{at: -1}
	switch s.Do {
	case "skipall": // returns early
		stop.at = s.At
	case "error":
		stop = stopping{at: s.At, err: f.err}
	case "panic":
		stop = stopping{at: s.At, panicked: f.err}
	case "eof":
		stop = stopping{at: s.At, err: io.ErrUnexpectedEOF}
	}
	out := b.probe(name, stream.Stage(src, stream.Count(s.Mark),
		func(ctx context.Context, src stream.Readable[item], dst stream.Writable[item]) error {
			for n := 0; ; n++ {
				v, err := src.Pull(ctx)
				if err != nil && ctx.Err() != nil {
					return fmt.Errorf("step %d stops: %w", f.n, err)
				} else if err != nil {
					return err
				}
				switch {
				case n != stop.at:
				case stop.panicked != nil:
					panic(stop.panicked)
				case s.Do == "eof":
					return io.EOF
				default:
					return stop.err
				}
				if err := dst.Write(ctx, v); err != nil {
					return fmt.Errorf("step %d cannot write: %w", f.n, err)
				}
			}
		}))
	b.stage(name, in.log, out.log, s.Mark, stop)
	return out
}

func (b *builder) batch(name string, s Step, in port, src stream.Readable[item]) {
	log := b.rlog(name)
	law := &batches{
		w:     b.world,
		name:  name,
		in:    in.log,
		out:   log,
		limit: s.Mark,
		size:  func(any) int { return 1 },
		now:   s.Kind == "batchnow",
	}
	limit := stream.Strategy[item]{Mark: s.Mark}
	if s.Sized {
		limit.Size = item.size
		law.size = func(v any) int { return v.(item).size() }
	}
	var r stream.Readable[[]item]
	if law.now {
		r = stream.BatchNow(src, limit)
	} else {
		law.wait = time.Duration(s.Wait) * ms
		r = stream.Batch(src, limit, law.wait)
	}
	law.law()
	out := b.probe("un"+name, stream.Unbatch(probed(log, r)))
	b.inline("un"+name, []*rlog{log}, out.log, func() promise {
		var all []any
		for _, v := range log.values {
			for _, v := range v.([]item) {
				all = append(all, v)
			}
		}
		return passed(all, log.end)
	})
	b.open = append(b.open, out)
}

// line is an item as a line of text.
func line(v item) string { return fmt.Sprintf("%d %d %d %d\n", v.Src, v.N, v.Sub, v.Tag) }

func parse(s string) (v item, err error) {
	_, err = fmt.Sscanf(s, "%d %d %d %d", &v.Src, &v.N, &v.Sub, &v.Tag)
	return v, err
}

// lines makes text of the items, cuts it anywhere, and makes items of its lines.
func (b *builder) lines(name string, s Step, in port, src stream.Readable[item]) {
	cut, chunks := b.cut(name, s, in, src)
	b.open = append(b.open, b.parsed(name, cut, chunks))
}

// cut makes text of the items, and cuts it anywhere.
func (b *builder) cut(
	name string, s Step, in port, src stream.Readable[item],
) (*rlog, stream.Readable[[]byte]) {
	cut := b.rlog(name + " cut")
	each := func(v item, emit func([]byte)) {
		for part := range slices.Chunk([]byte(line(v)), 1+s.Mark*3) {
			emit(part)
		}
	}
	chunks := stream.Through(src, stream.Transform[item, []byte]{
		Each: func(v item, emit func([]byte)) error {
			each(v, emit)
			return nil
		},
	})
	b.inline(cut.name, []*rlog{in.log}, cut, func() promise {
		return elementwise(in.log, func(v any, emit func(any)) (any, error) {
			each(v.(item), func(p []byte) { emit(string(p)) })
			return nil, nil
		})
	})
	return cut, probed(cut, chunks)
}

// parsed makes items of the lines of src.
func (b *builder) parsed(name string, in *rlog, src stream.Readable[[]byte]) port {
	log := b.rlog(name + " lines")
	log.again = true // behind a last line that has no end
	lines := probed(log, stream.Lines(src, 0))
	b.inline(log.name, []*rlog{in}, log, func() promise {
		var all []any
		text := ""
		for _, v := range in.values {
			text += v.(string)
		}
		for text != "" {
			line, rest, whole := strings.Cut(text, "\n")
			if !whole && (in.end == nil || in.end.err != io.EOF || in.end.panicked != nil) {
				break
			}
			all = append(all, line)
			text = rest
		}
		return passed(all, in.end)
	})
	out := b.probe(name, stream.Map(lines, parse))
	b.inline(name, []*rlog{log}, out.log, func() promise {
		return elementwise(log, func(v any, emit func(any)) (any, error) {
			item, err := parse(v.(string))
			emit(item)
			return nil, err
		})
	})
	return out
}

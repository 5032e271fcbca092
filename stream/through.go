package stream

import (
	"context"
	"errors"
	"io"
)

// Skip drops a chunk: a function of an operator that returns it, or an error that wraps it, has nothing to give for
// its chunk, as fs.SkipDir does for a directory.
var Skip = errors.New("stream: skip this chunk")

// SkipAll drops a chunk and all that would follow: the stream ends well, and its source is cancelled, as fs.SkipAll
// does for a walk.
// Streams Standard, 6.3.4 (terminate).
var SkipAll = errors.New("stream: skip all that follows")

// A Transform turns chunks into other chunks: any number for each. Its functions are never called at once, and run
// on the puller's goroutine.
//
// Each gets a chunk and a function that emits the results; that may be called until Each returns. An error fails the
// output, behind what was emitted, and cancels the source with it. Skip goes on with the next chunk; SkipAll ends the
// output well. A bare io.EOF is not an end but an error, and becomes io.ErrUnexpectedEOF: too many functions return
// it by accident.
//
// Flush is called once when the source ends well, and may emit the rest; an error fails the output. Cancel is called
// once, instead of Flush, when the output is cancelled or the source fails. Both may be nil. Each may not.
// Streams Standard, 6.2.3.
type Transform[In, Out any] struct {
	Each   func(in In, emit func(Out)) error
	Flush  func(emit func(Out)) error
	Cancel func(cause error)
}

// Through returns what t makes of src. It pulls from src when it is pulled and has nothing left; so it holds what
// one chunk of src expands to, and no more.
//
// Cancel of the output drops what is held and cancels src with the same cause. If a function panics, the panic
// reaches the caller of Pull, src is cancelled, and later Pulls fail. A Pull whose ctx ends has consumed nothing:
// once a chunk was pulled from src its results are delivered or held. Through panics if Each is nil.
// Streams Standard, 4.2.4 (pipeThrough).
func Through[In, Out any](src Readable[In], t Transform[In, Out]) Readable[Out] {
	mustFunc(t.Each == nil, "Through")
	p := &transforming[In, Out]{src: newSource(src), t: t}
	p.emit = func(v Out) { p.out.push(v, 0) }
	r := from(p.src, p.next)
	r.drop = p.cancel
	return r
}

// transforming is the state of a Transform at work.
type transforming[In, Out any] struct {
	src  *source[In]
	t    Transform[In, Out]
	emit func(Out)
	out  ring[Out] // emitted and not pulled
	end  error     // what comes after out
	told bool      // Flush or Cancel was called, or Each has failed
}

func (p *transforming[In, Out]) next(ctx context.Context) (v Out, err error) {
	for p.out.n == 0 {
		if p.end != nil {
			return v, p.end
		}
		if err := p.step(ctx); err != nil {
			return v, err
		}
	}
	v, _ = p.out.pop()
	return v, nil
}

// step transforms one chunk, or the end. An error says that ctx ended the wait for it.
func (p *transforming[In, Out]) step(ctx context.Context) error {
	in, err := p.src.Pull(ctx)
	switch {
	case err == nil:
		err = p.t.Each(in, p.emit)
		if err != nil && !errors.Is(err, Skip) {
			p.told = true
			p.end = asFailure(err)
		}
	case err == io.EOF:
		p.told, p.end = true, io.EOF
		if p.t.Flush != nil {
			if err := p.t.Flush(p.emit); err != nil && !errors.Is(err, Skip) {
				p.end = asFailure(err)
			}
		}
	case ctx.Err() != nil:
		return err
	default:
		p.end = err
		p.cancel(err)
	}
	return nil
}

// cancel is what the output's Cancel does, and the source's failure.
func (p *transforming[In, Out]) cancel(cause error) {
	p.out.drop()
	if !p.told && p.t.Cancel != nil {
		p.told = true
		p.t.Cancel(cause)
	}
}

// asFailure is what the error of a user's function ends a stream with.
func asFailure(err error) failure {
	switch {
	case errors.Is(err, SkipAll):
		return failure{io.EOF}
	case err == io.EOF:
		return failure{io.ErrUnexpectedEOF}
	}
	return failure{err}
}

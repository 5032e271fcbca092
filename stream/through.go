package stream

import (
	"context"
	"errors"
	"io"
)

// A Transform turns each chunk into any number of other chunks. Its functions run on the goroutine
// that pulls, and never concurrently.
type Transform[In, Out any] struct {
	// Each gets a chunk, and a function that emits the results, which it may call until it returns.
	// It must not be nil.
	//
	// An error fails the output, behind what was emitted, and cancels the source with it. [Skip]
	// goes on with the next chunk. [SkipAll] ends the output well. A bare io.EOF is an error here,
	// and becomes [io.ErrUnexpectedEOF]: too many functions return it by accident.
	Each func(in In, emit func(Out)) error

	// Flush is called once when the source ends well. It may emit the rest. An error fails the
	// output. If nil, there is no rest.
	Flush func(emit func(Out)) error

	// Cancel is called once, instead of Flush, when the output is cancelled or the source fails. It
	// may be nil.
	Cancel func(cause error)
}

// Through returns a stream of the chunks that t emits for src. It pulls from src when it is pulled
// and has nothing left. So it holds at most the results of one chunk of src.
//
// Cancel of the output drops the chunks that are held, and cancels src with the same cause. If a
// function panics, the panic reaches the caller of Pull, src is cancelled, and later Pulls fail. A
// Pull whose ctx ends has consumed nothing: the results of a chunk that was pulled from src are
// delivered or held. Through panics if Each is nil.
//
// Streams Standard, 4.2.4 (pipeThrough).
func Through[In, Out any](src Readable[In], t Transform[In, Out]) Readable[Out] {
	mustFunc(t.Each == nil, "Through")
	p := &transforming[In, Out]{src: newSource(src), t: t}
	p.emit = func(v Out) { p.out.push(v, 0) }
	r := from(p.src, p.next)
	r.drop, p.cancelled = p.cancel, r.cancelled
	return r
}

// transforming is the state of a Through.
type transforming[In, Out any] struct {
	src  *source[In]
	t    Transform[In, Out]
	emit func(Out)
	out  ring[Out] // emitted and not pulled
	end  error     // comes after out
	told bool      // Flush or Cancel was called, or Each has failed

	cancelled <-chan struct{} // closed by Cancel of the output
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

// step transforms one chunk, or the end. It returns an error if ctx ended the wait for the chunk.
func (p *transforming[In, Out]) step(ctx context.Context) error {
	in, err := p.src.Pull(ctx)
	switch {
	case err == nil:
		err = p.t.Each(in, p.emit)
		if err != nil && !errors.Is(err, Skip) {
			p.told = true
			p.end = asFailure(err)
		}
	case isDone(p.cancelled): // so this may be no end of src
		return err
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

// cancel is for Cancel of the output, and for a failure of the source.
func (p *transforming[In, Out]) cancel(cause error) {
	p.out.drop()
	if !p.told && p.t.Cancel != nil {
		p.told = true
		p.t.Cancel(cause)
	}
}

package graph

import (
	"context"
	"fmt"
	"time"

	"github.com/wsstream/wsstream/stream"
)

// gather makes a Queue with several writers. Each writes the chunks of one source. The one at which
// the function of the step fails closes the Queue, while others may write.
func (b *builder) gather(name string, s Step, src stream.Readable[item], f function) {
	srcs := []stream.Readable[item]{src}
	for _, of := range s.Of[1:] {
		if len(b.open) > 0 {
			srcs = append(srcs, b.take(of).r)
		}
	}
	q, law := b.queue(name, s, f)
	law.many = true
	dst := wprobed(law.in, stream.Writable[item](q))
	out := b.probe(name, q)
	law.out = out.log
	law.law()
	left := len(srcs)
	for i, src := range srcs {
		b.spawn(func() {
			b.gathered(s, src, dst, fmt.Errorf("a Write of %s %d has left", name, i))
			b.mu.Lock()
			left--
			last := left == 0
			b.mu.Unlock()
			if last || i == s.At%len(srcs) {
				_ = dst.Close(b.ctx)
			}
		})
	}
	b.open = append(b.open, out)
}

// gathered writes the chunks of src to dst, and leaves out those whose Write takes too long.
func (b *builder) gathered(
	s Step, src stream.Readable[item], dst stream.Writable[item], left error,
) {
	defer func() {
		if v := recover(); v != nil { // of the source
			_ = src.Cancel(errAgain)
		}
	}()
	for n := 0; ; n++ {
		v, err := src.Pull(b.ctx)
		if err != nil {
			if b.ctx.Err() != nil {
				_ = src.Cancel(errTeardown)
			}
			return
		}
		err = b.write(s, n, dst, v, left)
		if err != nil && err != left {
			_ = src.Cancel(err)
			return
		}
	}
}

// write writes the nth chunk with Write, or with Ready and TryWrite.
func (b *builder) write(
	s Step, n int, dst stream.Writable[item], v item, left error,
) (err error) {
	ctx, cancel := context.WithCancelCause(b.ctx)
	defer cancel(nil)
	if wait := s.Wait + n%2; s.Wait > 0 {
		t := time.AfterFunc(time.Duration(wait)*ms, func() { cancel(left) })
		defer t.Stop()
	}
	if s.Bare || n%3 != s.Mark%3 {
		return dst.Write(ctx, v)
	}
	for written := false; err == nil && !written; {
		if err = dst.(stream.Readier).Ready(ctx); err == nil {
			written, err = dst.(stream.TryWriter[item]).TryWrite(v)
		}
	}
	return err
}

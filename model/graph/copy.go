package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/wsstream/wsstream/stream"
)

// copied copies the text of the items from an AsReader to an AsWriter, and makes items of it again.
func (b *builder) copied(name string, s Step, in port, src stream.Readable[item]) {
	cut, chunks := b.cut(name, s, in, src)
	q := stream.NewQueue[[]byte](stream.Count(s.Wait))
	queue := &queued{
		w:    b.world,
		name: name,
		in:   b.wlog(name + " in"),
		out:  b.rlog(name + " out"),
		mark: s.Wait,
		size: func(any) int { return 1 },
	}
	queue.in.one = true
	queue.law()
	law := &copying{w: b.world, name: name, src: cut, dst: queue.in}
	b.add(law.law())
	ctx, cancel := context.WithCancelCause(b.ctx)
	b.teardown = append(b.teardown, func() { cancel(errTeardown) })
	if s.Ctx > 0 {
		b.later(s.Ctx, func() { cancel(fmt.Errorf("the context of %s has ended", name)) })
	}
	b.spawn(func() {
		dst := wprobed(queue.in, stream.Writable[[]byte](q))
		w := stream.AsWriter(ctx, dst)
		err := copyText(w, stream.AsReader(ctx, chunks), s)
		law.returned(err)
		if err == nil {
			_ = w.Close()
			return
		}
		_ = w.(interface{ CloseWithError(cause error) error }).CloseWithError(err)
		_ = dst.Abort(err)
		_ = chunks.Cancel(err)
	})
	b.open = append(b.open, b.parsed(name, queue.out,
		probed(queue.out, stream.Readable[[]byte](q))))
}

// copyText copies all of r to w by one of the ways that package io has.
func copyText(w io.Writer, r io.Reader, s Step) (err error) {
	defer func() {
		if v := recover(); v != nil { // of the source
			err = errAgain
		}
	}()
	switch {
	case s.Sized:
		_, err = io.Copy(struct{ io.Writer }{w}, struct{ io.Reader }{r})
		return err
	case s.Bare:
		_, err = io.Copy(w, struct{ io.Reader }{r}) // by ReadFrom
		return err
	case s.At%2 == 0:
		_, err = io.Copy(w, r) // by WriteTo
		return err
	}
	buf := make([]byte, 1+s.At)
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf)
	return err
}

// copying is the law of a copy from an AsReader to an AsWriter.
type copying struct {
	w    *world
	name string
	src  *rlog
	dst  *wlog
	over bool // the copy has returned
	err  error
}

// text returns the bytes that came, and those that were written.
func (c *copying) text() (from, to string) {
	join := func(vs []any) string {
		var all strings.Builder
		for _, v := range vs {
			all.WriteString(v.(string))
		}
		return all.String()
	}
	return join(c.src.values), join(c.dst.taken)
}

func (c *copying) law() law {
	return law{
		always: func() {
			if from, to := c.text(); !strings.HasPrefix(from, to) {
				c.w.faultLocked("%s: copies %q as %q", c.name, from, to)
			}
		},
		quiet: func() {
			from, to := c.text()
			switch {
			case c.over && c.err != nil && len(c.dst.ends) > 0 && c.dst.ends[0].verb != "Fail":
				c.w.faultLocked("%s: %s behind %v", c.name, c.dst.ends[0].verb, c.err)
			case c.over:
			case c.src.waiting() == 0 && !c.dst.busy():
				c.w.faultLocked("%s: waits for nothing", c.name)
			case c.src.waiting() > 0 && from != to:
				c.w.faultLocked("%s: pulls, and has copied %d of %d bytes", c.name, len(to), len(from))
			}
		},
	}
}

// returned notes that the copy has ended, and checks why.
func (c *copying) returned(err error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.over, c.err = true, err
	c.w.stampLocked("%s: the copy ends with %v", c.name, err)
	from, to := c.text()
	end := c.src.end
	switch {
	case err == nil && (end == nil || end.err != io.EOF || from != to):
		c.w.faultLocked("%s: ends well behind %d of %d bytes, and the source has %v",
			c.name, len(to), len(from), end)
	case err == nil || end != nil && (end.panicked != nil || same(err, end.err) && err != io.EOF):
	case c.dst.lastFailure() != nil && errors.Is(err, c.dst.lastFailure()):
	default:
		for _, p := range c.src.pulls {
			if p.left && p.err == err {
				return
			}
		}
		c.w.faultLocked("%s: ends with %v; the source has %v", c.name, err, end)
	}
}

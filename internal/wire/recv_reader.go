package wire

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A Reader reads one message as it comes. The Conn knows it by its number alone, so that it can be
// on the stack of its caller.
type Reader struct {
	c   *Conn
	ctx context.Context // of all Reads: io.Reader has no place for one
	op  ws.OpCode
	nth uint64 // messages are numbered from 1
	n   int64  // payload bytes read; the holder of readGate owns it
	err error  // ends the Reader; the holder of readGate owns it

	closed atomic.Bool // the rest is not wanted
}

// Next waits for the start of the next message, and sets up r to read it. Until r is closed, or has
// read the message to its end, no other message can be pulled.
func (c *Conn) Next(ctx context.Context, r *Reader) error {
	if err := c.lockPull(ctx); err != nil {
		return err
	}
	defer c.unlockRead()
	for c.dropUnwanted() || len(c.recv.assembled) == 0 && !c.recv.in.toPayload() {
		if _, err := c.waitForInput(ctx, nil); err != nil {
			return err
		}
	}
	if !c.openReader() {
		return c.owner.Errors().Busy
	}
	r.c, r.ctx, r.op, r.nth = c, ctx, c.recv.in.op, c.recv.readers
	return nil
}

// openReader numbers a new Reader, unless a handler gets the messages. Of Handle and Next, which
// may be called concurrently, the second to lock mu sees the first.
func (c *Conn) openReader() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reads.handler.Load() != nil {
		return false
	}
	c.recv.readers++
	c.reads.current.Store(c.recv.readers)
	return true
}

// Op returns the message's opcode, text or binary.
func (r *Reader) Op() ws.OpCode { return r.op }

// Read reads what has come of the message, and waits if nothing has. It returns io.EOF at the end
// of the message.
func (r *Reader) Read(p []byte) (int, error) {
	c := r.c
	if err := c.lockRead(r.ctx); err != nil {
		return 0, err
	}
	ends := false
	defer r.unlock(&ends)
	for r.err == nil {
		n, whole := r.take(p)
		switch {
		case whole:
			ends = true
			r.err = io.EOF
			c.recv.received.add(r.n)
			c.hintAnswer()
			return 0, io.EOF
		case r.closed.Load():
			return 0, c.owner.Errors().Closed
		case n > 0 || len(p) == 0:
			r.n += int64(n)
			return n, nil
		}
		n, err := c.waitForInput(r.ctx, p)
		if n > 0 && !r.closed.Load() {
			r.n += int64(n)
			return n, nil
		}
		if err != nil && c.reads.final.Load() == nil {
			return 0, err // ctx has ended, and the message stays open
		}
		if err != nil {
			r.cutShort(err)
		}
	}
	return 0, r.err
}

// cutShort ends r with the end of pulls, which has come before the end of its message.
func (r *Reader) cutShort(end error) {
	if r.err = end; end == io.EOF {
		r.err = io.ErrUnexpectedEOF // the stream ended in order, this message did not
	}
	r.c.reads.current.CompareAndSwap(r.nth, 0)
}

// unlock releases readGate. If the message has come to its end it then calls the hook for that.
func (r *Reader) unlock(ends *bool) {
	c, op, n := r.c, r.op, r.n // the next holder owns r.n
	c.unlockRead()
	if *ends && c.hooks != nil && c.hooks.Whole != nil {
		c.hooks.Whole(op, n)
	}
}

// take reads what has come, and reports whether the message has come to its end.
func (r *Reader) take(p []byte) (n int, whole bool) {
	c, in := r.c, &r.c.recv.in
	for !c.dropUnwanted() && !r.closed.Load() {
		if n := r.takeAssembled(p); n >= 0 {
			return n, false
		}
		if !in.toPayload() && !c.hasPending() {
			return 0, false
		}
		if in.messageEnded() {
			if _, err := in.endMessage(); err != nil {
				c.reject(CodeBadData, err)
				return 0, false
			}
			c.reads.current.Store(0)
			return 0, true
		}
		var got []byte
		var err error
		if in.compressed {
			if got, err = c.inflate(p[:0], len(p)); err == deflate.ErrRoom {
				return len(got), false
			}
		} else {
			got, err = in.takePayload(p[:0], len(p))
		}
		if err != nil {
			c.reject(codeFor(err), err)
			return 0, false
		}
		if len(got) > 0 || in.left > 0 {
			return len(got), false
		}
	}
	return 0, false
}

// takeAssembled reads from what an earlier Pull has assembled of the message. It returns -1 if
// there is nothing of that.
func (r *Reader) takeAssembled(p []byte) (n int) {
	v := &r.c.recv
	if len(v.assembled) == 0 {
		return -1
	}
	n = copy(p, v.assembled)
	if v.assembled = v.assembled[n:]; len(v.assembled) == 0 {
		v.assembled = nil // its memory may be that of a whole message
	}
	return n
}

// Close skips the rest of the message. It never waits: what has not come yet is dropped as it
// comes.
func (r *Reader) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	c := r.c
	for nth := c.reads.skipped.Load(); nth < r.nth; nth = c.reads.skipped.Load() {
		if c.reads.skipped.CompareAndSwap(nth, r.nth) {
			break
		}
	}
	c.mu.Lock()
	if c.wait.kind == onCall {
		c.stopReadLocked() // a Read of this message
	} else {
		c.recallReadLocked() // the background reader
	}
	c.mu.Unlock()
	c.requestReader() // to skip what has come
	return nil
}

// WriteTo writes the rest of the message to w as it comes.
func (r *Reader) WriteTo(w io.Writer) (n int64, err error) {
	c := borrow(largeChunk)
	defer c.release()
	buf := c.buf[:cap(c.buf)]
	for {
		m, err := r.Read(buf)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		wrote, err := w.Write(buf[:m])
		n += int64(wrote)
		if err == nil && wrote < m {
			err = io.ErrShortWrite
		}
		if err != nil {
			return n, err
		}
	}
}

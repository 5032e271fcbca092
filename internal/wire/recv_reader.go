package wire

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A Reader reads one message as it comes. The Conn knows it by its number alone, so that it can live on the stack of
// whoever reads.
type Reader struct {
	c   *Conn
	ctx context.Context // of all Reads: io.Reader has no place for one
	op  ws.OpCode
	nth uint64 // messages are numbered from 1
	n   int64  // payload bytes read
	err error  // ends it; owned, as n, by the holder of the read gate

	closed atomic.Bool // nobody wants the rest
}

// Next waits for the start of the next message and has r read it. Until it has been read to its end or closed, no
// other message can be pulled.
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
	c.recv.readers++
	r.c, r.ctx, r.op, r.nth = c, ctx, c.recv.in.op, c.recv.readers
	c.reads.current.Store(r.nth)
	return nil
}

// Op is the message's opcode, text or binary.
func (r *Reader) Op() ws.OpCode { return r.op }

// Read reads what there is of the message, and waits if there is nothing. The end of the message is io.EOF.
func (r *Reader) Read(p []byte) (int, error) {
	c := r.c
	if err := c.lockRead(r.ctx); err != nil {
		return 0, err
	}
	ends := false
	defer r.leave(&ends)
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
			return 0, c.errs.Closed
		case n > 0 || len(p) == 0:
			r.n += int64(n)
			return n, nil
		}
		n, err := c.waitForInput(r.ctx, p)
		if n > 0 && !r.closed.Load() {
			r.n += int64(n)
			return n, nil
		}
		if err != nil {
			if c.reads.final.Load() == nil {
				return 0, err // ctx has ended, and the message stays open
			}
			if err == io.EOF {
				err = io.ErrUnexpectedEOF // the stream ended in order, this message did not
			}
			r.err = err
			c.reads.current.CompareAndSwap(r.nth, 0)
		}
	}
	return 0, r.err
}

// leave gives up the turn to read, and then tells who looks on if the message has come to its end.
func (r *Reader) leave(ends *bool) {
	c, op, n := r.c, r.op, r.n // r.n is the next holder's then
	c.unlockRead()
	if *ends && c.hooks != nil && c.hooks.Whole != nil {
		c.hooks.Whole(op, n)
	}
}

// take reads what there is, and reports whether the message has come to its end.
func (r *Reader) take(p []byte) (n int, whole bool) {
	c := r.c
	for !c.dropUnwanted() && !r.closed.Load() {
		if len(c.recv.assembled) > 0 {
			n := copy(p, c.recv.assembled)
			if c.recv.assembled = c.recv.assembled[n:]; len(c.recv.assembled) == 0 {
				c.recv.assembled = nil // its memory may be that of a whole message
			}
			return n, false
		}
		if !c.recv.in.toPayload() {
			return 0, false
		}
		if c.recv.in.messageEnded() {
			if _, err := c.recv.in.endMessage(); err != nil {
				c.reject(CodeBadData, err)
				return 0, false
			}
			c.reads.current.Store(0)
			return 0, true
		}
		var got []byte
		var err error
		if c.recv.in.compressed {
			if got, err = c.inflate(p[:0], len(p)); err == deflate.ErrRoom {
				return len(got), false
			}
		} else {
			got, err = c.recv.in.takePayload(p[:0], len(p))
		}
		if err != nil {
			c.reject(codeFor(err), err)
			return 0, false
		}
		if len(got) > 0 || c.recv.in.left > 0 {
			return len(got), false
		}
	}
	return 0, false
}

// Close skips what was not read of the message. It never waits: what has not come yet is dropped as it comes.
func (r *Reader) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	c := r.c
	for nth := c.reads.skipped.Load(); nth < r.nth && !c.reads.skipped.CompareAndSwap(nth, r.nth); nth = c.reads.skipped.Load() {
	}
	c.mu.Lock()
	if c.wait.who == onCall {
		c.stopReadWaitLocked() // a Read of this message
	} else {
		c.recallReadLocked() // the background reader
	}
	c.mu.Unlock()
	c.requestReader() // to skip it
	return nil
}

// skip drops what has come of the message that is being read, and reports whether there is more of it to come.
func (c *Conn) skipMessage() bool {
	c.recv.assembled = nil
	for c.recv.in.toPayload() {
		if c.recv.in.messageEnded() {
			c.recv.in.leaveMessage()
			c.reads.current.Store(0)
			if c.compression != nil {
				c.compression.passed = 0
			}
			return false
		}
		if !c.recv.in.compressed {
			c.recv.in.skipPayload()
		} else if err := c.skipPacked(); err != nil {
			c.rejectPacked(err)
			break
		}
		if c.recv.in.left > 0 {
			break
		}
	}
	return true
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

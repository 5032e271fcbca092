package wire

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"

	"github.com/gobwas/ws"
)

// Pull waits for the next message and appends its payload to dst[:0]. If ctx ends first it has consumed nothing:
// a message half assembled stays with the Conn, for the next Pull.
func (c *Conn) Pull(ctx context.Context, dst []byte) (op ws.OpCode, data []byte, err error) {
	dst = dst[:0]
	if err := c.lockPull(ctx); err != nil {
		return 0, dst, err
	}
	for {
		if !c.reads.dropping.Load() {
			if op, dst = c.recv.in.takePlain(dst, c.maxMessage); op != 0 {
				break
			}
		}
		if dst = c.assemble(dst); c.recv.in.messageEnded() {
			if op, err = c.recv.in.endMessage(); err == nil {
				break
			}
			c.reject(CodeBadData, err)
		}
		if err = c.inputEnd(ctx); err != nil {
			c.keepAssembled(dst)
			c.unlockRead()
			return 0, dst[:0], err
		}
		if !c.isSkipping() {
			dst = c.recv.in.growFor(dst)
			c.recv.in.aim(dst[len(dst):cap(dst)])
		}
		dst = dst[:len(dst)+c.readOnce(ctx, onCall)]
		c.noteHeld(len(dst))
	}
	c.recv.received.add(int64(len(dst)))
	c.hintAnswer()
	c.unlockRead()
	return op, dst, nil
}

// keep keeps what a Pull had assembled whose context has ended. After the end it is of no use.
func (c *Conn) keepAssembled(part []byte) {
	if c.reads.final.Load() == nil {
		c.recv.assembled = slices.Clone(part)
		c.account()
	}
}

// assemble appends to dst what there is of the message at the pull cursor, behind what an earlier Pull has left of it.
func (c *Conn) assemble(dst []byte) []byte {
	for !c.dropUnwanted() {
		if len(c.recv.assembled) > 0 {
			dst = append(dst, c.recv.assembled...)
			c.recv.assembled = nil
			c.account()
		}
		if !c.recv.in.toPayload() {
			return dst
		}
		var err error
		if c.recv.in.compressed {
			if dst, err = c.inflate(dst, c.allows(len(dst))); err != nil {
				c.rejectPacked(err)
				continue
			}
		} else if limit := c.maxMessage; limit > 0 && c.recv.in.left > int64(limit-len(dst)) {
			c.reject(CodeTooBig, fmt.Errorf("received a message of %d bytes or more; our MaxMessageSize is %d",
				uint64(len(dst))+uint64(c.recv.in.left), limit))
			continue
		} else if dst, err = c.recv.in.takePayload(dst, math.MaxInt); err != nil {
			c.reject(CodeBadData, err)
			continue
		}
		if c.recv.in.messageEnded() || c.recv.in.left > 0 {
			return dst
		}
	}
	return dst
}

// answerNow lets the answer to the message just read leave at once, if it had to be fetched and is the last there is.
func (c *Conn) hintAnswer() {
	if c.recv.fetched && !c.recv.in.ready() {
		c.answerNow.Store(true)
	}
	c.recv.fetched = false
}

// drop drops what nobody wants of the input, and reports whether there is nothing left that somebody might.
func (c *Conn) dropUnwanted() bool {
	return (c.reads.dropping.Load() || c.reads.current.Load() != 0) && c.dropUnwantedNow()
}

func (c *Conn) dropUnwantedNow() bool {
	if c.reads.dropping.Load() {
		c.recv.in.clear()
		c.recv.assembled = nil
		c.account()
		return true
	}
	if c.isSkipping() {
		defer c.account()
		return c.skipMessage()
	}
	return false
}

// reject gives up on a message that may not be delivered, and on all that follow it.
func (c *Conn) reject(code int, rule error) {
	c.reads.dropping.Store(true)
	if info, ended := c.fail(code, rule); ended {
		c.mu.Lock()
		c.end.note().verdict = c.errs.Unclean(info, rule)
		c.mu.Unlock()
	}
}

// more waits until there is more input, and returns an error if there will be none or ctx has ended. Of a long frame it
// may read payload straight into dst, and says how much.
func (c *Conn) waitForInput(ctx context.Context, dst []byte) (n int, err error) {
	if err := c.inputEnd(ctx); err != nil {
		return 0, err
	}
	c.recv.in.aim(dst)
	return c.readOnce(ctx, onCall), nil
}

// over returns an error if there will be no more input, or ctx has ended; if not, fill waits for it.
func (c *Conn) inputEnd(ctx context.Context) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	if c.recv.breached {
		c.meetBreach()
	}
	switch {
	case c.end.streams.Read.Closed():
		return c.pullEnd()
	case c.recv.eof, c.recv.peerDone:
		return c.awaitEnd(ctx)
	}
	return nil
}

// awaitEnd waits until the end is decided, since no message will come before it.
func (c *Conn) awaitEnd(ctx context.Context) error {
	c.account()
	c.mu.Lock()
	c.waitingLocked(atEnd)
	c.mu.Unlock()
	defer c.endWait(0)
	select {
	case <-c.end.streams.Read.Done():
	case <-ctx.Done():
		if !c.end.streams.Read.Closed() {
			return context.Cause(ctx)
		}
	}
	return c.pullEnd()
}

// pullEnd returns what all pulls get from here on: the end is decided, and all that came whole before it is taken. The
// rest, of which the end is missing, is dropped.
func (c *Conn) pullEnd() error {
	end := c.readEnd()
	c.reads.final.Store(&end)
	c.mu.Lock()
	over := c.end.facts().over
	c.mu.Unlock()
	if over {
		c.noMore()
	}
	c.recv.in.clear()
	c.recv.assembled = nil
	c.account()
	return end
}

// lockRead waits for the turn to read, and recalls the background reader if it has it.
func (c *Conn) lockRead(ctx context.Context) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	if c.readGate.TryLock() {
		return nil
	}
	return c.awaitRead(ctx)
}

func (c *Conn) awaitRead(ctx context.Context) error {
	c.reads.waiting.Add(1)
	c.mu.Lock()
	if c.wait.who == inBackground {
		c.recallReadLocked()
	}
	c.mu.Unlock()
	locked := c.readGate.Lock(ctx)
	if !locked && c.causeOf(ctx) == nil {
		locked = c.readGate.Lock(context.Background()) // after the end no holder waits for long
	}
	c.reads.waiting.Add(-1)
	if !locked {
		c.requestReader() // the background reader has made way for nothing
		return context.Cause(ctx)
	}
	return nil
}

// lockPull is lockRead for a new message: while one is being read there is none. It does not wait for the turn where
// that is of no use, so that calls in a loop do not keep the background reader from its work.
func (c *Conn) lockPull(ctx context.Context) error {
	if ctx.Err() != nil { // as causeOf asks, which is one call more
		if err := c.causeOf(ctx); err != nil {
			return err
		}
	}
	if end := c.reads.final.Load(); end != nil {
		return *end
	}
	if c.isReaderOpen() {
		return c.errs.Busy
	}
	if !c.readGate.TryLock() {
		if err := c.awaitRead(ctx); err != nil {
			return err
		}
	}
	if c.isReaderOpen() {
		c.unlockRead()
		return c.errs.Busy
	}
	return nil
}

// busy reports whether a message is being read, and not dropped.
func (c *Conn) isReaderOpen() bool {
	nth := c.reads.current.Load()
	return nth != 0 && nth != c.reads.skipped.Load() && !c.reads.dropping.Load()
}

// skipping reports whether nobody wants the rest of the message at the pull cursor.
func (c *Conn) isSkipping() bool {
	nth := c.reads.current.Load()
	return nth != 0 && nth == c.reads.skipped.Load()
}

// fill reads once from the transport, until ctx ends at most: into the inbox, or payload straight to where aim has said,
// of which it returns the length.
func (c *Conn) readOnce(ctx context.Context, as waiter) (landed int) {
	c.account()
	if !c.beginWait(ctx, as) {
		c.recv.in.target = nil
		return 0
	}
	var n int
	var err error
	if c.pollable != nil {
		n, err = c.pollable.read()
	} else {
		n, err = c.nc.Read(c.borrowBuffer())
	}
	poked := c.endWait(n)
	c.recv.greedy = n == c.recv.asked && c.recv.in.target == nil
	switch {
	case n == 0, c.recv.in.sealed:
	case c.recv.in.target != nil:
		if err := c.recv.in.landed(n); err != nil {
			c.reject(CodeBadData, err)
		} else {
			landed = n
		}
	default:
		c.recv.in.arrived(n)
		c.scan()
	}
	c.recv.fetched = true
	c.recv.in.target = nil
	c.returnBuffer()
	if err != nil && !(poked && isTimeout(err)) {
		c.noMore()
		c.account()
		c.inputFailed(err)
	}
	return landed
}

// noMore notes that the transport gives no more: half a header will never be whole.
func (c *Conn) noMore() {
	c.recv.eof = true
	c.recv.in.seal()
}

// room borrows the memory for a read.
func (c *Conn) borrowBuffer() (b []byte) {
	expect := smallChunk
	if c.recv.greedy || c.recv.in.skip > smallChunk {
		expect = largeChunk
	}
	switch {
	case c.recv.in.target != nil:
		b = c.recv.in.target
	case c.recv.in.sealed:
		c.recv.scratch = borrow(expect)
		b = c.recv.scratch.buf[:cap(c.recv.scratch.buf)]
	default:
		b = c.recv.in.space(expect, max(1, c.readWindow.Credit()))
	}
	c.recv.asked = len(b)
	return b
}

// unroom gives back what is not needed of it.
func (c *Conn) returnBuffer() {
	if c.recv.scratch != nil {
		c.recv.scratch.release()
		c.recv.scratch = nil
	}
	c.recv.in.trim()
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// scan looks through what has come for control frames and broken rules.
func (c *Conn) scan() {
	defer c.account()
	defer c.dropUnwanted()
	for !c.recv.in.sealed {
		ctl, err := c.recv.in.scan()
		if err != nil {
			c.recv.in.seal()
			c.noteBreach(err)
			return
		}
		switch ctl.op {
		case 0:
			return
		case ws.OpPing:
			c.pong(ctl.payload)
			c.callHook(ctl)
		case ws.OpPong:
			c.ponged(ctl.payload)
			c.callHook(ctl)
		case ws.OpClose:
			c.recv.in.seal()
			info, code, err := parseClose(ctl.payload)
			if err != nil {
				c.fail(code, err) // in its place or not, it is the peer's Close
				return
			}
			c.recv.peerDone = true
			c.peerClosed(info, c.recv.in.state.Fragmented())
		}
	}
}

// noteBreach notes a rule that the scan cursor found broken. What came before it is good, and is to be answered. So the
// breach takes effect in its place, when a pull has come to it; or else as soon as there is cause for the background
// reader, since then no call reads.
func (c *Conn) noteBreach(rule error) {
	c.recv.breached = true
	c.mu.Lock()
	c.end.note().breach = rule
	c.mu.Unlock()
}

// meetBreach has the breach take effect.
func (c *Conn) meetBreach() {
	c.recv.breached = false
	c.mu.Lock()
	rule := c.end.facts().breach
	c.mu.Unlock()
	c.fail(codeFor(rule), rule)
}

// tell calls the hook for a ping or a pong, which may ask for what was received while its own goroutine has the turn to
// read.
func (c *Conn) callHook(ctl control) {
	if c.hooks == nil {
		return
	}
	hook := c.hooks.OnPing
	if ctl.op == ws.OpPong {
		hook = c.hooks.OnPong
	}
	if hook == nil {
		return
	}
	c.mu.Lock()
	c.publishLocked()
	c.wait.inHook = true
	c.mu.Unlock()
	hook(ctl.payload)
	c.mu.Lock()
	c.wait.inHook = false
	c.mu.Unlock()
}

// account charges the read window with what is held now.
func (c *Conn) account() {
	c.recv.in.passControls()
	held := c.recv.in.held + len(c.recv.assembled)
	switch d := held - c.recv.charged; {
	case d > 0:
		c.readWindow.Force(d)
	case d < 0:
		c.readWindow.Give(-d)
	}
	c.recv.charged = held
}

// noteHeld notes that a Pull holds n bytes of a message beside the window.
func (c *Conn) noteHeld(n int) {
	if n > 0 {
		c.recv.received.most = max(c.recv.received.most, int64(c.recv.in.held+n))
	}
}

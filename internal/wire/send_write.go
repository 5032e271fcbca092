package wire

import (
	"context"

	"github.com/gobwas/ws"
)

// Write waits its turn and for credit, and is admitted; it returns when what is unsent fits the window again.
// If ctx ends before a Write is admitted, nothing of it is sent. One that was admitted is encoded whole, without
// more waiting once ctx has ended, and has succeeded.
//
// The message is compressed if compress says so and it is long enough; nothing is compressed before it is admitted.
func (c *Conn) Write(ctx context.Context, op ws.OpCode, data []byte, compress bool) error {
	p := piece{op: op, rest: data, fin: true, length: int64(len(data)), ctx: ctx}
	if compress {
		c.markCompressed(&p)
	}
	return c.write(ctx, &p)
}

// WriteReady is Write of a message that Encode has encoded as Encoding told. The frames are shared.
func (c *Conn) WriteReady(ctx context.Context, frames [][]byte, data []byte, e Encoding) error {
	p := c.readyPiece(frames, data, e)
	return c.write(ctx, &p)
}

func (c *Conn) write(ctx context.Context, p *piece) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	if c.writeDirect(p) {
		return c.fit(ctx)
	}
	if !c.writeGate.Lock(ctx) {
		return c.whyNotWritten(ctx)
	}
	defer c.endTurn(p)
	n := c.send.framer.size(p)
	if c.writeWindow.Take(ctx, n) != nil || !c.admit(p, c.compressFrame(p, n)) {
		return c.whyNotWritten(ctx)
	}
	c.remember(p)
	for !p.done() {
		n := c.send.framer.size(p)
		if c.writeWindow.Take(ctx, n) != nil {
			c.awaitDrop(ctx)
			c.writeWindow.Force(n) // nobody waits any more: the rest goes into memory
		}
		if !c.putNext(p, c.compressFrame(p, n)) {
			return c.acceptedShort(ctx, p)
		}
	}
	return c.fit(ctx)
}

// writeAtOnce writes a message of one piece if there is credit and nobody has the turn to write,
// and reports whether it did. It needs no turn itself: mu is not let go of before all of the
// message is in the outbox. A Write that has to wait for the baton takes its turn first, so that no
// later one overtakes it meanwhile.
func (c *Conn) writeDirect(p *piece) bool {
	if !c.writeGate.Free() || !c.send.framer.single(p) {
		return false
	}
	n := c.send.framer.size(p)
	if !c.writeWindow.TryTake(n) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wantsBatonLocked(p) || !c.writeGate.Free() || c.stoppedLocked() {
		c.writeWindow.Give(n)
		return false
	}
	c.putRelocks(p)
	return true
}

// fit waits until what is unsent fits the window.
func (c *Conn) fit(ctx context.Context) error {
	if c.writeWindow.Credit() < 0 {
		_ = c.writeWindow.Fit(ctx) // after an end in order, what was admitted is sent all the same
	}
	if c.failing.Load() {
		return c.whyCutShort(ctx)
	}
	return nil
}

// TryWrite writes if nobody waits to and there is credit. It never waits.
func (c *Conn) TryWrite(op ws.OpCode, data []byte, compress bool) (bool, error) {
	p := piece{op: op, rest: data, fin: true, length: int64(len(data))}
	if compress {
		c.markCompressed(&p)
	}
	return c.tryWrite(&p)
}

// TryWriteReady is TryWrite of a message that Encode has encoded as Encoding told. The frames are shared.
func (c *Conn) TryWriteReady(frames [][]byte, data []byte, e Encoding) (bool, error) {
	p := c.readyPiece(frames, data, e)
	return c.tryWrite(&p)
}

func (c *Conn) tryWrite(p *piece) (bool, error) {
	if c.writeDirect(p) {
		return true, nil
	}
	if err := c.writeEnd(); err != nil {
		return false, err
	}
	if !c.writeGate.TryLock() {
		return false, nil
	}
	defer c.endTurn(p)
	n := c.send.framer.size(p)
	if !c.writeWindow.TryTake(n) || !c.admit(p, c.compressFrame(p, n)) {
		return false, c.writeEnd()
	}
	c.remember(p)
	for !p.done() {
		n := c.send.framer.size(p)
		c.writeWindow.Force(n)
		if !c.putNext(p, c.compressFrame(p, n)) {
			return false, c.writeEnd()
		}
	}
	return true, nil
}

// admit encodes the first piece of a message, for which n bytes of credit were taken. It reports false, and
// gives them back, if no message may follow.
func (c *Conn) admit(p *piece, n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.takeBatonRelocks(p)
	if c.stoppedLocked() {
		c.writeWindow.Give(n)
		c.startFlusherLocked()
		return false
	}
	c.putRelocks(p)
	return true
}

// putNext encodes the next piece of a message that was admitted. A close in order waits for it; it reports false
// when there is no use in going on.
func (c *Conn) putNext(p *piece, n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.end.facts(); e.over || e.leaving || e.stuck != nil || e.aborted && !c.send.out.insideFrame() {
		c.writeWindow.Give(n)
		c.send.encoding = false
		c.notifyLocked()
		c.flushClose()
		return false
	}
	c.putRelocks(p)
	return true
}

// awaitDrop waits, after Abort, until what has begun to leave has left: what is still to come of a long frame need
// not be held. The end of ctx ends the wait.
func (c *Conn) awaitDrop(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.end.facts().aborted && c.send.out.insideFrame() && c.send.out.head != nil && c.end.facts().stuck == nil && !c.end.facts().over && ctx.Err() == nil {
		c.awaitMoveRelocks(ctx)
	}
}

// awaitMove waits until the outbox moves on, or ctx ends. It expects mu to be held, and lets go of it meanwhile.
func (c *Conn) awaitMoveRelocks(ctx context.Context) {
	if c.send.moved == nil {
		c.send.moved = make(chan struct{})
	}
	moved := c.send.moved
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-moved:
	case <-ctx.Done():
	}
}

// put puts the next frame of p into the outbox, or more of them, and has them sent. It expects mu to be held.
func (c *Conn) putRelocks(p *piece) {
	if c.lends(p) && !c.send.baton {
		c.sendLentRelocks(p)
		return
	}
	c.send.out.encode(&c.send.framer, p)
	c.encodedLocked(p)
	c.flushClose()
}

// encoded notes that a frame of p, or a piece of one, is in the outbox.
func (c *Conn) encodedLocked(p *piece) {
	if c.send.encoding = !p.done(); !c.send.encoding {
		c.send.writes++
		if p.fin {
			c.send.total.add(p.length)
		}
	}
}

// stopped reports whether no more messages may be sent. It expects mu to be held.
func (c *Conn) stoppedLocked() bool {
	return c.end.facts().decided || c.end.facts().leaving || c.end.facts().stuck != nil || c.end.facts().over
}

// notWritten returns why nothing was written: the writable has ended, or ctx. Where what is going on decides the
// writable's end, it waits for that.
func (c *Conn) whyNotWritten(ctx context.Context) error {
	if c.end.streams.Write.Closed() {
		return c.writeEnd()
	}
	select {
	case <-c.end.streams.Write.Done():
	case <-ctx.Done():
		if !c.end.streams.Write.Closed() {
			return context.Cause(ctx)
		}
	}
	return c.writeEnd()
}

// cutShort returns what ended the writable under a Write that was admitted. The end of ctx makes it a success:
// the message was accepted, and Closed tells that it was not sent.
func (c *Conn) whyCutShort(ctx context.Context) error {
	_ = c.whyNotWritten(ctx)
	return c.writeEnd() // nil if ctx ended first
}

// acceptedShort is cutShort for a message of which not all is encoded: where it was accepted, Stats counts it.
func (c *Conn) acceptedShort(ctx context.Context, p *piece) error {
	err := c.whyCutShort(ctx)
	if err == nil {
		c.mu.Lock()
		c.send.total.add(p.length)
		c.mu.Unlock()
	}
	return err
}

// Ready waits its turn until there is credit to write.
func (c *Conn) Ready(ctx context.Context) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	if !c.writeGate.Lock(ctx) {
		return c.whyNotWritten(ctx)
	}
	defer c.unlockWrite()
	if c.writeWindow.Ready(ctx) != nil {
		return c.whyNotWritten(ctx)
	}
	c.mu.Lock()
	stopped := c.stoppedLocked()
	c.mu.Unlock()
	if stopped {
		return c.whyNotWritten(ctx)
	}
	return nil
}

// Credit is what may be written before the window is full, in bytes on the wire; 0 after the end.
func (c *Conn) Credit() int {
	if c.writeEnd() != nil {
		return 0
	}
	return c.writeWindow.Credit()
}

// Flush waits until the transport has taken all that was accepted before.
func (c *Conn) Flush(ctx context.Context) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	open, nth, upTo := c.send.encoding, c.send.writes, c.send.out.queued
	for c.causeOf(ctx) == nil {
		if open && (!c.send.encoding || c.send.writes != nth) {
			open, upTo = false, c.send.out.queued
		}
		if !open && c.send.out.taken >= upTo {
			c.mu.Unlock()
			return nil
		}
		if c.end.facts().over || c.end.facts().stuck != nil || c.end.facts().aborted {
			break
		}
		c.awaitMoveRelocks(ctx)
	}
	c.mu.Unlock()
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	return c.whyNotWritten(ctx)
}

// notify wakes those who wait for the outbox to move on. It expects mu to be held.
func (c *Conn) notifyLocked() {
	if c.send.moved != nil {
		close(c.send.moved)
		c.send.moved = nil
	}
}

// CloseWrite takes its turn behind the writes that wait, closes in order with info, and waits for the end. From the turn
// on writes fail with cause. It returns nil where pulls end with io.EOF, and the end of the writable if an Abort or
// another CloseWrite has decided that before.
func (c *Conn) CloseWrite(ctx context.Context, info CloseInfo, cause error) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	mine := false
	if c.writeGate.Lock(ctx) {
		mine = c.closeWrite(info, cause)
		c.unlockWrite()
	} else if c.writeEnd() == nil {
		return context.Cause(ctx)
	}
	if dropped, err := c.writeDropped(); dropped {
		return err
	}
	select {
	case <-c.end.done.Done():
	case <-ctx.Done():
		if !c.end.done.Closed() {
			return context.Cause(ctx)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.end.facts(); e.failed && !mine {
		return e.write
	}
	return c.lastErrorLocked()
}

// closeWrite closes in order, and reports whether that has ended the writable.
func (c *Conn) closeWrite(info CloseInfo, cause error) (mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.end.facts().write
	c.endInOrderLocked(cause)
	if mine = before == nil && c.end.facts().write != nil; mine && cause != c.errs.Closed {
		c.end.facts().failed = true
	}
	c.closeRelocks(info, byProgram)
	return mine
}

// writeDropped reports whether Abort dropped what was accepted, so that it is no use to wait how the connection ends,
// and returns the writable's end.
func (c *Conn) writeDropped() (dropped bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end.facts().aborted && c.end.facts().broken == nil && !c.end.facts().failed, c.end.facts().write
}

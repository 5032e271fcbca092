package wire

import (
	"context"

	"github.com/gobwas/ws"
)

// Write waits for the turn to write and for credit. Then the message is admitted: it is encoded
// whole, without more waiting once ctx has ended. Write returns when what is unsent fits the window
// again. If ctx ends before the message is admitted, nothing of it is sent. If ctx ends later,
// Write has succeeded.
//
// If compress is set, and the message is long enough, it is compressed. Nothing is compressed
// before the message is admitted.
func (c *Conn) Write(ctx context.Context, op ws.OpCode, data []byte, compress bool) error {
	p := piece{op: op, rest: data, fin: true, length: int64(len(data))}
	if compress {
		c.markCompressed(&p)
	}
	return c.write(ctx, &p)
}

// WriteReady is Write of a message that Encode has encoded for an Encoding of this Conn. The frames
// are shared, and never changed.
func (c *Conn) WriteReady(ctx context.Context, frames [][]byte, data []byte, e Encoding) error {
	p := c.readyPiece(frames, data, e)
	return c.write(ctx, &p)
}

func (c *Conn) write(ctx context.Context, p *piece) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	p.ctx = ctx
	if c.writeDirect(p) {
		return c.fit(ctx)
	}
	if !c.writeGate.LockUntil(ctx, &c.end.streams.Write) {
		return c.whyNotWritten(ctx)
	}
	defer c.endTurn(p)
	n := c.send.framer.size(p)
	if c.writeWindow.Take(ctx, n) != nil {
		return c.whyNotWritten(ctx)
	}
	switch admitted, whole := c.encodeAll(p, n); {
	case !admitted:
		return c.whyNotWritten(ctx)
	case !whole:
		return c.acceptedShort(ctx, p)
	}
	return c.fit(ctx)
}

// TryWrite writes if no call waits to write and there is credit. It never waits.
func (c *Conn) TryWrite(op ws.OpCode, data []byte, compress bool) (bool, error) {
	p := piece{op: op, rest: data, fin: true, length: int64(len(data))}
	if compress {
		c.markCompressed(&p)
	}
	return c.tryWrite(&p)
}

// TryWriteReady is TryWrite of a message that Encode has encoded for an Encoding of this Conn. The
// frames are shared, and never changed.
func (c *Conn) TryWriteReady(frames [][]byte, data []byte, e Encoding) (bool, error) {
	p := c.readyPiece(frames, data, e)
	return c.tryWrite(&p)
}

func (c *Conn) tryWrite(p *piece) (bool, error) {
	p.tried = true
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
	if !c.writeWindow.TryTake(n) {
		return false, c.writeEnd()
	}
	if _, whole := c.encodeAll(p, n); !whole {
		return false, c.writeEnd()
	}
	return true, nil
}

// writeDirect writes a message of one step, if there is credit and no goroutine has the turn to
// write. It reports whether it did. It needs no turn: it keeps mu locked until all of the message
// is in the outbox. A Write that has to wait for the baton takes its turn first, so that no later
// one overtakes it meanwhile.
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
	c.enqueueRelocks(p)
	return true
}

// encodeAll encodes all of p, for whose first step n bytes of credit were taken. writeGate must be
// held. It reports whether p was admitted, and whether all of it is in the outbox.
func (c *Conn) encodeAll(p *piece, n int) (admitted, whole bool) {
	if !c.admit(p, c.compressFrame(p, n)) {
		return false, false
	}
	c.remember(p)
	for !p.done() {
		n := c.send.framer.size(p)
		if p.ctx == nil {
			c.writeWindow.Force(n)
		} else if c.writeWindow.Take(p.ctx, n) != nil {
			c.awaitDrop(p.ctx)
			c.writeWindow.Force(n) // the rest goes into memory, without waiting
		}
		if !c.encodeNext(p, c.compressFrame(p, n)) {
			return true, false
		}
	}
	return true, true
}

// admit encodes the first step of a message, for which n bytes of credit were taken. If no message
// may be sent any more, it gives the credit back and reports false.
func (c *Conn) admit(p *piece, n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.takeBatonRelocks(p)
	if c.stoppedLocked() {
		c.writeWindow.Give(n)
		c.startFlusherLocked()
		return false
	}
	c.enqueueRelocks(p)
	return true
}

// encodeNext encodes the next step of a message that was admitted. A close in order waits for it.
// It reports false if the rest of the message is dropped.
func (c *Conn) encodeNext(p *piece, n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.end.facts()
	if e.over || e.leaving || e.stuck != nil || e.aborted && !c.send.out.insideFrame() {
		c.writeWindow.Give(n)
		c.send.encoding = false
		c.notifyLocked()
		c.queueCloseLocked()
		c.sendRelocks()
		return false
	}
	c.enqueueRelocks(p)
	return true
}

// awaitDrop waits, after Abort, until the frame that has begun has left: the rest of it need not be
// held. The end of ctx ends the wait.
func (c *Conn) awaitDrop(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		e, out := c.end.facts(), &c.send.out
		if !e.aborted || e.stuck != nil || e.over || ctx.Err() != nil ||
			!out.insideFrame() || out.head == nil {
			return
		}
		c.awaitMoveRelocks(ctx)
	}
}

// enqueueRelocks puts the next frame of p, or more of them, into the outbox, and sends them or
// makes sure that they leave.
func (c *Conn) enqueueRelocks(p *piece) {
	if c.lends(p) && !c.send.baton {
		c.sendLentRelocks(p)
		return
	}
	c.send.out.encode(&c.send.framer, p)
	c.encodedLocked(p)
	c.queueCloseLocked()
	if p.tried {
		c.sendTriedRelocks()
	} else {
		c.sendRelocks()
	}
}

// encodedLocked notes that a frame of p, or a step of one, is in the outbox.
func (c *Conn) encodedLocked(p *piece) {
	if c.send.encoding = !p.done(); !c.send.encoding {
		c.send.writes++
		if p.fin {
			c.send.total.add(p.length)
		}
	}
}

// stoppedLocked reports whether no more messages may be sent.
func (c *Conn) stoppedLocked() bool {
	e := c.end.facts()
	return e.decided || e.leaving || e.stuck != nil || e.over
}

// fit waits until what is unsent fits the window.
func (c *Conn) fit(ctx context.Context) error {
	if c.writeWindow.Credit() < 0 {
		_ = c.writeWindow.Fit(ctx) // after an end in order, what was admitted is still sent
	}
	if c.flags.has(isFailing) {
		return c.whyCutShort(ctx)
	}
	return nil
}

// whyNotWritten returns why a call has written nothing: the writable has ended, or ctx has. If the
// writable's end is being decided, it waits for that.
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

// whyCutShort returns the end of the writable that has cut an admitted Write short. It returns nil
// if ctx ends first: the message was accepted, and Closed tells that it was not sent.
func (c *Conn) whyCutShort(ctx context.Context) error {
	_ = c.whyNotWritten(ctx)
	return c.writeEnd()
}

// acceptedShort is whyCutShort for a message that is not encoded whole. Stats count it if it was
// accepted.
func (c *Conn) acceptedShort(ctx context.Context, p *piece) error {
	err := c.whyCutShort(ctx)
	if err == nil {
		c.mu.Lock()
		c.send.total.add(p.length)
		c.mu.Unlock()
	}
	return err
}

// Ready waits for the turn to write, and until there is credit.
func (c *Conn) Ready(ctx context.Context) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	if !c.writeGate.LockUntil(ctx, &c.end.streams.Write) {
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

// Credit returns how many bytes on the wire may be written before the window is full; 0 after the
// end.
func (c *Conn) Credit() int {
	if c.writeEnd() != nil {
		return 0
	}
	return c.writeWindow.Credit()
}

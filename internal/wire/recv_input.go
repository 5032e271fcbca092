package wire

import (
	"context"
	"io"
)

// waitForInput reads once from the transport. It returns an error if no more input comes or ctx has
// ended. It may read payload of a long frame straight into dst, and returns how many bytes.
func (c *Conn) waitForInput(ctx context.Context, dst []byte) (landed int, err error) {
	if err := c.inputEnd(ctx, onCall); err != nil {
		return 0, err
	}
	return c.readOnce(ctx, onCall, c.recv.in.directTarget(dst)), nil
}

// inputEnd returns an error if no more input comes, or ctx has ended. If it returns nil, the caller
// may read. It waits for the end of the connection if that is all that can follow. For the message
// handler it returns errLater then, and errTurn if a call waits for readGate.
func (c *Conn) inputEnd(ctx context.Context, as waiter) error {
	if err := c.causeOf(ctx); err != nil {
		return err
	}
	if c.recv.breached {
		c.meetBreach()
	}
	switch {
	case c.end.streams.Read.Closed():
		return c.pullEnd()
	case as == onCall && c.reads.handler.Load() != nil:
		return c.owner.Errors().Busy
	case as == onCall && (c.recv.eof || c.recv.peerDone):
		return c.awaitEnd(ctx)
	case c.recv.eof, c.recv.peerDone:
		return errLater
	case as != onCall && c.reads.waiting.Load() > 0:
		return errTurn
	}
	return nil
}

// awaitEnd waits until the end is decided. Its caller knows that no message comes before the end.
func (c *Conn) awaitEnd(ctx context.Context) error {
	c.account()
	c.mu.Lock()
	c.waitsLocked(atEnd)
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

// pullEnd returns the final error of all pulls. Before a call, the end is decided, and all whole
// messages before it are pulled. pullEnd drops the start of a message that never ends.
func (c *Conn) pullEnd() error {
	end := c.readEnd()
	c.reads.final.Store(&end)
	c.mu.Lock()
	over := c.end.facts().over
	c.mu.Unlock()
	if over {
		c.noMoreInput()
	}
	c.recv.in.clear()
	c.recv.assembled = nil
	c.account()
	return end
}

// readOnce reads once from the transport, until ctx ends at most: payload straight into dst, if
// that is not nil, or else into the inbox. It returns how many bytes are in dst. readGate must be
// held. The end of the input is noted, and inputEnd returns it. If as is inPoller, it reads what
// there is, without waiting, and notes whether there is more.
func (c *Conn) readOnce(ctx context.Context, as waiter, dst []byte) (landed int) {
	c.account()
	c.recv.drained = false
	if !c.beginWait(ctx, as) {
		return 0
	}
	var n int
	var err error
	switch {
	case c.watchable != nil:
		n, err = c.watchable.read(dst, as != inPoller)
	case dst != nil:
		n, err = c.nc.Read(dst)
	default:
		n, err = c.nc.Read(c.recv.borrowBuffer())
	}
	recalled := c.endWait(n)
	switch {
	case n > 0:
		c.wait.empties = 0
	case err == nil && !recalled && as != inPoller:
		if c.wait.empties++; c.wait.empties == maxEmptyReads {
			err = io.ErrNoProgress
		}
	}
	if as == inPoller {
		room := len(dst)
		if dst == nil {
			room = int(c.recv.asked)
		}
		c.recv.drained = n == 0 || n < room && c.watchable.takesAll() &&
			!c.flags.has(isHungUp)
	}
	landed = c.takeInput(n, dst)
	c.recv.returnBuffer()
	if err != nil && !(recalled && isTimeout(err)) {
		c.noMoreInput()
		c.account()
		c.inputFailed(err)
	}
	return landed
}

// takeInput notes that a read has brought n bytes, into dst if that is not nil. It returns how many
// of them are good payload in dst.
func (c *Conn) takeInput(n int, dst []byte) (landed int) {
	r := &c.recv
	r.fetched = true
	r.greedy = dst == nil && n == int(r.asked)
	switch {
	case n == 0, r.in.sealed:
		return 0
	case dst == nil:
		r.in.arrived(n)
		c.scan()
		return 0
	}
	if err := r.in.landed(dst[:n]); err != nil {
		c.reject(CodeBadData, err)
		return 0
	}
	return n
}

// hintAnswer tells the next Write to send immediately, if the message just read needed a read and
// nothing else has come. That Write is probably its answer.
func (c *Conn) hintAnswer() {
	if c.recv.fetched && !c.recv.in.hasScanned() {
		c.flags.set(answersNow)
	}
	c.recv.fetched = false
}

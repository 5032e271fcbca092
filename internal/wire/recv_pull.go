package wire

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gobwas/ws"
)

// Pull waits for the next message and appends its payload to dst[:0]. If ctx ends first, nothing is
// lost: what was assembled of a message stays with the Conn, for the next Pull.
func (c *Conn) Pull(ctx context.Context, dst []byte) (op ws.OpCode, data []byte, err error) {
	return c.pull(ctx, onCall, dst) // inlined: a waiting goroutine needs no frame for it
}

// pull is Pull if as is onCall. Otherwise it is for the message handler: readGate is locked, and
// pull releases it. It owns dst then, and returns errLater or errTurn instead of waiting without a
// reason.
func (c *Conn) pull(
	ctx context.Context, as waiter, dst []byte,
) (op ws.OpCode, data []byte, err error) {
	dst = dst[:0]
	callers := dst
	if as == onCall {
		if err := c.lockPull(ctx); err != nil {
			return 0, dst, err
		}
	}
	in := &c.recv.in
	for {
		if !c.flags.has(isDropping) {
			if op, dst = in.takePlain(dst, c.maxMessage); op != 0 {
				break
			}
		}
		if dst = c.assemble(dst); in.messageEnded() {
			if op, err = in.endMessage(); err == nil {
				break
			}
			c.reject(CodeBadData, err)
		}
		if in.sealed || c.flags.has(isDropping) {
			c.compression.returnScratch(dst)
			dst = callers // the message never ends: it is not held until the peer has answered
		}
		err = c.inputEnd(ctx, as)
		if err == nil && as == inPoller && c.recv.drained {
			if as = inHandler; c.rest() { // else the poller cannot watch the socket
				err = errLater
			}
		}
		if err == errLater || err == errTurn {
			return 0, c.pauseHandler(dst), err
		}
		if err != nil {
			c.keepAssembled(dst)
			if c.compression.returnScratch(dst) {
				dst = callers
			}
			c.unlockRead()
			return 0, dst[:0], err
		}
		var target []byte
		if in.left >= directRead && !c.isSkipping() {
			dst, target = in.room(dst)
		}
		dst = dst[:len(dst)+c.readOnce(ctx, as, target)]
		c.noteHeld(len(dst))
	}
	c.recv.received.add(int64(len(dst)))
	if c.compression.borrows() {
		dst = c.compression.copied(callers, dst)
	}
	c.hintAnswer()
	c.unlockRead()
	return op, dst, nil
}

// keepAssembled keeps what a cancelled Pull has assembled, unless pulls have ended.
func (c *Conn) keepAssembled(data []byte) {
	if c.reads.final.Load() == nil {
		c.recv.assembled = slices.Clone(data)
		c.account()
	}
}

// assemble appends to dst what has come of the message at the pull cursor, behind what an earlier
// Pull has kept of it.
func (c *Conn) assemble(dst []byte) []byte {
	in := &c.recv.in
	for !c.dropUnwanted() {
		if kept := c.recv.assembled; len(kept) > 0 {
			if len(dst) == 0 && cap(dst) < len(kept) {
				dst = kept
			} else {
				dst = append(dst, kept...)
			}
			c.recv.assembled = nil
			c.account()
		}
		if !in.toPayload() {
			return dst
		}
		var err error
		if in.compressed {
			if cap(dst) == 0 {
				dst = c.compression.borrowScratch(c.maxMessage)
			}
			if dst, err = c.inflate(dst, c.allows(len(dst))); err != nil {
				c.rejectCompressed(err)
				continue
			}
		} else if limit := c.maxMessage; limit > 0 && in.left > int64(limit-len(dst)) {
			c.reject(CodeTooBig, fmt.Errorf(
				"received a message of %d bytes or more; our MaxMessageSize is %d",
				uint64(len(dst))+uint64(in.left), limit))
			continue
		} else if dst, err = in.takePayload(dst, math.MaxInt); err != nil {
			c.reject(CodeBadData, err)
			continue
		}
		if in.messageEnded() || in.left > 0 {
			return dst
		}
	}
	return dst
}

// lockPull locks readGate to start a new message. It returns ErrBusy if a Reader is open, or if a
// handler gets the messages. It
// returns the final error without locking, so that failing pulls in a loop do not starve the
// background reader.
func (c *Conn) lockPull(ctx context.Context) error {
	if ctx.Err() != nil { // causeOf asks the same; this saves a call
		if err := c.causeOf(ctx); err != nil {
			return err
		}
	}
	if end := c.reads.final.Load(); end != nil {
		return *end
	}
	if c.isReaderOpen() || c.reads.handler.Load() != nil {
		return c.owner.Errors().Busy
	}
	if !c.readGate.TryLock() {
		if err := c.awaitRead(ctx); err != nil {
			return err
		}
	}
	if c.isReaderOpen() {
		c.unlockRead()
		return c.owner.Errors().Busy
	}
	return nil
}

package wire

import (
	"errors"
	"fmt"

	"github.com/wsstream/wsstream/internal/deflate"
)

// dropUnwanted drops the input that no call wants. It reports whether it drops all that has come.
func (c *Conn) dropUnwanted() bool {
	return (c.reads.dropping.Load() || c.reads.current.Load() != 0) && c.dropNow()
}

func (c *Conn) dropNow() bool {
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

// reject fails the connection for a message that may not be delivered. It drops all input that
// follows. If the end was decided before, only the error of pulls changes.
func (c *Conn) reject(code int, rule error) {
	c.reads.dropping.Store(true)
	if info, ended := c.fail(code, rule); ended {
		c.mu.Lock()
		c.end.note().verdict = c.errs.Unclean(info, rule)
		c.mu.Unlock()
	}
}

// rejectCompressed rejects a compressed message.
func (c *Conn) rejectCompressed(err error) {
	code := codeFor(err)
	if err == deflate.ErrRoom {
		code = CodeTooBig
		err = fmt.Errorf("received a compressed message of %d bytes or more; our MaxMessageSize is %d",
			uint64(c.maxMessage)+1, c.maxMessage)
	}
	c.reject(code, err)
}

// skipMessage drops what has come of the message that is skipped. It reports whether more of it
// comes.
func (c *Conn) skipMessage() bool {
	in := &c.recv.in
	c.recv.assembled = nil
	for in.toPayload() {
		if in.messageEnded() {
			in.leaveMessage()
			c.reads.current.Store(0)
			if c.compression != nil {
				c.compression.skipped = 0
			}
			return false
		}
		if !in.compressed {
			in.skipPayload()
		} else if err := c.skipCompressed(); err != nil {
			c.rejectCompressed(err)
			break
		}
		if in.left > 0 {
			break
		}
	}
	return true
}

// codeFor returns the close code for a broken rule.
func codeFor(rule error) int {
	switch {
	case errors.Is(rule, errFlood), errors.Is(rule, errBlocks):
		return CodePolicy
	case errors.Is(rule, errText), errors.Is(rule, deflate.ErrCorrupt),
		errors.Is(rule, deflate.ErrTruncated):
		return CodeBadData
	}
	return CodeProtocol
}

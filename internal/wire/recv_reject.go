package wire

import (
	"errors"
	"fmt"

	"github.com/wsstream/wsstream/internal/deflate"
)

// reject fails the connection for a message that may not be delivered. It drops all input that
// follows. If the end was decided before, only the error of pulls changes.
func (c *Conn) reject(code int, rule error) {
	c.flags.set(isDropping)
	if info, ended := c.fail(code, rule); ended {
		c.mu.Lock()
		c.end.note().verdict = c.owner.Errors().Unclean(info, rule)
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

package wire

import (
	"github.com/gobwas/ws"
)

// A control is a control frame that the scan cursor has passed. The payload is valid until the next
// scan.
type control struct {
	op      ws.OpCode
	payload []byte
}

// scan moves the scan cursor to behind the next control frame, and returns that frame. It returns
// an op of 0 at the end of what has come, and an error with the rule that the peer broke.
func (in *inbox) scan() (control, error) {
	var h ws.Header
	for {
		if in.toSkip > 0 {
			n := min(in.toSkip, int64(in.unscanned))
			in.toSkip -= n
			in.scanOver(int(n))
			in.progress++
		}
		if in.unscanned > 0 {
			in.scanPlain()
		}
		if in.unscanned == 0 {
			return control{}, nil
		}
		raw := in.peek(in.scanChunk, in.scanAt, min(in.unscanned, maxHeader))
		size := parseHeader(raw, &h)
		if size == 0 {
			return control{}, nil
		}
		if err := checkHeader(&h, raw, in.state); err != nil {
			return control{}, err
		}
		if h.OpCode.IsControl() {
			return in.scanControl(&h, size)
		}
		if err := in.scanData(&h, size); err != nil {
			return control{}, err
		}
	}
}

// scanData moves the scan cursor over the header of a data frame, which has size bytes.
func (in *inbox) scanData(h *ws.Header, size int) error {
	in.state = in.state.Clear(ws.StateFragmented)
	if !h.Fin {
		in.state = in.state.Set(ws.StateFragmented)
	}
	in.scanOver(size)
	in.toSkip = h.Length
	if h.Fin || h.Length > 0 {
		in.progress++
		in.empties.n = 0
	} else if in.empties.flooded(1) {
		return errFlood
	}
	return nil
}

// scanControl moves the scan cursor over a control frame whose header has size bytes, if all of the
// frame has come.
func (in *inbox) scanControl(h *ws.Header, size int) (control, error) {
	whole := size + int(h.Length)
	if in.unscanned < whole {
		return control{}, nil
	}
	payload := in.peek(in.scanChunk, in.scanAt, whole)[size:]
	mask := masking{on: h.Masked, key: h.Mask}
	mask.apply(payload) // where it lies: nothing else reads it
	in.scanOver(whole)
	if in.empties.flooded(1) {
		return control{}, errFlood
	}
	return control{h.OpCode, payload}, nil
}

// scanOver moves the scan cursor over n bytes that have come.
func (in *inbox) scanOver(n int) {
	in.unscanned -= n
	for n > 0 {
		if in.scanAt == len(in.scanChunk.buf) {
			in.scanChunk, in.scanAt = in.scanChunk.next, 0
		}
		m := min(n, len(in.scanChunk.buf)-in.scanAt)
		in.scanAt += m
		n -= m
	}
}

// scan answers the control frames in what has come, and notes a broken rule. readGate must be held.
func (c *Conn) scan() {
	defer c.account()
	defer c.dropUnwanted()
	in := &c.recv.in
	for !in.sealed {
		ctl, err := in.scan()
		if err != nil {
			in.seal()
			c.noteBreach(err)
			return
		}
		switch ctl.op {
		case 0:
			return
		case ws.OpPing:
			c.answerPing(ctl.payload)
			c.callHook(ctl)
		case ws.OpPong:
			c.takePong(ctl.payload)
			c.callHook(ctl)
		case ws.OpClose:
			in.seal()
			info, code, err := parseClose(ctl.payload)
			if err != nil {
				c.fail(code, err) // the peer's Close counts even behind unread messages
				return
			}
			c.recv.peerDone = true
			c.peerClosed(info, in.state.Fragmented())
		}
	}
}

// noteBreach notes a rule that the scan cursor found broken. The messages before the breach are
// valid, and the program may answer them. So the breach takes effect when a pull has reached it. If
// no call pulls, the background reader makes it take effect.
func (c *Conn) noteBreach(rule error) {
	c.recv.breached = true
	c.mu.Lock()
	c.end.note().breach = rule
	c.mu.Unlock()
}

// meetBreach makes the breach take effect.
func (c *Conn) meetBreach() {
	c.recv.breached = false
	c.mu.Lock()
	rule := c.end.facts().breach
	c.mu.Unlock()
	c.fail(codeFor(rule), rule)
}

// callHook calls the hook for a ping or a pong. The hook may call Stats, although its own goroutine
// holds readGate.
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

package wire

// dropUnwanted drops the input that no call wants. It reports whether it drops all that has come.
func (c *Conn) dropUnwanted() bool {
	return (c.flags.has(isDropping) || c.reads.current.Load() != 0) && c.dropNow()
}

func (c *Conn) dropNow() bool {
	if c.flags.has(isDropping) {
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
				c.compression.skipped, c.compression.pending = 0, false
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

// skipCompressed passes what has come of the frame at the pull cursor. It has to inflate it if
// later messages may refer to it, MaxMessage bytes of it at most.
func (c *Conn) skipCompressed() error {
	z := c.compression
	inflater, before := z.ownInflater(), z.skipped
	err := c.recv.in.feed(func(src []byte, last bool) (used int, err error) {
		n, used, err := inflater.Skip(src, c.allows(z.skipped), last)
		z.skipped += n
		return used, err
	})
	if z.floods(z.skipped - before) {
		return errBlocks
	}
	return err
}

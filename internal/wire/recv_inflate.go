package wire

import (
	"fmt"
	"math"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/deflate"
)

// naked returns what there is of the frame at the pull cursor in the first chunk, unmasked where it lies: what is not
// used of it is read again. last says that the message ends with it.
func (in *inbox) decodeInPlace() (b []byte, last bool) {
	n := int(min(in.left, int64(in.held-in.unscanned)))
	if n > 0 {
		n = min(n, len(in.head.buf)-in.pullAt)
		b = in.head.buf[in.pullAt : in.pullAt+n]
		if masked := b[in.decoded:]; in.masked {
			ws.Cipher(masked, in.mask, in.phase)
			in.phase = (in.phase + len(masked)) % 4
		}
		in.decoded = n
	}
	return b, in.fin && int64(n) == in.left
}

// feed gives inflate what there is of the frame at the pull cursor, and takes what it used. An error ends that.
func (in *inbox) feed(inflate func(src []byte, last bool) (used int, err error)) error {
	for {
		src, last := in.decodeInPlace()
		if len(src) == 0 && !last {
			return nil
		}
		used, err := inflate(src, last)
		in.left -= int64(used)
		in.decoded -= used
		in.consume(used)
		if err != nil {
			return err
		}
		if last {
			in.compressed = false
			return nil
		}
	}
}

// inflate appends what the frame at the pull cursor inflates to, as far as it is there, with text checked. It appends
// room bytes at most, and returns deflate.ErrRoom if there is more.
func (c *Conn) inflate(dst []byte, room int) ([]byte, error) {
	in, z, from := &c.recv.in, c.compression, len(dst)
	if z.inflater == nil {
		z.inflater = deflate.NewInflater(z.Peer)
	}
	err := in.feed(func(src []byte, last bool) (used int, err error) {
		dst, used, err = z.inflater.Inflate(dst, src, room-(len(dst)-from), last)
		return used, err
	})
	if z.barren(len(dst) - from) {
		err = errBlocks
	}
	if in.op == ws.OpText && !in.text.push(dst[from:]) || in.tornText() {
		err = errText
	}
	return dst, err
}

// barren counts the blocks that have ended since it was called before against the bytes that came of them, and reports
// whether too many have brought nothing. A byte makes up for two blocks, not for all before it: for its own, and for the
// empty one behind it with which a sender flushes.
func (z *compression) barren(bytes int) bool {
	n := z.inflater.Blocks() - 2*bytes
	if n > 0 {
		return z.row.flooded(n)
	}
	z.row.n = int32(max(int(z.row.n)+n, 0))
	return false
}

// allows is how many bytes a compressed message may still inflate to of which there are n.
func (c *Conn) allows(n int) int {
	if c.maxMessage <= 0 {
		return math.MaxInt
	}
	return c.maxMessage - n
}

// rejectPacked gives up on a compressed message.
func (c *Conn) rejectPacked(err error) {
	code := codeFor(err)
	if err == deflate.ErrRoom {
		code = CodeTooBig
		err = fmt.Errorf("received a compressed message of %d bytes or more; our MaxMessageSize is %d", uint64(c.maxMessage)+1, c.maxMessage)
	}
	c.reject(code, err)
}

// skipPacked passes what has come of the frame at the pull cursor. If later messages may refer to it, it has to be
// inflated, MaxMessage bytes of it at most.
func (c *Conn) skipPacked() error {
	z := c.compression
	if z.inflater == nil {
		z.inflater = deflate.NewInflater(z.Peer)
	}
	before := z.passed
	err := c.recv.in.feed(func(src []byte, last bool) (used int, err error) {
		n, used, err := z.inflater.Skip(src, c.allows(z.passed), last)
		z.passed += n
		return used, err
	})
	if z.barren(z.passed - before) {
		return errBlocks
	}
	return err
}

// mustInflate reports whether there is something that drop would have to inflate.
func (c *Conn) mustInflate() bool {
	nth := c.reads.current.Load()
	return c.recv.in.compressed && nth != 0 && nth == c.reads.skipped.Load() && c.recv.in.ready() && !c.reads.dropping.Load()
}

// forgetRead lets go of what was received, once there is nothing left to inflate.
func (c *Conn) freeInflater() {
	if z := c.compression; z.inflates() && (c.reads.dropping.Load() || c.end.done.Closed() && !c.recv.in.ready() && !c.recv.in.compressed) {
		z.inflater.Close()
		z.inflater = nil
	}
}

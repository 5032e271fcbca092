package wire

import "github.com/gobwas/ws"

// answerPing answers a ping. The answers wait in one chunk until those before them have left, so
// they leave in order. That chunk and the one before it are outside the window. If both are full,
// the peer sends pings and reads no pongs: the newest pong then replaces all that have not begun to
// leave. After our Close none is sent.
//
// RFC 6455, section 5.5.3.
func (c *Conn) answerPing(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.send
	switch {
	case c.end.facts().closeQueued:
		return
	case s.pongs == nil:
		s.pongs = borrow(smallChunk)
	case s.pongs.free() < maxControlFrame:
		s.pongs.buf = s.pongs.buf[:0]
		s.out.dropPongs()
	}
	s.framer.appendControl(s.pongs, ws.OpPong, payload)
	if s.out.pongs == nil {
		c.recallWriteLocked()
	}
	c.sendRelocks()
}

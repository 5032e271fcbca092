package wire

import (
	"io"

	"github.com/gobwas/ws"
)

// inline is how many chunks the goroutine that has queued something gives to the transport by itself, before it
// leaves the rest to the flusher.
const inline = 4

// send gives the outbox to the transport: at once as far as that does not block, and through the flusher for
// the rest, or where the transport's writes may block. It expects mu to be held, and lets go of it meanwhile.
func (c *Conn) send() {
	if c.sending {
		return
	}
	for i := 0; ; i++ {
		buf := c.nextOut()
		if buf == nil {
			return
		}
		if c.try == nil || i == inline {
			break
		}
		c.sending = true
		n, err := c.give(c.try, buf)
		c.sending = false
		c.took(n, err)
		if err == nil && n < len(buf) {
			break
		}
	}
	c.sending = true
	go c.flush() // the Conn's own: it ends with the backlog, or with the transport
}

func (c *Conn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for buf := c.nextOut(); buf != nil; buf = c.nextOut() {
		n, err := c.give(c.nc.Write, buf)
		if err == nil && n < len(buf) {
			err = io.ErrShortWrite
		}
		c.took(n, err)
	}
	c.sending = false
}

// give writes buf, which is the first chunk, with mu unlocked.
func (c *Conn) give(write func([]byte) (int, error), buf []byte) (int, error) {
	c.out.busy = true
	c.mu.Unlock()
	n, err := write(buf)
	c.mu.Lock()
	c.out.busy = false
	return n, err
}

// nextOut returns the bytes that should leave next, nil if there are none.
func (c *Conn) nextOut() []byte {
	if c.end.over || c.end.stuck != nil {
		return nil
	}
	if c.pongLen >= 0 && !c.end.sent && c.out.between() {
		c.out.jump(c.framer.control(ws.OpPong, c.pongBuf[:c.pongLen]))
		c.pongLen = -1
	}
	if c.out.head == nil {
		return nil
	}
	return c.out.head.buf[c.out.head.sent:]
}

// took notes what the transport has taken of the first chunk.
func (c *Conn) took(n int, err error) {
	if c.end.over {
		c.out.clear()
		return
	}
	paid, closed := c.out.took(n)
	if paid > 0 {
		c.writeWindow.Give(paid)
	}
	c.notify()
	if closed {
		c.closeLeft()
	}
	if err != nil {
		c.stuck(err)
	}
}

// pong answers a ping. A newer ping's answer replaces one that has not left; after our Close none is sent.
func (c *Conn) pong(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.queued {
		return
	}
	c.pongLen = copy(c.pongBuf[:], payload)
	c.send()
}

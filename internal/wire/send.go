package wire

import (
	"io"
	"time"

	"github.com/gobwas/ws"
)

const (
	// A batch is worth a system call of its own.
	batch = 16 << 10

	// inline is how many chunks a goroutine gives to the transport by itself. What others queue meanwhile is not for it
	// to send for ever.
	inline = 4

	// lull is how long nothing must have been given to the transport for a write to be a lone one.
	lull = 200 * time.Microsecond
)

// epoch is what times are counted from: that takes a third of the time of a time.Now.
var epoch = time.Now()

// send sees to it that what is in the outbox leaves. It expects mu to be held, and lets go of it meanwhile.
//
// Where the transport never blocks, a lone message is given to it at once, and so is a batch. The messages of a burst
// are gathered by a flusher, which is on its way while they come: they are sent when it runs, even if nobody calls
// again, and many of them share a system call.
func (c *Conn) send() {
	if c.sending || c.flusher && (c.ask == nil || c.out.held() < batch) || c.nextOut() == nil {
		return
	}
	if c.ask != nil && (c.out.held() >= batch || !c.gathering()) {
		c.sendNow()
	}
	c.startFlusher()
}

// gathering reports whether what is written now, with no flusher on its way, is likely to be followed by more.
func (c *Conn) gathering() bool {
	if c.quiet.Load() {
		c.quiet.Store(false)
		return false
	}
	return time.Since(epoch)-c.given < lull
}

// sendNow gives the transport what it takes without blocking. It expects mu to be held and nobody to be sending, and
// lets go of mu meanwhile.
func (c *Conn) sendNow() {
	c.sending = true
	for range inline {
		buf := c.nextOut()
		if buf == nil {
			break
		}
		more := c.out.lent()
		n, err := c.give(func(b []byte) (int, error) { return c.ask.write(b, more) }, buf)
		c.took(min(n, len(buf)), err)
		if n > len(buf) {
			c.took(n-len(buf), nil)
		}
		if n < len(buf)+len(more) {
			break
		}
	}
	c.sending = false
}

// startFlusher starts the flusher if there is something to send and nobody to do it.
func (c *Conn) startFlusher() {
	if !c.sending && !c.flusher && c.nextOut() != nil {
		c.flusher = true
		if c.alive != nil {
			c.offered()
		}
		if c.flushF == nil {
			c.flushF = c.flush
		}
		go c.flushF() // the Conn's own: it ends with the backlog, or with the transport
	}
}

func (c *Conn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.sending {
		buf := c.nextOut()
		if buf == nil {
			break
		}
		c.sending = true
		if c.alive != nil {
			buf = buf[:min(len(buf), c.alive.step)]
		}
		n, err := c.give(c.nc.Write, buf)
		if err == nil && n < len(buf) {
			err = io.ErrShortWrite
		}
		c.took(n, err)
		c.sending = false
	}
	c.flusher = false
}

// give writes buf, which is the first chunk, with mu unlocked.
func (c *Conn) give(write func([]byte) (int, error), buf []byte) (int, error) {
	c.out.busy = true
	c.given = time.Since(epoch)
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
	if c.ponging != nil && !c.end.sent && c.out.between() {
		c.out.jump(c.ponging)
		c.ponging = nil
	}
	if c.pings != nil && c.pings.unsent != nil && !c.end.sent && c.out.between() {
		c.out.jump(c.pings.unsent)
		c.pings.unsent = nil
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
	if p := c.out.head.ping; p != nil && c.out.head.sent+n == len(c.out.head.buf) {
		c.pingLeft(p)
	}
	paid, closed := c.out.took(n)
	if c.alive != nil && n > 0 {
		c.alive.gave(paid)
	}
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
	if c.ponging != nil {
		c.ponging.release()
	}
	c.ponging = c.framer.control(ws.OpPong, payload)
	c.send()
}

package memnet

import "time"

// Stall holds back everything that this end sends, its end of stream included, until Stall(false): the peer
// reads nothing, also not what was readable before, and writes fill the buffer and then park. Only a cut passes.
func (c *Conn) Stall(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.stalled = on
	if on {
		c.out.disarm()
	}
	c.out.arm()
	c.out.moved.Broadcast()
}

// Drip lets n bytes of what this end sends through every tick of the clock; the first tick is one period after a
// byte has come to wait for it. What is readable already stays so. An n or a period of zero or less ends it, and
// lets all through at once.
func (c *Conn) Drip(n int, every time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.disarm()
	if n <= 0 || every <= 0 {
		n, every = 0, 0
		c.out.ready = c.out.buf.Len()
	}
	c.out.drops, c.out.every = n, every
	c.out.arm()
	c.out.moved.Broadcast()
}

// Chunk makes each Read of the peer's return at most n bytes, Chunk(1) one at a time. Zero or less ends it.
func (c *Conn) Chunk(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.chunk = max(n, 0)
}

// Cut resets the connection: what is buffered either way is lost, and reads and writes at both ends fail with
// ECONNRESET, those that are parked too. An end that was closed stays closed.
func (c *Conn) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut(nil)
}

// CutAfter resets the connection when n more bytes have left this end: a Write that carries more returns how many
// of its bytes went. The peer can still read the bytes that left, and gets ECONNRESET behind them, while its writes
// fail at once; for this end it is a [Conn.Cut]. Zero cuts now; less than zero takes an earlier CutAfter back.
func (c *Conn) CutAfter(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.fuse = max(n, -1)
	if n == 0 {
		c.cut(c.out)
	}
}

// cut resets the connection and drops all that is buffered but in keep. It expects mu to be held.
func (c *Conn) cut(keep *flow) {
	c.reset, c.peer.reset = true, true
	for _, f := range []*flow{c.in, c.out} {
		f.fuse = -1
		if f != keep {
			f.drop()
		}
		f.moved.Broadcast()
	}
}

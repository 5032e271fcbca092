package memnet

import "time"

// Stall holds back all that this end sends, from Stall(true) until Stall(false). The peer reads
// nothing, neither bytes that it could have read before nor the end. Writes fill the buffer, and
// then wait. Only a cut reaches the peer.
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

// Drip lets n bytes of this end's output through at each tick, with the time every between ticks.
// The first tick comes that time after a byte has begun to wait. Bytes that could be read before
// still can. If n or every is zero or less, the drip ends, and all bytes are let through.
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

// Chunk limits the bytes that a Read of the peer returns to n. If zero or negative, no limit.
func (c *Conn) Chunk(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.chunk = max(n, 0)
}

// Cut resets the connection. The bytes that are buffered either way are lost. Reads and Writes at
// both ends fail with ECONNRESET, those that wait included. An end that was closed stays closed.
func (c *Conn) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut(nil)
}

// CutAfter resets the connection when n more bytes have left this end. A Write with more bytes
// returns how many of them left. The peer can still read the bytes that left, and gets ECONNRESET
// behind them. The peer's Writes fail immediately. For this end it is a [Conn.Cut]. If n is zero,
// the cut is now. If n is negative, an earlier CutAfter is taken back.
func (c *Conn) CutAfter(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.fuse = max(n, -1)
	if n == 0 {
		c.cut(c.out)
	}
}

// cut resets the connection, and drops the buffered bytes of both directions but keep. c.mu must be
// held.
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

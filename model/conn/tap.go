package conn

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsstream/wsstream/wstest/memnet"
)

// A clock orders events. The ticks of two events differ.
type clock struct {
	ticks atomic.Int64
	began time.Time
}

func (c *clock) tick() int64        { return c.ticks.Add(1) }
func (c *clock) now() time.Duration { return time.Since(c.began) }

// A mark says when a stream had so many bytes.
type mark struct {
	size int
	tick int64
	at   time.Duration
}

// A tape records the bytes of one direction.
type tape struct {
	bytes []byte
	marks []mark
	head  int // bytes of the handshake
}

func (t *tape) add(b []byte, tick int64, at time.Duration) {
	if len(b) > 0 {
		t.bytes = append(t.bytes, b...)
		t.marks = append(t.marks, mark{len(t.bytes), tick, at})
	}
}

// frames returns the bytes behind the handshake.
func (t *tape) frames() []byte { return t.bytes[t.head:] }

// when returns the mark at which so many bytes of frames were there.
func (t *tape) when(size int) (mark, bool) {
	for _, m := range t.marks {
		if m.size-t.head >= size {
			return m, true
		}
	}
	return mark{}, false
}

// sizeAt returns how many bytes of frames were there at a tick.
func (t *tape) sizeAt(tick int64) (size int) {
	for _, m := range t.marks {
		if m.tick <= tick {
			size = max(0, m.size-t.head)
		}
	}
	return size
}

// A tap is the Conn's end of a transport in memory. It records what passes.
type tap struct {
	*memnet.Conn
	clock *clock

	mu               sync.Mutex
	in, out          tape
	reading, writing bool
	asked            int   // bytes that the Read in progress has room for
	inErr, outErr    error // that ended the direction
	closed           bool
}

func (t *tap) Read(p []byte) (int, error) {
	t.mu.Lock()
	t.reading, t.asked = true, len(p)
	t.mu.Unlock()
	n, err := t.Conn.Read(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reading = false
	t.in.add(p[:n], t.clock.tick(), t.clock.now())
	if err != nil && !isTimeout(err) {
		t.inErr = err
	}
	return n, err
}

func (t *tap) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.writing = true
	t.mu.Unlock()
	n, err := t.Conn.Write(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writing = false
	t.out.add(p[:n], t.clock.tick(), t.clock.now())
	if err != nil && !isTimeout(err) {
		t.outErr = err
	}
	return n, err
}

func (t *tap) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	return t.Conn.Close()
}

func isTimeout(err error) bool {
	e, ok := err.(interface{ Timeout() bool })
	return ok && e.Timeout()
}

package wire

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"
)

// A Handler gets the messages in place of pulls. On a socket it has a goroutine only while there
// are messages: the poller calls it. On another transport its goroutine waits in Read.
type Handler struct {
	Sink  Sink
	state atomic.Int32
}

// The states of a Handler.
const (
	handlerRests = iota
	handlerRuns  // a goroutine delivers
	handlerWoken // that goroutine must look again before it leaves
	handlerEnded // End was called, or is about to be
)

var (
	// errLater says that there is no message now. The handler is woken when there is more to do.
	errLater = errors.New("wire: later")

	// errTurn says that a call waited for readGate, and has it first.
	errTurn = errors.New("wire: another's turn")
)

// A Sink is the end of a pipe from a Conn.
type Sink interface {
	// Message is called for each message, one after another. data is valid until it returns.
	Message(op ws.OpCode, data []byte)

	// End is called once, last, with the end of pulls.
	End(err error)
}

// Handle gives all messages from now on to h. It returns ErrBusy if a Reader is open, or if there
// is a handler already. A pull that waits returns ErrBusy.
func (c *Conn) Handle(h *Handler) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isReaderOpen() || !c.reads.handler.CompareAndSwap(nil, h) {
		return c.owner.Errors().Busy
	}
	if c.wait.kind == onCall {
		c.recallReadLocked()
	}
	c.wakeHandler()
	return nil
}

// wakeHandler lets the handler look for messages, and for the end. mu may be held.
func (c *Conn) wakeHandler() {
	if h := c.reads.handler.Load(); h != nil {
		go c.handle(h, false) // the handler's: it ends with the messages, or with the transport
	}
}

func (h *Handler) isRunning() bool {
	s := h.state.Load()
	return s == handlerRuns || s == handlerWoken
}

// enter reports whether the caller is to deliver. If another goroutine delivers, that will look
// again.
func (h *Handler) enter() bool {
	for {
		switch s := h.state.Load(); {
		case s == handlerRests:
			if h.state.CompareAndSwap(handlerRests, handlerRuns) {
				return true
			}
		case s != handlerRuns || h.state.CompareAndSwap(handlerRuns, handlerWoken):
			return false
		}
	}
}

// leave reports whether the caller may leave. It must deliver again if the handler was woken.
func (h *Handler) leave() bool {
	if h.state.CompareAndSwap(handlerRuns, handlerRests) {
		return true
	}
	h.state.Store(handlerRuns)
	return false
}

// handle gives all messages that have come to the handler's Sink. It reports false if another
// goroutine does, which then looks again. The Sink may end its goroutine: then another goes on.
func (c *Conn) handle(h *Handler, worker bool) (delivered bool) {
	if !h.enter() {
		return false
	}
	returned := false
	defer func() {
		if !returned && h.state.Load() != handlerEnded {
			h.state.Store(handlerRests)
			c.wakeHandler()
		}
	}()
	for ended := false; !ended; {
		ended = c.deliver(h, worker)
		if !ended && h.leave() {
			break
		}
	}
	returned = true
	return true
}

// deliver gives the messages that have come to the Sink of h. A worker of the poller leaves after
// maxMessages, and comes back behind other Conns. It reports whether the last one was the end.
func (c *Conn) deliver(h *Handler, worker bool) (ended bool) {
	buf := handled.Get().(*[]byte)
	defer handled.Put(buf)
	as := inPoller
	if c.watchable == nil {
		as = inHandler
	}
	c.lockHandler()
	c.recv.drained = false
	for n := 1; ; n++ {
		op, data, err := c.pull(context.Background(), as, (*buf)[:0])
		if *buf = data; cap(data) > maxKeptMessage {
			*buf = nil
		}
		switch {
		case err == errTurn:
		case err == errLater:
			return false
		case err != nil:
			h.state.Store(handlerEnded)
			h.Sink.End(err)
			return true
		default:
			h.Sink.Message(op, data)
		}
		if n >= maxMessages && worker && c.requeue() {
			return false
		}
		c.lockHandler()
	}
}

// lockHandler locks readGate for the handler. A background reader that waits in Read is recalled.
func (c *Conn) lockHandler() {
	if !c.readGate.TryLock() {
		_ = c.awaitRead(context.Background())
	}
}

// requeue lets the poller wake the handler once more, behind those of other Conns. It reports false
// if the poller does not.
func (c *Conn) requeue() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.watchable != nil && c.watchable.requeue()
}

// handled has the memory of handlers' messages.
var handled = sync.Pool{New: func() any { return new([]byte) }}

// pauseHandler keeps what the handler's pull has assembled, and releases readGate until the handler
// is woken. It returns the memory that dst leaves to the handler.
func (c *Conn) pauseHandler(dst []byte) []byte {
	switch {
	case len(dst) == 0:
	case c.compression.borrows():
		c.keepAssembled(dst)
		c.compression.returnScratch(dst)
		dst = nil
	case c.reads.final.Load() == nil:
		c.recv.assembled = dst
		dst = nil
	}
	c.account()
	c.freeUnused()
	c.releaseRead()
	if c.flags.has(isClosing) {
		c.startBackground()
	} else {
		c.readIfRequested()
	}
	return dst[:0]
}

package conn

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"

	"github.com/wsstream/wsstream"
)

// A handling is a message handler that Handle has accepted.
type handling struct {
	ended   chan struct{} // closed when it was told of the end
	err     error         // of the end
	running atomic.Bool
}

// handle gives the messages to a function. Each is a call of its own, which takes the time that the
// step says.
func (c *caller) handle(x *call) {
	h := &handling{ended: make(chan struct{})}
	run, n := c.run, 0
	message := func(m wsstream.Message) error {
		y := &call{do: doHandled, name: fmt.Sprintf("%s, message %d", x.name, n), step: x.step,
			ctx: context.Background()}
		n++
		run.record(y)
		if !h.running.CompareAndSwap(false, true) {
			run.fault("a handler is called while it runs", "%v", y)
		}
		if h.told() {
			run.fault("a handler gets a message behind the end", "%v", y)
		}
		y.text, y.got, y.ok = m.Type == wsstream.TypeText, bytes.Clone(m.Data), true
		pause(x.step.Within, run.over)
		if !bytes.Equal(y.got, m.Data) {
			run.fault("a message changes while it is lent", "%v", y)
		}
		h.running.Store(false)
		run.returned(y, nil)
		return nil
	}
	end := func(err error) {
		if h.told() {
			run.fault("a handler is told of the end twice", "%v and %v", h.err, err)
			return
		}
		if h.running.Load() {
			run.fault("a handler is told of the end while it runs", "%v", err)
		}
		h.err = err
		close(h.ended)
	}
	c.record(x)
	err := c.conn.Readable().Handle(message, end)
	if x.ok = err == nil; x.ok {
		run.mu.Lock()
		run.handling = h
		run.mu.Unlock()
	}
	c.returned(x, err)
}

func (h *handling) told() bool {
	select {
	case <-h.ended:
		return true
	default:
		return false
	}
}

// handled returns the handler, or nil.
func (r *run) handled() *handling {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handling
}

// handledBefore reports whether a Handle may have been accepted before a call returned.
func (j *judge) handledBefore(c *call) bool {
	for _, o := range j.calls {
		if o.do == doHandle && o.ok && o != c && o.begin < c.end {
			return true
		}
	}
	return false
}

package resume

import (
	"context"
	"time"

	"github.com/wsstream/wsstream"
)

// kick lets a goroutine read soon, unless a call pulls.
func (r *receiver) kick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.armLocked()
}

// armLocked starts the timer, unless it runs. After the end there is nothing to read.
func (r *receiver) armLocked() {
	if r.armed || r.link == nil {
		return
	}
	r.armed, r.seen = true, r.pulls
	if r.timer == nil {
		r.timer = time.AfterFunc(tickTime, r.tick)
		return
	}
	r.timer.Reset(tickTime)
}

// tick sends the acknowledgement that is due. If no call has pulled since the last tick, it starts
// the goroutine that reads.
func (r *receiver) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.armed = false
	r.tellLocked()
	switch {
	case r.link == nil || r.turn.held: // the Pull arms the timer when it returns
	case r.pulls != r.seen:
		r.armLocked()
	default:
		r.turn.held = true
		r.queue.spare = nil
		ctx, cancel := context.WithCancel(context.Background())
		r.recall = cancel
		go r.background(ctx) // the session's: it ends with the connection, or when a call pulls
	}
}

// background reads messages into the queue. It has the turn.
func (r *receiver) background(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.turn.pass()
	defer func() { r.recall(); r.recall = nil }()
	for l := r.link; l != nil && ctx.Err() == nil; l = r.link {
		var in wsstream.Message
		r.mu.Unlock()
		lost, err := l.read(ctx, &in)
		r.mu.Lock()
		switch {
		case r.link != l: // the records come again
		case lost:
			r.lostRelocks(l, err)
		case err != nil:
			return // recalled
		default:
			r.arrivedRelocks(&in, nil)
		}
	}
}

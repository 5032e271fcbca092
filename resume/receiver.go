package resume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
)

// A receiver is a session's way in. A Pull takes its turn and reads the connection itself. While no
// call pulls, a goroutine reads: it takes acknowledgements, and queues messages. The window of the
// sender limits the queue, so the goroutine always has room.
type receiver struct {
	session *Session
	done    chan struct{} // closed when end is set

	mu        sync.Mutex
	turn      turn   // of the goroutine that reads link
	link      *link  // that messages are read from; nil while there is none
	changed   signal // of link and end
	queue     []wsstream.Message
	now       status // what was received and taken
	told      status // the last that the peer was told
	held      int    // the cost of queue
	owed      int    // the cost of what was taken and not told
	end       error  // what Pull returns when the queue is empty; nil while the stream is open
	result    error  // of a session that ended in order
	cancelled bool   // messages are dropped
	telling   bool   // a goroutine sends an ACK

	pulls  uint64             // calls of pull
	seen   uint64             // pulls at the last tick
	armed  bool               // the timer runs
	timer  *time.Timer        // calls tick
	recall context.CancelFunc // of the goroutine that reads; nil: none
}

// tickTime is how long an acknowledgement is kept back, and how long no call pulls until a
// goroutine reads.
const tickTime = 5 * time.Millisecond

// pull is Pull and PullInto.
func (r *receiver) pull(ctx context.Context, m *wsstream.Message, into bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil && !r.session.isOwn(ctx) {
		return context.Cause(ctx)
	}
	r.pulls++
	if r.recall != nil {
		r.recall()
	}
	defer r.armLocked()
	if err := r.turn.take(ctx, &r.mu); err != nil {
		if !r.session.isOwn(ctx) {
			return err
		}
		_ = r.turn.take(context.Background(), &r.mu) // each holder leaves soon
	}
	defer r.turn.pass()
	for {
		if len(r.queue) > 0 {
			*m = r.queue[0]
			r.popLocked()
			return nil
		}
		if r.end != nil {
			return r.end
		}
		l := r.link
		if l == nil {
			if err := r.awaitLinkRelocks(ctx); err != nil {
				return err
			}
			continue
		}
		r.mu.Unlock()
		lost, err := l.read(ctx, m, into)
		r.mu.Lock()
		if r.link != l {
			continue // the message comes again
		}
		if lost {
			r.lostRelocks(l, err)
			continue
		}
		if err != nil {
			return cmp.Or(r.end, context.Cause(ctx))
		}
		if data := r.handleRelocks(m); data && !r.cancelled {
			r.takeLocked(len(m.Data) + overhead)
			return nil
		}
	}
}

// read pulls a message. If into is set, it reuses the memory of m. lost reports whether err is the
// end of the connection. Otherwise ctx has ended. If both have, the connection's end counts: its
// code says whether another connection can continue the session.
func (l *link) read(
	ctx context.Context, m *wsstream.Message, into bool,
) (lost bool, err error) {
	err = l.pull(ctx, m, into)
	if err == nil || ctx.Err() == nil {
		return err != nil, err
	}
	if !isDone(l.conn.Readable().Done()) {
		return false, err
	}
	err = l.pull(context.Background(), m, into) // it does not wait: the end is decided
	return err != nil, err
}

func (l *link) pull(ctx context.Context, m *wsstream.Message, into bool) (err error) {
	if into {
		return l.conn.Readable().PullInto(ctx, m)
	}
	*m, err = l.conn.Readable().Pull(ctx)
	return err
}

// awaitLinkRelocks waits until link or end changes.
func (r *receiver) awaitLinkRelocks(ctx context.Context) error {
	r.changed.wait(ctx, &r.mu)
	if ctx.Err() != nil && r.link == nil && r.end == nil && !r.session.isOwn(ctx) {
		return context.Cause(ctx)
	}
	return nil
}

// popLocked removes the first message of the queue.
func (r *receiver) popLocked() {
	cost := len(r.queue[0].Data) + overhead
	r.queue[0] = wsstream.Message{}
	if r.queue = r.queue[1:]; len(r.queue) == 0 {
		r.queue = nil
	}
	r.held -= cost
	r.takeLocked(cost)
}

// takeLocked counts a message that was taken. It tells the peer from time to time.
func (r *receiver) takeLocked(cost int) {
	r.now.taken++
	r.owed += cost
	if r.owed >= r.session.window/2 {
		r.tellLocked()
	}
}

// tellLocked sends an ACK, if there is something to tell.
func (r *receiver) tellLocked() {
	l := r.link
	if l == nil || r.telling || r.now == r.told {
		return
	}
	r.told, r.owed = r.now, 0
	if ok, err := l.conn.Writable().TryWrite(r.now.ack()); ok || err != nil {
		return
	}
	r.telling = true
	go func() { // the session's: it ends with the Write, which ends with the connection
		r.mu.Lock()
		defer r.mu.Unlock()
		for last := (status{}); r.link == l && last != r.now; {
			last = r.now
			r.told, r.owed = last, 0
			r.mu.Unlock()
			_ = l.conn.Writable().Write(context.Background(), last.ack())
			r.mu.Lock()
		}
		if r.telling = false; r.link != l {
			r.tellLocked()
		}
	}()
}

// handleRelocks looks at a message from link. It reports whether m is data, without its kind now.
func (r *receiver) handleRelocks(m *wsstream.Message) bool {
	kind := byte(kindData)
	if m.Type == wsstream.TypeBinary {
		n := len(m.Data) - 1
		if n < 0 {
			r.violationRelocks(errors.New("a binary message without a kind"))
			return false
		}
		kind, m.Data = m.Data[n], m.Data[:n]
	}
	switch kind {
	case kindData:
		if err := r.admitLocked(len(m.Data) + overhead); err != nil {
			r.violationRelocks(err)
			return false
		}
		if r.cancelled {
			r.takeLocked(len(m.Data) + overhead)
			r.armLocked()
		}
		return true
	case kindAck:
		if err := r.ackedRelocks(m.Data); err != nil {
			r.violationRelocks(err)
		}
	case kindEnd:
		i, err := parseEnd(m.Data)
		if err == nil && r.ended() {
			err = errors.New("a second END")
		}
		if err != nil {
			r.violationRelocks(err)
			return false
		}
		r.endedRelocks(i)
	default:
		r.violationRelocks(fmt.Errorf("a message of kind %d", kind))
	}
	return false
}

// admitLocked counts a message that was received.
func (r *receiver) admitLocked(cost int) error {
	switch {
	case r.ended():
		return errors.New("a message behind END")
	case r.held >= r.session.window:
		return errors.New("more than the window")
	case r.session.max > 0 && cost-overhead > r.session.max:
		return fmt.Errorf("a message of %d bytes", cost-overhead)
	}
	r.now.received++
	return nil
}

// ackedRelocks passes an ACK on. It unlocks mu meanwhile.
func (r *receiver) ackedRelocks(b []byte) error {
	if len(b) != statusLen {
		return errors.New("an ACK of a wrong length")
	}
	s, err := parseStatus(b)
	if err != nil {
		return err
	}
	r.mu.Unlock()
	defer r.mu.Lock()
	if !r.session.out.acked(s) {
		return errors.New("an ACK of what was not sent")
	}
	r.session.checkOver()
	return nil
}

// endedRelocks notes the peer's END, and answers it. It unlocks mu meanwhile.
func (r *receiver) endedRelocks(i wsstream.CloseInfo) {
	r.now.received++
	if len(r.queue) == 0 {
		r.now.taken = r.now.received
	}
	readEnd, writeEnd := endErrors(i, r.session.own.Load())
	if readEnd != io.EOF {
		r.result = readEnd
	}
	if r.end == nil {
		r.end = readEnd
		close(r.done)
	}
	r.changed.fire()
	r.tellLocked()
	r.mu.Unlock()
	r.session.peerEnded(i, writeEnd)
	r.session.checkOver()
	r.mu.Lock()
}

// ended reports whether the peer's END has come.
func (r *receiver) ended() bool { return r.session.peer.Load() != nil }

// violationRelocks ends the session because the peer broke a rule. It unlocks mu meanwhile.
func (r *receiver) violationRelocks(err error) {
	r.mu.Unlock()
	r.session.fail(fmt.Errorf("resume: the peer broke the protocol: %w", err), codeViolation)
	r.mu.Lock()
}

// lostRelocks tells the session that l has ended. It unlocks mu meanwhile.
func (r *receiver) lostRelocks(l *link, err error) {
	r.link = nil
	r.mu.Unlock()
	r.session.lost(l, err)
	r.mu.Lock()
}

// cancel drops messages from now on.
func (r *receiver) cancel() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end == nil {
		close(r.done)
	}
	r.end, r.cancelled = io.EOF, true
	for len(r.queue) > 0 {
		r.popLocked()
	}
	r.changed.fire()
	r.armLocked()
}

// fail ends the stream, because the session has ended.
func (r *receiver) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.link = nil
	if r.end == nil {
		r.end = err
		close(r.done)
	}
	if r.recall != nil {
		r.recall()
	}
	r.changed.fire()
}

package resume

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/wsstream/wsstream"
)

// A sender is a session's way out. A Write takes its turn, waits for room, and adds its message to
// the replay. Then it sends what is unsent, unless another goroutine does.
type sender struct {
	session *Session
	done    chan struct{} // closed when end is set

	mu      sync.Mutex
	replay  replay
	pending status // the last that the peer said
	turn    turn   // of Writes
	changed signal // room, an acknowledgement, the end of a sending, the end
	link    *link  // that messages are written to; nil while there is none
	sending bool   // a goroutine writes the unsent messages to link
	writing bool   // it is inside a Write, with the message behind replay.sent
	window  int    // 0 until the peer has greeted
	max     int    // the peer's limit of a message; 0: none
	fin     bool   // the replay ends with an END
	end     error  // what Write returns; nil while the stream is open
}

// largeMessage is the length from which a Write to the connection does not copy.
const largeMessage = 16 << 10

// roomLocked reports whether a message may be added.
func (o *sender) roomLocked() bool { return o.window > 0 && o.replay.cost < o.window }

// awaitRoomRelocks waits for the turn, and then until there is room. If it returns nil, the caller
// has the turn.
func (o *sender) awaitRoomRelocks(ctx context.Context) error {
	if err := o.turn.take(ctx, &o.mu); err != nil {
		if o.end != nil && o.session.isOwn(ctx) {
			err = o.end
		}
		return err
	}
	for o.end == nil && !o.roomLocked() {
		o.changed.wait(ctx, &o.mu)
		if ctx.Err() != nil && o.end == nil {
			o.turn.pass()
			return context.Cause(ctx)
		}
	}
	if o.end != nil {
		o.turn.pass()
		return o.end
	}
	return nil
}

// write is Writable.Write for a message that is good.
func (o *sender) write(ctx context.Context, m wsstream.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.awaitRoomRelocks(ctx); err != nil {
		return err
	}
	defer o.turn.pass()
	if err := o.addLocked(m); err != nil {
		return err
	}
	o.sendLocked(ctx)
	return nil
}

// addLocked adds a message to the replay.
func (o *sender) addLocked(m wsstream.Message) error {
	if o.max > 0 && len(m.Data) > o.max {
		return fmt.Errorf("resume: a message of %d bytes: the peer's limit is %d",
			len(m.Data), o.max)
	}
	o.replay.add(m)
	return nil
}

// tryWrite is Writable.TryWrite for a message that is good.
func (o *sender) tryWrite(m wsstream.Message) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.end != nil:
		return false, o.end
	case o.turn.held || !o.roomLocked():
		return false, nil
	}
	if err := o.addLocked(m); err != nil {
		return false, err
	}
	if o.sending || o.link == nil {
		return true, nil // the goroutine that sends, or a replay, sends it
	}
	next := o.replay.at(o.replay.sent + 1).message
	o.replay.known = max(o.replay.known, o.replay.sent+1)
	if ok, err := o.link.conn.Writable().TryWrite(next); ok && err == nil {
		o.sentLocked()
		return true, nil
	}
	o.sendInBackgroundLocked()
	return true, nil
}

// sendLocked writes the unsent messages to the link, unless another goroutine does. If ctx ends, it
// leaves the rest to a goroutine.
func (o *sender) sendLocked(ctx context.Context) {
	if o.sending {
		return
	}
	o.sending = true
	for o.link != nil && o.replay.sent+1 < o.replay.next() {
		l, m := o.link, o.replay.at(o.replay.sent+1).message
		o.replay.known = max(o.replay.known, o.replay.sent+1)
		if len(m.Data) < largeMessage {
			if ok, err := l.conn.Writable().TryWrite(m); ok && err == nil {
				o.sentLocked()
				continue
			}
		}
		o.writing = true
		o.mu.Unlock()
		err := l.conn.Writable().Write(ctx, m)
		o.mu.Lock()
		o.writing = false
		switch {
		case o.link != l: // a replay sends the message again
		case err == nil:
			o.sentLocked()
		case ctx.Err() != nil && !isDone(l.conn.Writable().Done()):
			o.sending = false
			o.sendInBackgroundLocked()
			return
		default: // the reader notices the end of the connection, too
			o.link = nil
			if !isDone(l.conn.Writable().Done()) {
				l.conn.CloseNow()
			}
			o.session.in.kick()
		}
	}
	o.sending = false
	o.changed.fire()
}

// sendInBackgroundLocked is sendLocked on a goroutine of its own.
func (o *sender) sendInBackgroundLocked() {
	if o.sending || o.link == nil {
		return
	}
	go o.send() // the session's: it ends when all is sent, or with the connection
}

// sentLocked notes that the message behind replay.sent was written to the link.
func (o *sender) sentLocked() {
	o.replay.sent++
	if o.pending.received > o.replay.received || o.pending.taken >= o.replay.first {
		o.replay.ack(o.pending, 0)
		o.changed.fire()
	}
}

// acked notes what the peer acknowledges. It reports false if that cannot be.
func (o *sender) acked(s status) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ackedLocked(s)
}

func (o *sender) ackedLocked(s status) bool {
	sending := uint64(0)
	if o.writing && o.replay.sent+1 < o.replay.next() {
		sending = 1
	}
	o.pending.received = max(o.pending.received, s.received)
	o.pending.taken = max(o.pending.taken, s.taken)
	ok := o.replay.ack(o.pending, sending)
	o.changed.fire()
	return ok
}

// resume makes l the link. The messages that the peer has not received are unsent again. It reports
// false if the peer's numbers cannot be.
func (o *sender) resume(l *link, g greeting) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.sending && o.session.has(l) { // to the link before, which was cut
		o.changed.wait(context.Background(), &o.mu)
	}
	if !o.session.has(l) {
		return true
	}
	if g.received > o.replay.known || g.received < o.replay.received {
		return false
	}
	o.replay.sent = g.received
	if !o.ackedLocked(g.status) {
		return false
	}
	if o.window == 0 {
		o.window = int(min(uint64(o.session.window), g.window))
		o.max = int(min(g.max, math.MaxInt))
	}
	if o.session.beginLocked(l) {
		o.link = l
	}
	o.changed.fire()
	return true
}

// send writes what is unsent, and returns when all is, or the link is lost.
func (o *sender) send() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sendLocked(context.Background())
}

// finishLocked ends the stream with an END. Later Writes fail with cause. It reports false if the
// stream has ended before.
func (o *sender) finishLocked(i wsstream.CloseInfo, cause error) bool {
	if o.end != nil {
		return false
	}
	o.end, o.fin = cause, true
	o.session.own.Store(&i)
	o.replay.end(i)
	close(o.done)
	o.changed.fire()
	o.sendInBackgroundLocked()
	return true
}

// finish is finishLocked without a turn. If abort is set, the messages that were never sent are
// dropped.
func (o *sender) finish(i wsstream.CloseInfo, cause error, abort bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if abort && o.end == nil {
		o.replay.forgetUnsent(max(o.replay.known, o.replay.received))
	}
	o.finishLocked(i, cause)
}

// over notes that the peer says that it has everything. It reports false if some of it was never
// sent.
func (o *sender) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	last := o.replay.next() - 1
	if !o.fin || o.replay.known != last {
		return false
	}
	// The garbage collector gets the slabs: a Write may still read from one.
	o.replay = replay{first: last + 1, received: last, sent: last, known: last}
	o.changed.fire()
	return true
}

// fail ends the stream without an END, because the session has ended. If lost is not nil, it gets
// the messages that the peer has not received, before a Write returns it.
func (o *sender) fail(cause error, lost *LostError) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if lost != nil {
		lost.Unacknowledged = o.replay.unacknowledged()
	}
	o.replay = replay{} // the garbage collector gets the slabs: a Write may still read from one
	o.replay.first = 1
	o.link = nil
	if o.end == nil {
		o.end = cmp.Or(cause, wsstream.ErrClosed)
		close(o.done)
	}
	o.changed.fire()
}

// flush waits until the peer has received all that was accepted before.
func (o *sender) flush(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for last := o.replay.next() - 1; o.replay.received < last; {
		if o.session.isOver() {
			return o.end
		}
		o.changed.wait(ctx, &o.mu)
		if ctx.Err() != nil && o.replay.received < last && !o.session.isOver() {
			return context.Cause(ctx)
		}
	}
	return nil
}

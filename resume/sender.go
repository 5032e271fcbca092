package resume

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsstream/wsstream"
)

// A sender is a session's way out. A Write takes its turn, waits for room, and adds its message to
// the replay. It gives a lone record to the connection itself. The records of a burst are gathered,
// and a goroutine gives them to the connection, many in one message.
type sender struct {
	session *Session
	done    chan struct{} // closed when end is set
	answer  atomic.Bool   // a Pull has left nothing: the next message is likely its answer

	mu      sync.Mutex
	replay  replay
	turn    turn          // of Writes
	changed signal        // room, an acknowledgement, the end of a sending, the end
	link    *link         // that records are written to; nil while there is none
	sending bool          // a goroutine gives the unsent records to link
	given   time.Duration // since epoch, when a connection was last given something
	window  int           // 0 until the peer has greeted
	max     int           // the peer's limit of a message; 0: none
	fin     bool          // the replay ends with an END
	dropped bool          // an Abort has dropped what was accepted behind kept
	kept    uint64
	end     error // what Write returns; nil while the stream is open
}

// lull is how long a connection must have been given nothing for a record to count as a lone one.
const lull = 200 * time.Microsecond

// lendFrom is the length from which a server's Conn sends a message without copying it.
const lendFrom = 32 << 10

// epoch is the time from which times are counted.
var epoch = time.Now()

// roomLocked reports whether a message may be added.
func (o *sender) roomLocked() bool { return o.freeLocked() > 0 }

// freeLocked returns how many bytes of the window are free.
func (o *sender) freeLocked() int {
	if o.window == 0 {
		return 0
	}
	return o.window - int(o.replay.end-o.replay.taken)
}

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
	if o.link == nil || o.sending || o.replay.end-o.replay.sent < lendFrom {
		o.offerLocked()
		return nil
	}
	o.sending = true
	o.giveRelocks(ctx, o.link)
	o.sending = false
	o.changed.fire()
	o.offerLocked()
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
	o.offerLocked()
	return true, nil
}

// offerLocked gives what is unsent to the connection, or makes sure that a goroutine does.
func (o *sender) offerLocked() {
	switch {
	case o.sending || o.link == nil || o.replay.sent == o.replay.end:
	case o.gathersLocked() || !o.tryLocked():
		o.sending = true
		go o.send() // the session's: it ends when all is sent, or with the connection
	}
}

// gathersLocked reports whether more records are likely to follow those that are unsent. It uses up
// the hint that they are an answer.
func (o *sender) gathersLocked() bool {
	if o.answer.Load() {
		o.answer.Store(false)
		return false
	}
	return time.Since(epoch)-o.given < lull
}

// tryLocked gives a batch to the connection, if that need not wait. It reports whether nothing is
// unsent then.
func (o *sender) tryLocked() bool {
	m, _ := o.replay.batch()
	if ok, err := o.link.conn.Writable().TryWrite(m); !ok || err != nil {
		return false
	}
	o.gaveLocked(len(m.Data))
	return o.replay.sent == o.replay.end
}

// gaveLocked notes that the connection was given the next n bytes, or is about to be.
func (o *sender) gaveLocked(n int) {
	o.replay.gave(n)
	o.given = time.Since(epoch)
}

// send gives what is unsent to the connection, and returns when all is, or the connection is lost.
func (o *sender) send() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.link != nil && o.replay.sent < o.replay.end {
		o.giveRelocks(context.Background(), o.link)
	}
	o.sending = false
	o.changed.fire()
}

// giveRelocks gives a batch to l. It unlocks mu meanwhile. The peer may acknowledge the batch
// before the Write returns, and even if it fails. If ctx ends first, the batch stays unsent.
func (o *sender) giveRelocks(ctx context.Context, l *link) {
	m, s := o.replay.batch()
	sent, known := o.replay.sent, o.replay.known
	o.gaveLocked(len(m.Data))
	o.replay.lend(s)
	o.mu.Unlock()
	err := l.conn.Writable().Write(ctx, m)
	lives := !isDone(l.conn.Writable().Done())
	if err != nil && lives && ctx.Err() == nil {
		l.conn.CloseNow()
	}
	o.mu.Lock()
	o.replay.takeBack(s)
	switch {
	case err == nil || o.link != l:
	case lives && ctx.Err() != nil:
		o.replay.sent, o.replay.known = sent, known
	default: // the reader notices the end of the connection, too
		o.link = nil
		o.session.in.kick()
	}
}

// greeted reports whether the peer has greeted. Before that no message is accepted.
func (o *sender) greeted() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.window > 0
}

// acked notes what the peer acknowledges. It reports false if that cannot be.
func (o *sender) acked(s status) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ackedLocked(s)
}

func (o *sender) ackedLocked(s status) bool {
	o.changed.fire()
	return o.replay.ack(s)
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

// offer is offerLocked.
func (o *sender) offer() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.offerLocked()
}

// finishLocked ends the stream with an END. Later Writes fail with cause. It reports false if the
// stream has ended before.
func (o *sender) finishLocked(i wsstream.CloseInfo, cause error) bool {
	if o.end != nil {
		return false
	}
	o.end, o.fin = cause, true
	o.session.own.Store(&i)
	o.replay.finish(i)
	o.session.beginEnd()
	close(o.done)
	o.changed.fire()
	o.offerLocked()
	return true
}

// finish is finishLocked without a turn. If abort is set, the messages that were never sent are
// dropped.
func (o *sender) finish(i wsstream.CloseInfo, cause error, abort bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if before := o.replay.end; abort && o.end == nil {
		o.replay.forgetUnsent()
		o.kept = o.replay.end
		o.dropped = o.kept < before
	}
	o.finishLocked(i, cause)
}

// over notes that the peer says that it has everything. It reports false if some of it was never
// sent.
func (o *sender) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.fin || o.replay.known != o.replay.end {
		return false
	}
	o.replay.over()
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
	o.replay = replay{received: o.replay.received, end: o.replay.end} // for Flush
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
	for last := o.replay.end; ; {
		switch over := o.session.isOver(); {
		case o.dropped && last > o.kept:
			return o.end
		case o.replay.received >= last:
			return nil
		case over:
			return cmp.Or(o.session.ended(), o.end)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		o.changed.wait(ctx, &o.mu)
	}
}

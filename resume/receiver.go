package resume

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"

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
	queue     queue
	window    int    // the session's, from the first greetings on
	batches   bool   // the last message with data had several records
	now       status // what was received and taken
	told      status // the last that the peer was told
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

// pull is PullInto.
func (r *receiver) pull(ctx context.Context, m *wsstream.Message) error {
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
		if !r.queue.empty() {
			r.popLocked(m)
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
		in := wsstream.Message{Data: m.Data}
		if r.batches {
			in.Data, r.queue.spare = r.queue.spare, nil
		}
		r.mu.Unlock()
		lost, err := l.read(ctx, &in)
		r.mu.Lock()
		if r.link != l {
			continue // the records come again
		}
		if lost {
			r.lostRelocks(l, err)
			continue
		}
		if err != nil {
			return cmp.Or(r.end, context.Cause(ctx))
		}
		if r.arrivedRelocks(&in, m) {
			return nil
		}
	}
}

// read pulls a message into *m. lost reports whether err is the connection's end. Otherwise ctx has
// ended. If both have, the connection's end counts: its code says whether another connection
// can continue the session.
func (l *link) read(ctx context.Context, m *wsstream.Message) (lost bool, err error) {
	err = l.conn.Readable().PullInto(ctx, m)
	if err == nil || ctx.Err() == nil {
		return err != nil, err
	}
	if !isDone(l.conn.Readable().Done()) {
		return false, err
	}
	err = l.conn.Readable().PullInto(context.Background(), m) // no wait: the end is decided
	return err != nil, err
}

// awaitLinkRelocks waits until link or end changes.
func (r *receiver) awaitLinkRelocks(ctx context.Context) error {
	r.changed.wait(ctx, &r.mu)
	if ctx.Err() != nil && r.link == nil && r.end == nil && !r.session.isOwn(ctx) {
		return context.Cause(ctx)
	}
	return nil
}

// popLocked moves the first message of the queue to *m.
func (r *receiver) popLocked(m *wsstream.Message) {
	kind, body, alone := r.queue.next()
	m.Type, m.NoCompress = typeOf(kind), false
	if alone && len(body) > cap(m.Data) {
		m.Data = body
	} else {
		m.Data = append(m.Data[:0], body...)
	}
	r.takeLocked(headerLen + len(body))
}

// takeLocked counts bytes that were taken. It tells the peer from time to time.
func (r *receiver) takeLocked(n int) {
	r.now.taken += uint64(n)
	if r.now.taken-r.told.taken >= uint64(r.window*3/4) {
		r.tellLocked()
	}
	if r.queue.empty() {
		r.session.out.answer.Store(true)
	}
}

// tellLocked sends an ACK, if there is something to tell.
func (r *receiver) tellLocked() {
	l := r.link
	if l == nil || r.telling || r.now == r.told {
		return
	}
	r.told = r.now
	if ok, err := l.conn.Writable().TryWrite(r.now.ack()); ok || err != nil {
		return
	}
	r.telling = true
	go func() { // the session's: it ends with the Write, which ends with the connection
		r.mu.Lock()
		defer r.mu.Unlock()
		for last := (status{}); r.link == l && last != r.now; {
			last = r.now
			r.told = last
			r.mu.Unlock()
			_ = l.conn.Writable().Write(context.Background(), last.ack())
			r.mu.Lock()
		}
		if r.telling = false; r.link != l {
			r.tellLocked()
		}
	}()
}

// arrivedRelocks takes a message that was read from link. If it has one record of data, and m is
// not nil, it moves the body to *m and reports true. Otherwise the data goes into the queue. It
// unlocks mu for what the other records say.
func (r *receiver) arrivedRelocks(in, m *wsstream.Message) (pulled bool) {
	a, err := r.sortLocked(in)
	if err != nil {
		r.violationRelocks(err)
		return false
	}
	if len(a.data) > 0 {
		pulled = r.keepLocked(a, m)
		r.batches = a.count > 1
		r.armLocked() // for the acknowledgement
	}
	if a.ack != (status{}) {
		r.ackedRelocks(a.ack)
	}
	if a.end != nil {
		r.endedRelocks(*a.end)
	}
	return pulled
}

// keepLocked moves the data of an arrival to *m or into the queue.
func (r *receiver) keepLocked(a arrival, m *wsstream.Message) (pulled bool) {
	callers := m != nil && cap(m.Data) > 0 && &a.data[0] == &m.Data[:1][0]
	switch {
	case r.cancelled:
		r.takeLocked(len(a.data))
	case m != nil && a.count == 1:
		m.Type, m.NoCompress = typeOf(a.data[0]), false
		switch body := a.data[headerLen:]; {
		case !callers && cap(a.data) > 2*len(a.data):
			m.Data = append(m.Data[:0], body...)
		case len(body) < smallChunk:
			m.Data = append(a.data[:0], body...)
		default:
			m.Data = body
		}
		r.takeLocked(len(a.data))
		return true
	case callers:
		r.queue.push(bytes.Clone(a.data))
	default:
		r.queue.push(a.data)
	}
	return false
}

// An arrival is what the records of a message say.
type arrival struct {
	data  []byte              // the records that are data
	count int                 // of them
	ack   status              // of all ACKs
	end   *wsstream.CloseInfo // of an END; nil: none
}

// sortLocked checks the records of a message that was read from link, and counts them. It moves
// those that are data together.
func (r *receiver) sortLocked(in *wsstream.Message) (a arrival, err error) {
	if in.Type != wsstream.TypeBinary {
		return a, errors.New("a text message")
	}
	a.data = in.Data[:0]
	for rest := in.Data; ; {
		kind, body, behind, ok := cutRecord(rest)
		switch {
		case !ok:
			return a, errors.New("a message that is not of whole records")
		case len(behind) > 0 && len(in.Data) > maxBatch:
			return a, fmt.Errorf("several records of %d bytes", len(in.Data))
		}
		size := headerLen + len(body)
		switch kind {
		case kindText, kindBinary:
			if err = r.admitLocked(kind, body, a.end != nil); err != nil {
				return a, err
			}
			if from := len(in.Data) - len(rest); from == len(a.data) {
				a.data = in.Data[:from+size]
			} else {
				a.data = append(a.data, rest[:size]...)
			}
			a.count++
			r.now.received += uint64(size)
		case kindEnd:
			i, err := parseEnd(body)
			if err == nil && (a.end != nil || r.ended()) {
				err = errors.New("a second END")
			}
			if err != nil {
				return a, err
			}
			a.end = &i
			r.now.received += uint64(size)
		case kindAck:
			s, err := parseStatus(body)
			if err == nil && len(body) != statusLen {
				err = errors.New("an ACK of a wrong length")
			}
			if err != nil {
				return a, err
			}
			a.ack.received = max(a.ack.received, s.received)
			a.ack.taken = max(a.ack.taken, s.taken)
		default:
			return a, fmt.Errorf("a record of kind %d", kind)
		}
		if rest = behind; len(rest) == 0 {
			return a, nil
		}
	}
}

// admitLocked checks a record of data. ended is set if an END was in front of it in its message.
func (r *receiver) admitLocked(kind byte, body []byte, ended bool) error {
	switch {
	case ended || r.ended():
		return errors.New("a message behind END")
	case r.now.received-r.now.taken >= uint64(r.window):
		return errors.New("more than the window")
	case r.session.max > 0 && len(body) > r.session.max:
		return fmt.Errorf("a message of %d bytes", len(body))
	case kind == kindText && !utf8.Valid(body):
		return errors.New("a text that is not UTF-8")
	}
	return nil
}

// ackedRelocks passes an ACK on. It unlocks mu meanwhile.
func (r *receiver) ackedRelocks(s status) {
	r.mu.Unlock()
	defer r.mu.Lock()
	if !r.session.out.acked(s) {
		r.session.broken(errors.New("an ACK of what was not sent"))
		return
	}
	r.session.checkOver()
}

// endedRelocks notes the peer's END, and answers it. It unlocks mu meanwhile.
func (r *receiver) endedRelocks(i wsstream.CloseInfo) {
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
	defer r.mu.Lock()
	r.session.peerEnded(i, writeEnd)
	r.session.checkOver()
}

// ended reports whether the peer's END has come.
func (r *receiver) ended() bool { return r.session.peer.Load() != nil }

// violationRelocks ends the session because the peer broke a rule. It unlocks mu meanwhile.
func (r *receiver) violationRelocks(err error) {
	r.mu.Unlock()
	defer r.mu.Lock()
	r.session.broken(err)
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
	n := r.queue.bytes
	r.queue.clear()
	r.takeLocked(n)
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

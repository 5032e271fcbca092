package wire

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"
)

// An endState holds what is known of the connection's end. Each event notes what it knows, in what ending returns, and
// calls settle, the one place that decides.
type endState struct {
	read, write error // the final error of each stream; nil until it is decided
	verdict     error // what was left unread after the end turned out to be bad; nil if it did not

	by      party     // the party that decided to close first, for how pulls end
	away    error     // the end that both streams get because the library decided to close
	wanted  bool      // we have decided to close, or to answer the peer's Close
	ours    CloseInfo // what our Close carries
	queued  bool      // our Close is in the outbox: nothing follows it
	sent    bool      // the transport has taken it
	aborted bool      // what was accepted is dropped on purpose
	failed  bool      // the writable was ended in order, with a cause

	peer   *CloseInfo // the peer's Close
	torn   bool       // it came between the frames of a message
	breach error      // a rule that the peer broke; it takes effect once what came before it was pulled
	broken error      // the rule that the peer or a message broke, for which we close
	lost   error      // the transport's error, of the input
	stuck  error      // the transport's error, of the output; the input tells the end
	unsent bool       // data that was accepted will not be sent

	timer    *time.Timer
	late     bool // the time for closing is over
	leaving  bool // CloseNow gives the transport what it takes; nothing more is accepted
	cut      bool // CloseNow
	draining bool // both Close frames have passed: the peer has a second to drop the transport
	over     bool // all has ended
	info     CloseInfo
	err      error // of Closed
	told     error // what endOf made of a peer's code; made once, so that all calls get the same
}

// A party is one that can decide to close. A later one in this list outweighs an earlier one, until the peer's Close
// comes: then the decision stands.
type party uint8

const (
	undecided party = iota
	byLibrary       // a shutdown, or a time that is over
	byProgram       // Close, CloseWrite, Fail, Abort or Cancel
	byPeer          // its Close came before any decision of ours
)

// noEnd is the endState of all connections of whose end nothing is known. It is never written to.
var noEnd endState

// ending returns the endState for an event to note what it knows. It expects mu to be held.
func (c *Conn) ending() *endState {
	if c.end == &noEnd {
		c.end = new(endState)
	}
	return c.end
}

// Close starts the closing handshake with info, and ends the writable in order: what was accepted is sent first.
// The first decision to close counts.
func (c *Conn) Close(info CloseInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endInOrder(c.errs.Closed)
	c.close(info, byProgram)
}

// Finish is Close, unless a close was decided before. Where a Writer's message is open it closes with unfinished instead.
func (c *Conn) Finish(info, unfinished CloseInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.wanted || c.end.over {
		return // that stands
	}
	if c.partial {
		info = unfinished
	}
	c.endInOrder(c.errs.Closed)
	c.close(info, byProgram)
}

// GoAway closes in order because the library decided so, for the reason that rule names. Both streams end with it,
// unless the program decides to close before the peer does.
func (c *Conn) GoAway(info CloseInfo, rule error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.ending(); e.away == nil && !e.wanted && !e.over {
		e.away = c.errs.Coded(CloseInfo{Code: info.Code}, rule)
		c.endInOrder(e.away)
	}
	c.close(info, byLibrary)
}

// Cancel says that nobody wants the input: what is unread is dropped, pulls return io.EOF at once, and the
// connection closes with info unless it does already.
func (c *Conn) Cancel(info CloseInfo) {
	c.dropping.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endRead(io.EOF)
	c.endInOrder(c.errs.Closed)
	c.close(info, byProgram)
}

// Abort drops what was accepted and not begun, fails the writers with cause, and closes with info unless the
// connection does already.
func (c *Conn) Abort(info CloseInfo, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endWrite(cause)
	c.abort()
	c.close(info, byProgram)
}

// Discard drops all input from here on, as it comes.
func (c *Conn) Discard() {
	c.dropping.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.poke()
	c.wake()
}

// close decides to close, unless that was decided before. It expects mu to be held, as all below do that do not
// take it.
func (c *Conn) close(info CloseInfo, by party) {
	e := c.ending()
	if e.peer == nil {
		e.by = max(e.by, by)
	}
	if !e.wanted && !e.over {
		e.wanted, e.ours = true, info
		c.hurry()
	}
	c.flushClose()
	c.wake()
}

// hurry starts the time that closing may take, and sees to it that somebody reads meanwhile.
func (c *Conn) hurry() {
	c.closing.Store(true)
	if e := c.ending(); e.timer == nil && c.closeTimeout > 0 {
		e.timer = time.AfterFunc(c.closeTimeout, c.tooLate)
	}
}

func (c *Conn) tooLate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending().late = true
	c.settle()
}

// flushClose queues our Close once all that was accepted stands before it.
func (c *Conn) flushClose() {
	c.queueClose()
	c.send()
}

func (c *Conn) queueClose() {
	e := c.end
	if e.wanted && !e.queued && !e.over && !c.out.open() && (!c.writing || e.aborted) {
		e.queued = true
		var body [maxControl]byte
		f := c.framer.control(ws.OpClose, appendClose(body[:0], e.ours))
		f.closes = true
		c.out.push(f)
	}
}

// abort drops what was accepted and has not begun to leave.
func (c *Conn) abort() {
	e := c.ending()
	if e.sent || e.over {
		return
	}
	e.aborted = true
	c.failing.Store(true)
	c.dropUnbegun()
	c.recall()
	c.notify()
}

// dropUnbegun drops what the transport has not begun.
func (c *Conn) dropUnbegun() {
	if paid := c.out.drop(); paid > 0 {
		c.writeWindow.Give(paid)
	}
	c.end.queued = c.out.tail != nil && c.out.tail.closes
}

// fail closes because a rule was broken. If the end was decided before, it reports that, and how. What was accepted is
// sent before the Close: it answers what was good. Where it fills the window all is dropped that has not begun to leave,
// so that the peer is told soon. How both streams end is decided by the peer's
// Close, the end of the transport or CloseTimeout, whichever comes first: to close the transport now could
// make the kernel reset it, and our Close would never arrive.
func (c *Conn) fail(code int, rule error) (info CloseInfo, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.ending()
	switch {
	case e.over:
		return e.info, true
	case e.sent && e.peer != nil:
		return *e.peer, true
	}
	if e.broken == nil {
		e.broken = fmt.Errorf("%w; we closed with %d", rule, code)
		if c.writing || c.writeWindow.Credit() <= 0 {
			c.abort()
		}
		if !e.queued {
			e.wanted, e.ours = true, CloseInfo{Code: code, Reason: rule.Error()}
		}
		c.hurry()
		c.flushClose()
	}
	return info, false
}

// peerClosed notes the peer's Close, and answers it with the same code once all that was accepted is sent.
// torn says that it stands between the frames of a message.
func (c *Conn) peerClosed(info CloseInfo, torn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.ending()
	e.peer, e.torn = &info, torn
	answer := CloseInfo{Code: info.Code}
	if answer.Code == CodeNone {
		answer.Code = 0
	}
	if e.by == undecided {
		e.by = byPeer
	}
	c.close(answer, byPeer)
	c.settle()
}

// closeLeft notes that the transport has taken our Close.
func (c *Conn) closeLeft() {
	c.ending().sent = true
	_, secured := c.nc.(*tls.Conn) // whose CloseWrite writes
	if h, ok := c.nc.(interface{ CloseWrite() error }); ok && c.end.broken != nil && !secured {
		go func() { _ = h.CloseWrite() }() // the peer sees the end, whatever it writes; it ends when the transport lets go
	}
	c.settle()
}

// lost notes that the transport gives no more.
func (c *Conn) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // io.EOF is for an end in order
	}
	c.ending().lost = err
	c.settle()
}

// stuck notes that the transport takes no more. That is not the end: the peer's Close may still be on its way,
// and tells more than a write's error.
func (c *Conn) stuck(err error) {
	e := c.ending()
	if e.over || e.stuck != nil {
		return
	}
	e.unsent, e.stuck = c.owed(), err
	c.failing.Store(true)
	c.notify()
	c.hurry()
	c.wake()
	c.settle()
}

// owed reports whether something that was accepted has not left, and was not dropped on purpose.
func (c *Conn) owed() bool {
	return !c.end.aborted && (c.out.held() > 0 || c.writing)
}

// settle decides what can be decided.
func (c *Conn) settle() {
	e := c.end
	switch {
	case e.over:
	case e.peer != nil && e.sent:
		if !e.draining {
			e.err = c.unclean(*e.peer, nil) // made once: it is the same for all
		}
		c.endStreams()
		switch {
		case !c.framer.client || e.lost != nil || e.late || e.cut:
			c.finish(*e.peer, e.err)
		case !e.draining:
			e.draining = true
			c.waitForDrop()
		}
	case e.peer != nil && (e.stuck != nil || e.late || e.cut):
		e.unsent = e.unsent || c.owed()
		c.finish(*e.peer, c.unclean(*e.peer, nil))
	case e.peer != nil:
		// What was accepted and our Close are on their way out.
	case e.lost != nil && e.broken != nil && !e.sent && e.stuck == nil && !e.late && !e.cut:
		// Our Close, which says what was wrong, is on its way out.
	case e.lost != nil:
		c.finish(noClose, c.unclean(noClose, e.lost))
	case e.late && e.stuck != nil:
		c.finish(noClose, c.unclean(noClose, e.stuck))
	case e.late:
		c.finish(noClose, c.unclean(noClose, errLate))
	case e.cut:
		c.finish(noClose, c.unclean(noClose, errCut))
	}
}

var (
	noClose = CloseInfo{Code: CodeAbnormal}

	errLate   = errors.New("the peer sent no Close within our CloseTimeout")
	errCut    = errors.New("we cut the connection")
	errUnsent = errors.New("messages that were accepted could not be sent")
)

// unclean makes the error of an end that is not clean: for cause, or a better reason where there is one.
func (c *Conn) unclean(info CloseInfo, cause error) error {
	switch e := c.end; {
	case e.broken != nil:
		cause = e.broken
	case e.unsent && e.stuck != nil && cause == nil:
		cause = fmt.Errorf("%w: %w", errUnsent, e.stuck)
	case e.unsent && cause == nil:
		cause = errUnsent
	}
	if cause == nil {
		return nil
	}
	return c.errs.Unclean(info, cause)
}

// waitForDrop gives the server a second to drop the transport (RFC 6455, section 7.1.1).
func (c *Conn) waitForDrop() {
	if c.end.timer != nil {
		c.end.timer.Stop()
	}
	c.end.timer = time.AfterFunc(time.Second, c.tooLate)
	c.wake()
}

// finish ends all that has not ended.
func (c *Conn) finish(info CloseInfo, err error) {
	e := c.ending()
	e.over, e.info, e.err = true, info, err
	c.failing.Store(c.failing.Load() || err != nil)
	c.endStreams()
	if e.timer != nil {
		e.timer.Stop()
	}
	if t := c.idle.Load(); t != nil {
		t.Stop()
	}
	c.watch.off()
	c.stall.watch.off()
	if held := c.out.clear(); held > 0 {
		c.writeWindow.Give(held)
	}
	c.notify()
	if e.lost == nil {
		readAway(bare(c.nc))
	}
	switch nc := bare(c.nc).(type) {
	case *net.TCPConn, *net.UnixConn:
		_ = nc.Close()
		c.gone()
	default:
		go c.closeOther(nc) // the transport's: it ends when that lets go
	}
}

// closeOther closes a transport that may wait when it is closed, for the peer even: a type around a tls.Conn writes.
// Methods that wait for nothing take mu, so it is not held.
func (c *Conn) closeOther(nc net.Conn) {
	_ = nc.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone()
	if c.packing != nil {
		c.wake() // the last reader has left, and what was received is let go of now
	}
}

// gone says that the transport is gone. mu must be held.
func (c *Conn) gone() {
	c.done.Close(nil)
	c.forgetSent()
	c.owner.Ended(c.end.info, c.end.err, c.endOf())
}

// bare returns the socket under TLS: tls.Conn.Close writes first, and waits for a peer that does not read.
func bare(nc net.Conn) net.Conn {
	if t, ok := nc.(*tls.Conn); ok {
		return t.NetConn()
	}
	return nc
}

func (c *Conn) endRead(err error) {
	if e := c.ending(); e.read == nil {
		e.read = err
		c.ends.Read.Close(nil)
		c.bringBack()
	}
}

func (c *Conn) endWrite(err error) {
	if e := c.ending(); e.write == nil {
		e.write = err
		c.ends.Write.Close(nil)
		c.writeWindow.Close(err)
		c.recall()
	}
}

// endInOrder ends the writable with err, unless what is going on decides how.
func (c *Conn) endInOrder(err error) {
	if c.end.broken == nil && c.end.stuck == nil {
		c.endWrite(err)
	}
}

func (c *Conn) readEnd() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmp.Or(c.end.verdict, c.end.read)
}

func (c *Conn) writeEnd() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end.write
}

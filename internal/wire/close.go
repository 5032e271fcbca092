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

	by          party     // the party that decided to close first, for how pulls end
	away        error     // the end that both streams get because the library decided to close
	decided     bool      // we have decided to close, or to answer the peer's Close
	ourClose    CloseInfo // what our Close carries
	closeQueued bool      // our Close is in the outbox: nothing follows it
	closeLeft   bool      // the transport has taken it
	aborted     bool      // what was accepted is dropped on purpose
	failed      bool      // the writable was ended in order, with a cause

	peerClose   *CloseInfo // the peer's Close
	tornMessage bool       // it came between the frames of a message
	breach      error      // a rule that the peer broke; it takes effect once what came before it was pulled
	broken      error      // the rule that the peer or a message broke, for which we close
	lost        error      // the transport's error, of the input
	stuck       error      // the transport's error, of the output; the input tells the end
	unsent      bool       // data that was accepted will not be sent

	timer     *time.Timer
	late      bool // the time for closing is over
	leaving   bool // CloseNow gives the transport what it takes; nothing more is accepted
	cut       bool // CloseNow
	draining  bool // both Close frames have passed: the peer has a second to drop the transport
	over      bool // all has ended
	info      CloseInfo
	err       error // of Closed
	codedOnce error // what endOf made of a peer's code; made once, so that all calls get the same
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

// Close starts the closing handshake with info, and ends the writable in order: what was accepted is sent first.
// The first decision to close counts.
func (c *Conn) Close(info CloseInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endInOrderLocked(c.errs.Closed)
	c.closeRelocks(info, byProgram)
}

// Finish is Close, unless a close was decided before. Where a Writer's message is open it closes with unfinished instead.
func (c *Conn) Finish(info, unfinished CloseInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.facts().decided || c.end.facts().over {
		return // that stands
	}
	if c.send.writerOpen {
		info = unfinished
	}
	c.endInOrderLocked(c.errs.Closed)
	c.closeRelocks(info, byProgram)
}

// GoAway closes in order because the library decided so, for the reason that rule names. Both streams end with it,
// unless the program decides to close before the peer does.
func (c *Conn) GoAway(info CloseInfo, rule error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.end.note(); e.away == nil && !e.decided && !e.over {
		e.away = c.errs.Coded(CloseInfo{Code: info.Code}, rule)
		c.endInOrderLocked(e.away)
	}
	c.closeRelocks(info, byLibrary)
}

// Cancel says that nobody wants the input: what is unread is dropped, pulls return io.EOF at once, and the
// connection closes with info unless it does already.
func (c *Conn) Cancel(info CloseInfo) {
	c.reads.dropping.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endReadLocked(io.EOF)
	c.endInOrderLocked(c.errs.Closed)
	c.closeRelocks(info, byProgram)
}

// Abort drops what was accepted and not begun, fails the writers with cause, and closes with info unless the
// connection does already.
func (c *Conn) Abort(info CloseInfo, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endWriteLocked(cause)
	c.abortLocked()
	c.closeRelocks(info, byProgram)
}

// Discard drops all input from here on, as it comes.
func (c *Conn) Discard() {
	c.reads.dropping.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recallReadLocked()
	c.requestReader()
}

// close decides to close, unless that was decided before. It expects mu to be held, as all below do that do not
// take it.
func (c *Conn) closeRelocks(info CloseInfo, by party) {
	e := c.end.note()
	if e.peerClose == nil {
		e.by = max(e.by, by)
	}
	if !e.decided && !e.over {
		e.decided, e.ourClose = true, info
		c.hurryLocked()
	}
	c.flushClose()
	c.requestReader()
}

// hurry starts the time that closing may take, and sees to it that somebody reads meanwhile.
func (c *Conn) hurryLocked() {
	c.background.closing.Store(true)
	if e := c.end.note(); e.timer == nil && c.closeTimeout > 0 {
		e.timer = time.AfterFunc(c.closeTimeout, c.tooLate)
	}
}

func (c *Conn) tooLate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end.note().late = true
	c.settleLocked()
}

// flushClose queues our Close once all that was accepted stands before it.
func (c *Conn) flushClose() {
	c.queueCloseLocked()
	c.sendRelocks()
}

func (c *Conn) queueCloseLocked() {
	e := c.end.facts()
	if e.decided && !e.closeQueued && !e.over && !c.send.out.insideFrame() && (!c.send.encoding || e.aborted) {
		e.closeQueued = true
		var body [maxControl]byte
		f := c.send.framer.control(ws.OpClose, appendClose(body[:0], e.ourClose))
		f.closes = true
		c.send.out.push(f)
	}
}

// abort drops what was accepted and has not begun to leave.
func (c *Conn) abortLocked() {
	e := c.end.note()
	if e.closeLeft || e.over {
		return
	}
	e.aborted = true
	c.failing.Store(true)
	c.dropUnbegunLocked()
	c.recallWriteLocked()
	c.notifyLocked()
}

// dropUnbegun drops what the transport has not begun.
func (c *Conn) dropUnbegunLocked() {
	if paid := c.send.out.dropUnbegun(); paid > 0 {
		c.writeWindow.Give(paid)
	}
	c.end.facts().closeQueued = c.send.out.tail != nil && c.send.out.tail.closes
}

// fail closes because a rule was broken. If the end was decided before, it reports that, and how. What was accepted is
// sent before the Close: it answers what was good. Where it fills the window all is dropped that has not begun to leave,
// so that the peer is told soon. How both streams end is decided by the peer's
// Close, the end of the transport or CloseTimeout, whichever comes first: to close the transport now could
// make the kernel reset it, and our Close would never arrive.
func (c *Conn) fail(code int, rule error) (info CloseInfo, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.end.note()
	switch {
	case e.over:
		return e.info, true
	case e.closeLeft && e.peerClose != nil:
		return *e.peerClose, true
	}
	if e.broken == nil {
		e.broken = fmt.Errorf("%w; we closed with %d", rule, code)
		if c.send.encoding || c.writeWindow.Credit() <= 0 {
			c.abortLocked()
		}
		if !e.closeQueued {
			e.decided, e.ourClose = true, CloseInfo{Code: code, Reason: rule.Error()}
		}
		c.hurryLocked()
		c.flushClose()
	}
	return info, false
}

// peerClosed notes the peer's Close, and answers it with the same code once all that was accepted is sent.
// torn says that it stands between the frames of a message.
func (c *Conn) peerClosed(info CloseInfo, torn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.end.note()
	e.peerClose, e.tornMessage = &info, torn
	answer := CloseInfo{Code: info.Code}
	if answer.Code == CodeNone {
		answer.Code = 0
	}
	if e.by == undecided {
		e.by = byPeer
	}
	c.closeRelocks(answer, byPeer)
	c.settleLocked()
}

// closeLeft notes that the transport has taken our Close.
func (c *Conn) closeLeftLocked() {
	c.end.note().closeLeft = true
	_, secured := c.nc.(*tls.Conn) // whose CloseWrite writes
	if h, ok := c.nc.(interface{ CloseWrite() error }); ok && c.end.facts().broken != nil && !secured {
		go func() { _ = h.CloseWrite() }() // the peer sees the end, whatever it writes; it ends when the transport lets go
	}
	c.settleLocked()
}

// lost notes that the transport gives no more.
func (c *Conn) inputFailed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // io.EOF is for an end in order
	}
	c.end.note().lost = err
	c.settleLocked()
}

// stuck notes that the transport takes no more. That is not the end: the peer's Close may still be on its way,
// and tells more than a write's error.
func (c *Conn) outputFailedLocked(err error) {
	e := c.end.note()
	if e.over || e.stuck != nil {
		return
	}
	e.unsent, e.stuck = c.owedLocked(), err
	c.failing.Store(true)
	c.notifyLocked()
	c.hurryLocked()
	c.requestReader()
	c.settleLocked()
}

// owed reports whether something that was accepted has not left, and was not dropped on purpose.
func (c *Conn) owedLocked() bool {
	return !c.end.facts().aborted && (c.send.out.held() > 0 || c.send.encoding)
}

// settle decides what can be decided.
func (c *Conn) settleLocked() {
	e := c.end.facts()
	switch {
	case e.over:
	case e.peerClose != nil && e.closeLeft:
		if !e.draining {
			e.err = c.uncleanLocked(*e.peerClose, nil) // made once: it is the same for all
		}
		c.endStreamsLocked()
		switch {
		case !c.send.framer.client || e.lost != nil || e.late || e.cut:
			c.finishLocked(*e.peerClose, e.err)
		case !e.draining:
			e.draining = true
			c.waitForDropLocked()
		}
	case e.peerClose != nil && (e.stuck != nil || e.late || e.cut):
		e.unsent = e.unsent || c.owedLocked()
		c.finishLocked(*e.peerClose, c.uncleanLocked(*e.peerClose, nil))
	case e.peerClose != nil:
		// What was accepted and our Close are on their way out.
	case e.lost != nil && e.broken != nil && !e.closeLeft && e.stuck == nil && !e.late && !e.cut:
		// Our Close, which says what was wrong, is on its way out.
	case e.lost != nil:
		c.finishLocked(noClose, c.uncleanLocked(noClose, e.lost))
	case e.late && e.stuck != nil:
		c.finishLocked(noClose, c.uncleanLocked(noClose, e.stuck))
	case e.late:
		c.finishLocked(noClose, c.uncleanLocked(noClose, errLate))
	case e.cut:
		c.finishLocked(noClose, c.uncleanLocked(noClose, errCut))
	}
}

var (
	noClose = CloseInfo{Code: CodeAbnormal}

	errLate   = errors.New("the peer sent no Close within our CloseTimeout")
	errCut    = errors.New("we cut the connection")
	errUnsent = errors.New("messages that were accepted could not be sent")
)

// unclean makes the error of an end that is not clean: for cause, or a better reason where there is one.
func (c *Conn) uncleanLocked(info CloseInfo, cause error) error {
	switch e := c.end.facts(); {
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
func (c *Conn) waitForDropLocked() {
	if c.end.facts().timer != nil {
		c.end.facts().timer.Stop()
	}
	c.end.facts().timer = time.AfterFunc(time.Second, c.tooLate)
	c.requestReader()
}

// finish ends all that has not ended.
func (c *Conn) finishLocked(info CloseInfo, err error) {
	e := c.end.note()
	e.over, e.info, e.err = true, info, err
	c.failing.Store(c.failing.Load() || err != nil)
	c.endStreamsLocked()
	if e.timer != nil {
		e.timer.Stop()
	}
	if t := c.background.timer.Load(); t != nil {
		t.Stop()
	}
	c.wait.watch.off()
	c.send.stalled().watch.off()
	if held := c.send.out.clear(); held > 0 {
		c.writeWindow.Give(held)
	}
	c.notifyLocked()
	if e.lost == nil {
		drainReceived(socketOf(c.nc))
	}
	switch nc := socketOf(c.nc).(type) {
	case *net.TCPConn, *net.UnixConn:
		_ = nc.Close()
		c.goneLocked()
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
	c.goneLocked()
	if c.compression != nil {
		c.requestReader() // the last reader has left, and what was received is let go of now
	}
}

// gone says that the transport is gone. mu must be held.
func (c *Conn) goneLocked() {
	c.end.done.Close(nil)
	c.freeDeflater()
	c.owner.Ended(c.end.facts().info, c.end.facts().err, c.outcomeLocked())
}

// bare returns the socket under TLS: tls.Conn.Close writes first, and waits for a peer that does not read.
func socketOf(nc net.Conn) net.Conn {
	if t, ok := nc.(*tls.Conn); ok {
		return t.NetConn()
	}
	return nc
}

func (c *Conn) endReadLocked(err error) {
	if e := c.end.note(); e.read == nil {
		e.read = err
		c.end.streams.Read.Close(nil)
		c.stopReadWaitLocked()
	}
}

func (c *Conn) endWriteLocked(err error) {
	if e := c.end.note(); e.write == nil {
		e.write = err
		c.end.streams.Write.Close(nil)
		c.writeWindow.Close(err)
		c.recallWriteLocked()
	}
}

// endInOrder ends the writable with err, unless what is going on decides how.
func (c *Conn) endInOrderLocked(err error) {
	if c.end.facts().broken == nil && c.end.facts().stuck == nil {
		c.endWriteLocked(err)
	}
}

func (c *Conn) readEnd() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmp.Or(c.end.facts().verdict, c.end.facts().read)
}

func (c *Conn) writeEnd() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end.facts().write
}

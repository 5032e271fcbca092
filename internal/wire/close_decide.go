package wire

import (
	"errors"
	"fmt"
	"net"
)

var (
	noClose = CloseInfo{Code: CodeAbnormal}

	errLate   = errors.New("the peer sent no Close within our CloseTimeout")
	errCut    = errors.New("we cut the connection")
	errUnsent = errors.New("messages that were accepted could not be sent")
)

// settleLocked decides everything that the known facts decide. Its caller has noted a new fact.
func (c *Conn) settleLocked() {
	e := c.end.note()
	switch {
	case e.over:
	case e.peerClose != nil && e.closeLeft:
		c.settleClosedLocked()
	case e.peerClose != nil && (e.stuck != nil || e.late || e.cut):
		e.unsent = e.unsent || c.owesLocked()
		c.finishLocked(*e.peerClose, c.uncleanLocked(*e.peerClose, nil))
	case e.peerClose != nil:
		// Wait: what was accepted, and our Close, have not left yet.
	case e.lost != nil && e.broken != nil && !e.closeLeft && e.stuck == nil && !e.late && !e.cut:
		// Wait: our Close, which tells the peer what was wrong, has not left yet.
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

// settleClosedLocked ends both streams, since both Close frames have passed. A client then waits
// for the server to drop the transport.
func (c *Conn) settleClosedLocked() {
	e := c.end.note()
	if !e.draining {
		e.err = c.uncleanLocked(*e.peerClose, nil) // made once: it is the same for all
	}
	c.endStreamsLocked()
	switch {
	case !c.send.framer.client || e.lost != nil || e.late || e.cut:
		c.finishLocked(*e.peerClose, e.err)
	case !e.draining:
		e.draining = true
		c.awaitDropLocked()
	}
}

// uncleanLocked makes the error of an end that is not clean. The reason in it is cause, unless a
// better reason is known. If there is no reason, uncleanLocked returns nil.
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
	return c.owner.Errors().Unclean(info, cause)
}

// finishLocked ends all that has not ended, and closes the transport.
func (c *Conn) finishLocked(info CloseInfo, err error) {
	e := c.end.note()
	e.over, e.info, e.err = true, info, err
	if err != nil {
		c.flags.set(isFailing)
	}
	c.endStreamsLocked()
	if e.timer != nil {
		e.timer.Stop()
	}
	if t := c.idle.Load(); t != nil {
		t.Stop()
	}
	c.stopAliveLocked()
	c.wait.watch.off()
	c.send.stalled().watch.off()
	c.writeWindow.Give(c.send.out.clear())
	c.notifyLocked()
	if c.watchable != nil {
		c.watchable.leave()
	}
	socket := socketOf(c.nc)
	if e.lost == nil && !e.emptied {
		drainReceived(socket)
	}
	switch socket.(type) {
	case *net.TCPConn, *net.UnixConn:
		_ = socket.Close()
		c.goneLocked()
	default:
		go c.closeOther(socket) // the transport's: it ends when that returns
	}
}

// closeOther closes a transport that may wait when it is closed, even for the peer: a type around a
// tls.Conn writes. mu is not held meanwhile, since methods that must not wait lock it.
func (c *Conn) closeOther(nc net.Conn) {
	_ = nc.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.goneLocked()
	if c.compression != nil {
		c.requestReader() // the last reader has left: the inflater is freed now
	}
}

// goneLocked notes that the transport is closed.
func (c *Conn) goneLocked() {
	c.end.done.Close()
	c.freeDeflater()
	e := c.end.facts()
	c.owner.Ended(e.info, e.err, c.outcomeLocked())
}

func (c *Conn) endReadLocked(err error) {
	if e := c.end.note(); e.read == nil {
		e.read = err
		c.end.streams.Read.Close()
		c.stopReadLocked()
		c.wakeHandler()
	}
}

func (c *Conn) endWriteLocked(err error) {
	if e := c.end.note(); e.write == nil {
		e.write = err
		c.end.streams.Write.Close()
		c.writeWindow.Close(err)
		c.recallWriteLocked()
	}
}

// endInOrderLocked ends the writable with err, unless a broken rule or a failed transport decides
// its end.
func (c *Conn) endInOrderLocked(err error) {
	if e := c.end.facts(); e.broken == nil && e.stuck == nil {
		c.endWriteLocked(err)
	}
}

// endStreamsLocked ends both streams, unless they have ended before.
func (c *Conn) endStreamsLocked() {
	end := c.outcomeLocked()
	c.endReadLocked(end)
	c.endWriteLocked(c.writableEnd(end))
}

package wire

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"time"
)

// A keepalive decides whether the peer is alive, and whether the connection is in use. It has no
// goroutine. Its timer is armed for the next event that is due. When the timer fires, checkAlive
// looks at the times that reading and writing have noted. If no option needs a keepalive, there is
// none, and nothing is noted.
//
// docs/windows.md lists what it costs for 10,000 idle connections (BenchmarkIdle).
type keepalive struct {
	ping, pong, idle, stall time.Duration // of Config; 0 for none
	readStall               time.Duration // ReadTimeout of Config; 0 for none
	patience                time.Duration // a window unread for so long: ask the kernel for an error
	step                    int           // bytes of a flusher's write, so that progress is seen

	// Guarded by the Conn's mu.
	timer       *time.Timer // nil until something is due
	due         instant     // when checkAlive must run at the latest; 0 for never
	heard       instant     // when the peer's last byte came
	leftAt      instant     // when we last stopped listening
	listensFrom instant     // since when we listen, gaps shorter than shortAbsence ignored
	pinged      instant     // when our last ping left
	asked       *ping       // the ping that must be answered; nil for none
	active      instant     // the last sign of a message, in either direction
	progress    uint64      // of the inbox, when we last began to listen
	messages    int64       // that were received by then
	full        instant     // since when nothing was pulled from a full window; 0 if it is not full
	at          position    // of the input then
	moved       instant     // when the transport last took something, or was first offered it
	acked       uint64      // bytes that the peer's kernel had at the last check, if ours tells
	unread      bool        // no call had pulled all bytes when we last began to listen
	offered     bool        // the transport has not taken all that it was offered
}

// A position is where the input of a connection is. It changes with each byte that is read or
// pulled.
type position struct {
	held     int
	messages int64
	progress uint64
}

// newKeepalive returns nil if no option needs a keepalive.
func newKeepalive(nc net.Conn, cfg *Config) *keepalive {
	if !cfg.limitsSilence() {
		return nil
	}
	k := &keepalive{
		ping:      max(cfg.PingInterval, 0),
		pong:      max(cfg.PongTimeout, 0),
		idle:      max(cfg.IdleTimeout, 0),
		stall:     max(cfg.StallTimeout, 0),
		readStall: max(cfg.ReadTimeout, 0),
		step:      math.MaxInt,
	}
	if k.ping > 0 {
		k.patience = cmp.Or(k.pong, k.ping)
	}
	for _, d := range []time.Duration{k.idle, k.stall, k.readStall} {
		if d > 0 && (k.patience == 0 || d < k.patience) {
			k.patience = d
		}
	}
	if _, _, ok := tcpProgress(nc); !ok && k.stall > 0 {
		k.step = stallStep
	}
	t := clock()
	k.heard, k.leftAt, k.listensFrom, k.active = t, t, t, t
	return k
}

// Reading and writing call the next functions, to note what happens.

// listeningLocked notes that the holder of readGate waits for the transport from here on.
func (c *Conn) listeningLocked() {
	k, now := c.alive, clock()
	if now.sub(k.leftAt) > shortAbsence {
		k.listensFrom = now // what came meanwhile is yet to be read
	}
	r := &c.recv
	if r.in.progress != k.progress || r.received.messages != k.messages {
		k.progress, k.messages, k.active = r.in.progress, r.received.messages, now
	}
	k.unread = r.window.Held() > 0
}

// heardOf notes that the holder of readGate is back, with n bytes.
func (k *keepalive) heardOf(n int) {
	k.leftAt = clock()
	if n > 0 {
		k.heard = k.leftAt
	}
}

// gave notes that the transport has taken something. paid is how many bytes of messages it has
// taken. all says that nothing is left.
func (k *keepalive) gave(paid int, all bool) {
	k.moved = clock()
	if all {
		k.offered = false
	}
	if paid > 0 {
		k.active = k.moved
	}
}

// offeredLocked notes that a goroutine is about to wait until the transport takes something.
func (c *Conn) offeredLocked() {
	if k := c.alive; k.stall > 0 && !k.offered {
		k.offered, k.moved = true, clock()
		c.dueByLocked(k.moved.add(k.stall / checks))
	}
}

// beginAlive begins to judge the peer, as Start begins to read. A peer that does nothing is due
// after the shorter of two times: then it is pinged, or the connection counts as idle. For a read
// window that is full already, checkAlive runs once this goroutine has released readGate.
func (c *Conn) beginAlive() {
	k := c.alive
	switch {
	case c.recv.window.Credit() <= 0:
		c.checkWithin(idleWait)
	case k.ping > 0 && (k.idle == 0 || k.ping < k.idle):
		c.checkWithin(k.ping)
	case k.idle > 0:
		c.checkWithin(k.idle)
	}
}

// checkWithin makes sure that checkAlive runs within d: because the connection has begun, or a
// background reader has filled the read window. checkAlive then finds out what is due next.
func (c *Conn) checkWithin(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stoppedLocked() {
		c.dueByLocked(clock().add(d))
	}
}

// dueByLocked makes sure that checkAlive runs at t at the latest.
func (c *Conn) dueByLocked(t instant) {
	if k := c.alive; k.due == 0 || t < k.due {
		k.due = t
		c.armLocked()
	}
}

// armLocked arms the timer for what is due.
func (c *Conn) armLocked() {
	k := c.alive
	if d := k.due.sub(clock()); k.timer == nil {
		k.timer = time.AfterFunc(d, c.checkAlive)
	} else {
		k.timer.Reset(d)
	}
}

// stopAliveLocked stops the timer.
func (c *Conn) stopAliveLocked() {
	if k := c.alive; k != nil && k.timer != nil {
		k.timer.Stop()
	}
}

// The timer calls the next functions.

// checkAlive closes the connection if a limit has passed. It runs when the timer fires.
func (c *Conn) checkAlive() {
	at, full := c.checkFull()
	c.mu.Lock()
	c.noteFullLocked(at, full)
	code, rule := c.judgeRelocks()
	c.mu.Unlock()
	switch {
	case code == CodeAbnormal:
		c.inputFailed(rule)
	case rule == nil:
	case code == CodeGoingAway:
		c.GoAway(CloseInfo{Code: code, Reason: rule.Error()}, rule)
	default:
		c.fail(code, rule)
	}
}

// checkFull reports whether the read window is full and no call reads, and returns the position of
// the input.
func (c *Conn) checkFull() (at position, full bool) {
	if !c.readGate.TryLock() {
		return at, false
	}
	c.account()
	r := &c.recv
	at = position{r.window.Held(), r.received.messages, r.in.progress}
	full = r.window.Credit() <= 0 && !r.eof && !r.in.sealed && !c.flags.has(isDropping)
	c.leaveRead()
	return at, full
}

// noteFullLocked notes since when the read window is full and nothing is pulled. It makes sure that
// checkAlive runs meanwhile.
func (c *Conn) noteFullLocked(at position, full bool) {
	switch k := c.alive; {
	case !full:
		k.full = 0
	case k.full == 0 || k.at != at:
		k.full, k.at = clock(), at
		k.due = first(k.due, k.full.add(k.patience))
	}
}

// judgeRelocks returns the reason to close, with CodeAbnormal if the transport is lost. If there is
// none, it arms the timer for what is due next. Once a close is decided, CloseTimeout alone limits
// it.
func (c *Conn) judgeRelocks() (code int, rule error) {
	k := c.alive
	if c.stoppedLocked() {
		return 0, nil
	}
	if k.due != 0 && clock() < k.due {
		c.armLocked()
		return 0, nil
	}
	answer, rule := c.judgeAnswerRelocks()
	if rule != nil {
		return CodePolicy, rule
	}
	progress, rule := c.judgeProgressLocked()
	if rule != nil {
		return CodePolicy, rule
	}
	message, rule := c.judgeMessageLocked()
	if rule != nil {
		return CodeGoingAway, rule
	}
	reader, code, rule := c.judgeReaderLocked()
	if rule != nil {
		return code, rule
	}
	if k.due = first(answer, progress, message, reader); k.due != 0 {
		c.armLocked()
	}
	return 0, nil
}

// judgeAnswerRelocks pings a peer when one direction has been silent for PingInterval, and waits
// for a sign of life. It returns when to check again. While we do not read ourselves, it neither
// pings nor judges the peer.
func (c *Conn) judgeAnswerRelocks() (due instant, rule error) {
	k, now := c.alive, clock()
	if k.ping == 0 {
		return due, nil
	}
	p := k.asked
	if p != nil && (p.answered || p.left != 0 && (k.heard >= p.left || k.pong == 0)) {
		c.send.pings.forget(p)
		p, k.asked = nil, nil
	}
	switch {
	case p == nil:
		silent := first(k.heard, c.send.given)
		due = max(k.listensFrom, k.pinged, silent).add(k.ping)
	case p.left == 0:
		return due, nil // it waits behind a frame; pingLeftLocked goes on
	default:
		due = max(k.listensFrom, p.left).add(k.pong)
	}
	switch {
	case now < due && p != nil:
		return first(due, now.add(k.ping)), nil // once it is answered, the next ping is due earlier
	case now < due:
		return due, nil
	case !c.wait.listens():
		return now.add(min(k.ping, max(k.pong, idleWait)) / checks), nil
	case p == nil:
		k.asked = c.newPingLocked()
		c.sendRelocks()
		return c.judgeAnswerRelocks()
	case c.behindLocked(p):
		return now.add(k.pong), nil
	}
	return due, fmt.Errorf("received no pong, nor anything else, within our PongTimeout of %v", k.pong)
}

// judgeProgressLocked returns when to check again a peer that does not take what waits for it.
func (c *Conn) judgeProgressLocked() (due instant, rule error) {
	k, now := c.alive, clock()
	if k.stall == 0 || !k.offered {
		return due, nil // offeredLocked goes on
	}
	acked, _, ok := tcpProgress(c.nc)
	if ok && acked != k.acked {
		k.acked, k.moved = acked, now
	}
	if due = k.moved.add(k.stall); now >= due {
		return due, fmt.Errorf(
			"the peer took nothing of what waits for it within our WriteStallTimeout of %v", k.stall)
	}
	return first(due, now.add(k.stall/checks)), nil
}

// judgeMessageLocked returns when to check again a connection without messages. It is in use while
// something is unread or unsent.
func (c *Conn) judgeMessageLocked() (due instant, rule error) {
	k, now := c.alive, clock()
	if k.idle == 0 {
		return due, nil
	}
	if k.unread || c.wait.kind == notWaiting || c.send.out.held() > 0 || c.send.encoding {
		k.active = now
	}
	if due = k.active.add(k.idle); now >= due {
		return due, fmt.Errorf("no message came or went within our IdleTimeout of %v", k.idle)
	}
	return due, nil
}

// judgeReaderLocked returns when to check again a full read window from which nothing is pulled.
// Reading does not notice that its peer is lost. The peer is lost if the kernel has noted an error,
// for example of a reset; a plain FIN is none. Bytes in the kernel's buffer are lost with the
// connection. So the kernel is not asked while the program pulls, however slowly.
func (c *Conn) judgeReaderLocked() (due instant, code int, rule error) {
	k, now := c.alive, clock()
	if k.full == 0 {
		return due, 0, nil
	}
	if now.sub(k.full) >= k.patience {
		if err := socketError(c.nc); err != nil {
			return due, CodeAbnormal, err
		}
	}
	if k.readStall > 0 && now.sub(k.full) >= k.readStall {
		return due, CodePolicy, fmt.Errorf(
			"nothing was pulled from a full ReadWindow within our ReadStallTimeout of %v", k.readStall)
	}
	due = max(k.full.add(k.patience), now.add(k.patience/checks))
	if k.readStall > 0 {
		due = first(due, k.full.add(k.readStall))
	}
	return due, 0, nil
}

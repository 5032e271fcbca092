package wire

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"time"
)

// A keepalive decides whether the peer is alive, and whether the connection is in use. It has no
// goroutine and no timer of its own. It shares the Conn's one timer, which is armed for the next
// event that is due. When the timer fires, checkAlive looks at the times that reading and writing
// have noted. If no option needs a keepalive, there is none, and nothing is noted.
//
// docs/windows.md lists what it costs for 10,000 idle connections (BenchmarkIdle).
type keepalive struct {
	ping, pong, idle, stall time.Duration // of Config; 0 for none
	readStall               time.Duration // ReadTimeout of Config; 0 for none
	patience                time.Duration // a window unread for so long: ask the kernel for an error
	step                    int           // bytes of a flusher's write, so that progress is seen

	// Guarded by the Conn's mu.
	due         time.Time // when checkAlive must run at the latest; zero for never
	heard       time.Time // when the peer's last byte came
	leftAt      time.Time // when we last stopped listening
	listensFrom time.Time // since when we listen, gaps shorter than shortAbsence ignored
	pinged      time.Time // when our last ping left
	asked       *ping     // the ping that must be answered; nil for none
	active      time.Time // the last sign of a message, in either direction
	progress    uint64    // of the inbox, when we last began to listen
	messages    int64     // that were received by then
	unread      bool      // there were bytes by then that no call had pulled
	full        time.Time // since when nothing was pulled from a full window; zero if it is not full
	at          position  // of the input then
	offered     bool      // the transport has not taken all that it was offered
	moved       time.Time // when the transport last took something, or was first offered it
	acked       uint64    // bytes that the peer's kernel had at the last check, if ours tells
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
	now := time.Now()
	k.heard, k.leftAt, k.listensFrom, k.active = now, now, now, now
	return k
}

// Reading and writing call the next functions, to note what happens.

// listeningLocked notes that the holder of readGate waits for the transport from here on.
func (c *Conn) listeningLocked() {
	k, now := c.alive, time.Now()
	if now.Sub(k.leftAt) > shortAbsence {
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
	k.leftAt = time.Now()
	if n > 0 {
		k.heard = k.leftAt
	}
}

// gave notes that the transport has taken something. paid is how many bytes of messages it has
// taken. all says that nothing is left.
func (k *keepalive) gave(paid int, all bool) {
	k.moved = time.Now()
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
		k.offered, k.moved = true, time.Now()
		c.dueByLocked(k.moved.Add(k.stall / checks))
	}
}

// checkWithin makes sure that checkAlive runs within d: because the connection has begun, or a
// background reader has filled the read window. checkAlive then finds out what is due next.
func (c *Conn) checkWithin(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stoppedLocked() {
		c.dueByLocked(time.Now().Add(d))
	}
}

// dueByLocked makes sure that checkAlive runs at t at the latest.
func (c *Conn) dueByLocked(t time.Time) {
	if k := c.alive; k.due.IsZero() || t.Before(k.due) {
		k.due = t
		c.armLocked()
	}
}

// armLocked arms the Conn's timer for what is due. If the timer is to start a background reader, it
// first fires for that.
func (c *Conn) armLocked() {
	timer := c.background.timer.Load()
	timer.Reset(time.Until(c.alive.due))
	if c.watchable == nil && c.flags.has(isArmed) {
		timer.Reset(idleTick()) // it may have been armed for the reader just before
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
	c.releaseRead()
	c.readIfRequested()
	return at, full
}

// noteFullLocked notes since when the read window is full and nothing is pulled. It makes sure that
// checkAlive runs meanwhile.
func (c *Conn) noteFullLocked(at position, full bool) {
	switch k := c.alive; {
	case !full:
		k.full = time.Time{}
	case k.full.IsZero() || k.at != at:
		k.full, k.at = time.Now(), at
		k.due = first(k.due, k.full.Add(k.patience))
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
	if !k.due.IsZero() && time.Now().Before(k.due) {
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
	if k.due = first(answer, progress, message, reader); !k.due.IsZero() {
		c.armLocked()
	}
	return 0, nil
}

// judgeAnswerRelocks pings a peer when one direction has been silent for PingInterval, and waits
// for a sign of life. It returns when to check again. While we do not read ourselves, it neither
// pings nor judges the peer.
func (c *Conn) judgeAnswerRelocks() (due time.Time, rule error) {
	k, now := c.alive, time.Now()
	if k.ping == 0 {
		return due, nil
	}
	p := k.asked
	if p != nil && (p.answered || !p.left.IsZero() && (!k.heard.Before(p.left) || k.pong == 0)) {
		c.send.pings.forget(p)
		p, k.asked = nil, nil
	}
	switch {
	case p == nil:
		silent := first(k.heard, epoch.Add(c.send.given))
		due = last(k.listensFrom, k.pinged, silent).Add(k.ping)
	case p.left.IsZero():
		return due, nil // it waits behind a frame; pingLeftLocked goes on
	default:
		due = last(k.listensFrom, p.left).Add(k.pong)
	}
	switch {
	case now.Before(due) && p != nil:
		return first(due, now.Add(k.ping)), nil // once it is answered, the next ping is due earlier
	case now.Before(due):
		return due, nil
	case !c.wait.listens():
		return now.Add(min(k.ping, max(k.pong, idleWait)) / checks), nil
	case p == nil:
		k.asked = c.newPingLocked()
		c.sendRelocks()
		return c.judgeAnswerRelocks()
	case c.behindLocked(p):
		return now.Add(k.pong), nil
	}
	return due, fmt.Errorf("received no pong, nor anything else, within our PongTimeout of %v", k.pong)
}

// judgeProgressLocked returns when to check again a peer that does not take what waits for it.
func (c *Conn) judgeProgressLocked() (due time.Time, rule error) {
	k, now := c.alive, time.Now()
	if k.stall == 0 || !k.offered {
		return due, nil // offeredLocked goes on
	}
	acked, _, ok := tcpProgress(c.nc)
	if ok && acked != k.acked {
		k.acked, k.moved = acked, now
	}
	if due = k.moved.Add(k.stall); !now.Before(due) {
		return due, fmt.Errorf(
			"the peer took nothing of what waits for it within our WriteStallTimeout of %v", k.stall)
	}
	return first(due, now.Add(k.stall/checks)), nil
}

// judgeMessageLocked returns when to check again a connection without messages. It is in use while
// something is unread or unsent.
func (c *Conn) judgeMessageLocked() (due time.Time, rule error) {
	k, now := c.alive, time.Now()
	if k.idle == 0 {
		return due, nil
	}
	if k.unread || c.wait.kind == notWaiting || c.send.out.held() > 0 || c.send.encoding {
		k.active = now
	}
	if due = k.active.Add(k.idle); !now.Before(due) {
		return due, fmt.Errorf("no message came or went within our IdleTimeout of %v", k.idle)
	}
	return due, nil
}

// judgeReaderLocked returns when to check again a full read window from which nothing is pulled.
// Reading does not notice that its peer is lost. The peer is lost if the kernel has noted an error,
// for example of a reset; a plain FIN is none. Bytes in the kernel's buffer are lost with the
// connection. So the kernel is not asked while the program pulls, however slowly.
func (c *Conn) judgeReaderLocked() (due time.Time, code int, rule error) {
	k, now := c.alive, time.Now()
	if k.full.IsZero() {
		return due, 0, nil
	}
	if now.Sub(k.full) >= k.patience {
		if err := socketError(c.nc); err != nil {
			return due, CodeAbnormal, err
		}
	}
	if k.readStall > 0 && now.Sub(k.full) >= k.readStall {
		return due, CodePolicy, fmt.Errorf(
			"nothing was pulled from a full ReadWindow within our ReadStallTimeout of %v", k.readStall)
	}
	due = last(k.full.Add(k.patience), now.Add(k.patience/checks))
	if k.readStall > 0 {
		due = first(due, k.full.Add(k.readStall))
	}
	return due, 0, nil
}

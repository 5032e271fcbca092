package wire

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"time"
)

// A keepalive is what a connection needs to tell whether its peer still lives and whether it is of use. It has no
// goroutine and no timer: it shares the one timer of its connection, which is armed for whatever is due next, and looks
// at what the reading and the writing have noted when that fires. Nothing is noted, and no clock asked, where no option
// wants it.
//
// What it costs for 10,000 connections at rest (BenchmarkIdle, 2 cores, both ends in the process) stands in
// docs/windows.md.
type keepalive struct {
	ping, pong, idle, stall time.Duration // of Config; 0: none
	readStall               time.Duration // of Config: ReadTimeout
	patience                time.Duration // a full window unread for so long: ask the kernel
	step                    int           // bytes that a flusher gives at once, so that progress is seen

	// Guarded by the Conn's mu.
	due          time.Time // when look has to run at the latest; zero: never
	heard        time.Time // the peer's last byte
	leftAt       time.Time // when we last stopped listening
	listensSince time.Time // since when we have been listening, but for moments
	pinged       time.Time // when our last ping had left
	asked        *ping     // that which has to be answered; nil for none
	active       time.Time // the last sign of a message, either way
	progress     uint64    // of the inbox when we last began to listen
	messages     int64     // messages received, then
	unread       bool      // there were bytes that nobody had pulled, then
	full         time.Time // since when nothing was pulled from a full window; zero: it is not full
	at           position  // where the input stood then
	offered      bool      // the transport has not taken all that it was offered
	moved        time.Time // when it last took something, or was first offered it
	acked        uint64    // what the peer's kernel had of it at the last look, where ours tells
}

// A position is where the input of a connection stands: it changes with every byte that is read or
// pulled.
type position struct {
	held     int
	messages int64
	progress uint64
}

// smallStep is what a peer has to take within StallTimeout where the kernel does not tell of less.
const smallStep = 4 << 10

// moment is how long a reader may be away from the transport, between two reads, and still count as listening.
const shortAbsence = 10 * idleWait

// newKeepalive returns nil where no option wants one.
func newKeepalive(nc net.Conn, cfg *Config) *keepalive {
	k := &keepalive{
		ping: max(cfg.PingInterval, 0), pong: max(cfg.PongTimeout, 0),
		idle: max(cfg.IdleTimeout, 0), stall: max(cfg.StallTimeout, 0),
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
	if k.patience == 0 {
		return nil
	}
	if _, _, ok := tcpProgress(nc); !ok && k.stall > 0 {
		k.step = smallStep
	}
	now := time.Now()
	k.heard, k.leftAt, k.listensSince, k.active = now, now, now, now
	return k
}

// listening notes that the holder of readGate waits for the transport from here on. It expects mu to be held, as all
// below do but look.
func (c *Conn) listeningLocked() {
	k, now := c.alive, time.Now()
	if now.Sub(k.leftAt) > shortAbsence {
		k.listensSince = now // what came meanwhile has yet to be read
	}
	if c.recv.in.progress != k.progress || c.recv.received.messages != k.messages {
		k.progress, k.messages, k.active = c.recv.in.progress, c.recv.received.messages, now
	}
	k.unread = c.recv.charged > 0
}

// heardOf notes that it is back, with n bytes.
func (k *keepalive) heardOf(n int) {
	k.leftAt = time.Now()
	if n > 0 {
		k.heard = k.leftAt
	}
}

// gave notes that the transport has taken something, paid bytes of it of messages, and whether that was all.
func (k *keepalive) gave(paid int, all bool) {
	k.moved = time.Now()
	if all {
		k.offered = false
	}
	if paid > 0 {
		k.active = k.moved
	}
}

// offered notes that somebody is about to wait until the transport takes something.
func (c *Conn) offeredLocked() {
	if k := c.alive; k.stall > 0 && !k.offered {
		k.offered, k.moved = true, time.Now()
		c.dueByLocked(k.moved.Add(k.stall / checks))
	}
}

// looks is how often a stall is looked at before it has lasted too long: between, the peer's kernel may have taken
// something of which ours does not tell us by itself.
const checks = 4

// dueBy sees to it that look runs at t at the latest.
func (c *Conn) dueByLocked(t time.Time) {
	if k := c.alive; k.due.IsZero() || t.Before(k.due) {
		k.due = t
		c.armLocked()
	}
}

// arm sets the Conn's timer to what is due. Where somebody has to be started to read, the timer is his first.
func (c *Conn) armLocked() {
	c.background.timer.Load().Reset(time.Until(c.alive.due))
	if c.background.armed.Load() {
		c.background.timer.Load().Reset(idleTick()) // whoever armed it may have done so before us
	}
}

// look sees to all that is due. It runs when the timer fires.
func (c *Conn) checkAlive() {
	at, full := c.heldBack()
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

// heldBack reports whether the read window is full and no call reads, and where the input stands
// then.
func (c *Conn) heldBack() (at position, full bool) {
	if !c.readGate.TryLock() {
		return at, false
	}
	c.account()
	at = position{c.recv.charged, c.recv.received.messages, c.recv.in.progress}
	full = c.readWindow.Credit() <= 0 && !c.recv.eof && !c.recv.in.sealed && !c.reads.dropping.Load()
	c.releaseRead()
	if c.background.requested.Load() {
		c.startBackground()
	}
	return at, full
}

// noteFull notes since when the read window has been full and nothing was pulled, and sees to it
// that look runs meanwhile.
func (c *Conn) noteFullLocked(at position, full bool) {
	switch k := c.alive; {
	case !full:
		k.full = time.Time{}
	case k.full.IsZero() || k.at != at:
		k.full, k.at = time.Now(), at
		k.due = first(k.due, k.full.Add(k.patience))
	}
}

// watchFull has look run because a background reader has filled the read window.
func (c *Conn) watchFull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stoppedLocked() {
		c.dueByLocked(time.Now())
	}
}

// awaitReader returns when to look again at a full read window from which nothing is pulled: a peer
// that is lost is not noticed by reading. It is lost where the kernel has noted an error, as for a
// reset; a plain FIN is none. What the kernel still holds is lost with it, so a program that pulls,
// however slowly, is left to it.
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

// judge returns what to close for, CodeAbnormal where the transport is lost, and else arms the
// timer for what is due next. Once a Close is decided CloseTimeout is in charge.
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

// awaitAnswer pings a peer when one direction has been silent for long enough, waits for a sign of life, and returns
// when to look again. While we hold back reading ourselves nothing is asked and nobody is judged.
func (c *Conn) judgeAnswerRelocks() (due time.Time, rule error) {
	k, now := c.alive, time.Now()
	if k.ping == 0 {
		return due, nil
	}
	p := k.asked
	if p != nil && (p.answered || !p.left.IsZero() && (!k.heard.Before(p.left) || k.pong == 0)) {
		c.forgetPingLocked(p)
		p, k.asked = nil, nil
	}
	switch {
	case p == nil:
		due = last(k.listensSince, k.pinged, first(k.heard, epoch.Add(c.send.given))).Add(k.ping)
	case p.left.IsZero():
		return due, nil // it waits behind a frame; pingLeft goes on
	default:
		due = last(k.listensSince, p.left).Add(k.pong)
	}
	switch {
	case now.Before(due) && p != nil:
		return first(due, now.Add(k.ping)), nil // once it is answered, the next is due earlier
	case now.Before(due):
		return due, nil
	case c.wait.who != onCall && c.wait.who != inBackground:
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

// awaitProgress returns when to look again at a peer who does not take what we have for him.
func (c *Conn) judgeProgressLocked() (due time.Time, rule error) {
	k, now := c.alive, time.Now()
	if k.stall == 0 || !k.offered {
		return due, nil // offered goes on
	}
	acked, _, ok := tcpProgress(c.nc)
	if ok && acked != k.acked {
		k.acked, k.moved = acked, now
	}
	if due = k.moved.Add(k.stall); !now.Before(due) {
		return due, fmt.Errorf("the peer took nothing of what waits for it within our WriteStallTimeout of %v", k.stall)
	}
	return first(due, now.Add(k.stall/checks)), nil
}

// awaitMessage returns when to look again at a connection on which nothing is said. While something is unread or unsent,
// it is in use.
func (c *Conn) judgeMessageLocked() (due time.Time, rule error) {
	k, now := c.alive, time.Now()
	if k.idle == 0 {
		return due, nil
	}
	if k.unread || c.wait.who == nobody || c.send.out.held() > 0 || c.send.encoding {
		k.active = now
	}
	if due = k.active.Add(k.idle); !now.Before(due) {
		return due, fmt.Errorf("no message came or went within our IdleTimeout of %v", k.idle)
	}
	return due, nil
}

// first returns the earliest of times that are not zero.
func first(times ...time.Time) (t time.Time) {
	for _, u := range times {
		if t.IsZero() || !u.IsZero() && u.Before(t) {
			t = u
		}
	}
	return t
}

// last returns the latest.
func last(times ...time.Time) (t time.Time) {
	for _, u := range times {
		if u.After(t) {
			t = u
		}
	}
	return t
}

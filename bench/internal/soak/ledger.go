package soak

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Ledger puts the Records of both sides together, and checks them by the rules in the package
// documentation.
type Ledger struct {
	waiting map[uint64]*pair // connections of which one Record is missing
	windows []window
	kinds   map[string]int // faults

	Ends     map[Outcome]int // how many connections ended so
	Failed   map[string]int  // handshakes that failed, by the reason
	Sent     uint64          // messages whose Write returned nil, of both directions
	Received uint64          // messages
	Lost     uint64          // accepted messages that did not arrive, of unclean ends
	Retried  uint64          // Writes whose context had ended
	Stalled  int             // connections with a direction that had no credit for a while
	HeldIn   int64           // bytes, the most of one connection
	HeldOut  int64           // bytes, the most of one connection
	Back     []time.Duration `json:"-"` // from when a client could connect again until it was back
	Faults   []string        // of each kind the first mostAlike
	Broken   int             // all faults
}

// An Outcome is a line of the table of ends.
type Outcome struct {
	Act            Act
	Client, Server End
}

// MarshalText implements encoding.TextMarshaler: an Outcome is a key of a JSON object.
func (o Outcome) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%s; client: %v; server: %v", o.Act, o.Client, o.Server), nil
}

const mostAlike = 3 // faults of a kind that are shown

// A pair is both Records of a connection.
type pair [2]*Record

// NewLedger returns an empty Ledger.
func NewLedger() *Ledger {
	return &Ledger{waiting: map[uint64]*pair{}, Ends: map[Outcome]int{}, Failed: map[string]int{},
		kinds: map[string]int{}}
}

// fault notes a breach of a rule. Of each kind it keeps the first ones.
func (l *Ledger) fault(kind, format string, args ...any) {
	l.Broken++
	if l.kinds[kind]++; l.kinds[kind] <= mostAlike {
		l.Faults = append(l.Faults, fmt.Sprintf(format, args...))
	}
}

// Add adds Records. The windows are those of all restarts that have begun when the Records were
// made, or later.
func (l *Ledger) Add(windows []window, records []Record) {
	l.windows = windows
	for _, r := range records {
		p := l.waiting[r.ID]
		if p == nil {
			p = &pair{}
			l.waiting[r.ID] = p
		}
		if p[r.Side] != nil {
			l.fault("two records", "connection %d: its %v has two Records", r.ID, r.Side)
			continue
		}
		p[r.Side] = &r
		if r.Side == Client && r.Open == 0 {
			l.addFailed(&r)
		}
		if p[Client] != nil && p[Server] != nil {
			delete(l.waiting, r.ID)
			l.addPair(p[Client], p[Server])
		}
	}
}

// complete reports whether both sides of all connections that opened have a Record.
func (l *Ledger) complete() bool {
	for _, p := range l.waiting {
		if p[Server] != nil || p[Client].Open > 0 {
			return false
		}
	}
	return true
}

// Close checks the connections of which one side has no Record. All others have ended.
func (l *Ledger) Close() {
	for id, p := range l.waiting {
		switch c, s := p[Client], p[Server]; {
		case c == nil:
			l.fault("no client", "connection %d: the server had it, and no client", id)
			l.addSide(s)
		case c.Open > 0: // it was cut before the server knew that it was open
			l.addSide(c)
			l.addEnd(c, &Record{ID: id, Side: Server, End: lost})
			if len(c.Acts) == 0 {
				l.fault("no server", "connection %d: the client had it, and the server did not", id)
			}
		}
	}
	clear(l.waiting)
}

// addFailed checks a handshake that has failed (rule 5).
func (l *Ledger) addFailed(c *Record) {
	why := c.Failed
	restarts := func(w window) bool { return w.overlaps(c.Began, c.Ended) }
	switch {
	case len(c.Acts) > 0:
		why = fmt.Sprintf("%s: %s", why, c.Acts[0])
	case slices.ContainsFunc(l.windows, restarts):
		why += ": the server is restarted"
	default:
		l.fault("handshake", "connection %d: the handshake failed, and no act explains it: %s",
			c.ID, c.Error)
	}
	l.Failed[why]++
}

// addPair checks a connection that both sides had.
func (l *Ledger) addPair(c, s *Record) {
	l.addSide(s)
	l.addMessages(c, s)
	l.addMessages(s, c)
	if c.Open == 0 { // the server had answered, and the client did not see the answer
		c.End = lost
	} else {
		l.addSide(c)
		l.addBack(c)
	}
	l.addHeld(c, s)
	l.addHeld(s, c)
	if c.Stalled > 0 || s.Stalled > 0 {
		l.Stalled++
	}
	l.addEnd(c, s)
}

func (l *Ledger) addSide(r *Record) {
	l.Sent += r.Sent
	l.Received += r.Received
	l.Retried += r.Retried
	for _, f := range r.Faults {
		l.fault("side", "connection %d, the %v: %s", r.ID, r.Side, f)
	}
}

// addMessages checks one direction: rules 1 to 4.
func (l *Ledger) addMessages(from, to *Record) {
	missing := from.Sent - min(from.Sent, to.Received)
	dropped := from.did(ActServerAbort) ||
		to.did(ActCloseNow, ActServerCloseNow, ActVanish, ActShutdownCut) // all call CloseNow
	switch {
	case to.Received > from.Tried:
		l.fault("too many", "connection %d: the %v received %d messages, and only %d were written",
			from.ID, to.Side, to.Received, from.Tried)
	case missing == 0, dropped:
	case to.Open > 0 && to.End.InOrder:
		l.fault("clean",
			"connection %d: the %v received %d messages and a clean end, and %d were accepted",
			from.ID, to.Side, to.Received, from.Sent)
	case (from.End == normal || from.End == agreed) && len(from.Acts) > 0 && len(to.Acts) == 0:
		l.fault("sent", "connection %d: the %v sent %d messages and had a clean end, and %d arrived",
			from.ID, from.Side, from.Sent, to.Received)
	}
	l.Lost += missing
}

// addBack checks that a client is back in time (rule 7).
func (l *Ledger) addBack(c *Record) {
	if c.Away == 0 {
		return
	}
	could := c.Away
	for _, w := range l.windows {
		if w.From < c.Open {
			could = max(could, w.To)
		}
	}
	back := max(c.Open-could, 0) // the server notes a little later that it listens
	if back > mostAway {
		l.fault("back", "connection %d: its client was back %v after it could, more than %v",
			c.ID, back, mostAway)
	}
	l.Back = append(l.Back, back)
}

// addHeld checks what r has buffered (rule 6).
func (l *Ledger) addHeld(r, peer *Record) {
	if r.Windows == 0 {
		return
	}
	const (
		control   = 256     // bytes of a control frame, and of a header
		handshake = 4 << 10 // bytes that may come with the handshake
		frameHead = 14      // bytes
	)
	onWire := func(size int) int { // incompressible data may come out longer
		return size + size/50 + frameHead*(2+size/pieceSize)
	}
	in := max(r.Windows, onWire(peer.Largest)) + max(r.Windows, handshake) + control
	out := r.Windows + onWire(r.Largest) + control
	if r.HeldIn > int64(in) {
		l.fault("unread", "connection %d: the %v buffered %d bytes unread, more than %d",
			r.ID, r.Side, r.HeldIn, in)
	}
	if r.HeldOut > int64(out) {
		l.fault("unsent", "connection %d: the %v buffered %d bytes unsent, more than %d",
			r.ID, r.Side, r.HeldOut, out)
	}
	l.HeldIn, l.HeldOut = max(l.HeldIn, r.HeldIn), max(l.HeldOut, r.HeldOut)
}

// addEnd checks that an act explains how a connection ended, and counts the end (rules 4 and 5).
func (l *Ledger) addEnd(c, s *Record) {
	acts := slices.Concat(s.Acts, c.Acts)
	for _, r := range []*Record{c, s} {
		peer := s
		if r == s {
			peer = c
		}
		if r.Open > 0 && !explained(acts, r, peer) {
			l.fault(fmt.Sprint(acts, c.End, s.End),
				"connection %d: for the %v it ended %v, and the acts %q do not explain it: %s",
				r.ID, r.Side, r.End, acts, r.Error)
		}
	}
	l.Ends[Outcome{cause(acts, c.End, s.End), c.End, s.End}]++
}

// explained reports whether the acts explain how r's side saw the end.
func explained(acts []Act, r, peer *Record) bool {
	by := func(e End) bool {
		return slices.ContainsFunc(acts, func(a Act) bool {
			return slices.Contains(explains[a][r.Side], e)
		})
	}
	whole, e := End{r.End.Code, true, true}, r.End
	switch {
	case by(e), peer.Open == 0 && e == lost: // the failed handshake of the peer is accounted for
		return true
	case e == End{Code: e.Code, InOrder: true}: // half a message never looks complete
		return peer.Unfinished && by(whole)
	case e == End{Code: e.Code}: // what was accepted could not be sent, because of a cut
		return by(lost) && (by(whole) || by(End{Code: e.Code, InOrder: true}))
	}
	return false
}

// cause is the act that explains both ends, or the first one.
func cause(acts []Act, client, server End) Act {
	if len(acts) == 0 {
		return "none"
	}
	for _, a := range acts {
		if slices.Contains(explains[a][Client], client) &&
			slices.Contains(explains[a][Server], server) {
			return a
		}
	}
	return acts[0] + " and others"
}

// String is the end in a table.
func (e End) String() string {
	var b strings.Builder
	fmt.Fprint(&b, e.Code)
	if e.InOrder {
		b.WriteString(" in order")
	} else {
		b.WriteString(" unclean")
	}
	if e.EOF {
		b.WriteString(", io.EOF")
	} else {
		b.WriteString(", error")
	}
	return b.String()
}

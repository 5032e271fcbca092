package wsstream

import (
	"errors"
	"maps"
	"strconv"
	"sync"
)

// A Meter adds up the figures of all connections whose options name it: those of a process, of a server, or of one kind
// of client, as you like. The zero Meter is ready to use; it must not be copied after that. All methods may be called
// at once.
//
// It counts nothing by itself: it knows the connections that are open, and asks them when it is asked. So messages share
// no counter, and opening and ending a connection take a lock for 0.2 µs together. A connection costs 65 bytes more.
type Meter struct {
	mu     sync.Mutex
	open   map[*Conn]struct{} // guarded by mu, as is all below
	clean  int64
	ended  int64
	totals [2]Flow // of those that have ended: received and sent

	ends    map[End]int64 // nil until one has ended
	refusal map[int]int64 // of handshakes, by status; nil until there is one
}

// Totals are the figures of a Meter's connections so far. But for Open and Held they never fall.
type Totals struct {
	Opened  int64 // connections that have opened
	Open    int64 // those of them that are open now: Closed has not settled
	Clean   int64 // those that have ended well: Closed has settled without an error
	Unclean int64 // those that have not

	Ends    map[End]int64 // those that have ended, by how; nil before the first
	Refused map[int]int64 // handshakes that Accept or AcceptConn has refused, by the response's status; nil before the first

	// The sums over all connections; Held is that of those that are open, and HeldMax what the one held that held most.
	Received Flow
	Sent     Flow
}

// An End is a way in which connections end, as a Meter tells them apart.
type End struct {
	Code  string // "1000" to "1014", "3xxx" or "4xxx": the peer's, "1005" if its Close had none, "1006" without a Close
	Clean bool   // Closed has settled without an error
}

// asEnd returns what Closed settles with as an End.
func asEnd(info CloseInfo, err error) End {
	if e, ok := errors.AsType[*Error](err); ok {
		info = e.CloseInfo
	}
	code := "1006"
	switch c := info.Code; {
	case c >= 1000 && c <= 1014:
		code = strconv.Itoa(c)
	case c >= 3000 && c < 5000:
		code = strconv.Itoa(c/1000) + "xxx"
	}
	return End{Code: code, Clean: err == nil}
}

// Totals returns the figures of all connections so far. It asks each that is open, one after the other, as Conn.Stats
// does, and none can open or end meanwhile: half a microsecond each, so milliseconds where there are 10,000.
func (m *Meter) Totals() Totals {
	m.mu.Lock()
	defer m.mu.Unlock()
	received, sent := m.totals[0], m.totals[1]
	for c := range m.open {
		s := c.Stats()
		received.add(s.Received)
		sent.add(s.Sent)
	}
	open := int64(len(m.open))
	return Totals{
		Opened:   open + m.ended,
		Open:     open,
		Clean:    m.clean,
		Unclean:  m.ended - m.clean,
		Ends:     maps.Clone(m.ends),
		Refused:  maps.Clone(m.refusal),
		Received: received,
		Sent:     sent,
	}
}

func (f *Flow) add(g Flow) {
	f.Messages += g.Messages
	f.Bytes += g.Bytes
	f.Held += g.Held
	f.HeldMax = max(f.HeldMax, g.HeldMax)
	f.Stalled += g.Stalled
}

// since returns what has been added to before, with nothing held.
func (f Flow) since(before Flow) Flow {
	f.Messages -= before.Messages
	f.Bytes -= before.Bytes
	f.Held = 0
	f.Stalled -= before.Stalled
	return f
}

// opened is called before anything can end c.
func (m *Meter) opened(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open == nil {
		m.open = map[*Conn]struct{}{}
	}
	m.open[c] = struct{}{}
}

// closed takes c's figures over. From then on it is c that tells of what still changes: messages that came before the
// end can be pulled after it, and the Meter does not hold what they are held in.
func (m *Meter) closed(c *Conn, e End) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, c)
	m.ended++
	if e.Clean {
		m.clean++
	}
	if m.ends == nil {
		m.ends = map[End]int64{}
	}
	m.ends[e]++
	c.seen.taken.Store(new(Stats)) // before it is read: a message counted later sees it, and tells
	m.take(c)
}

// refused counts a handshake that was answered with status.
func (m *Meter) refused(status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refusal == nil {
		m.refusal = map[int]int64{}
	}
	m.refusal[status]++
}

// moved is called when a message was counted on a connection that may have ended.
func (m *Meter) moved(c *Conn) {
	if c.seen.taken.Load() == nil {
		return // it is asked while it is open
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.take(c)
}

// take adds what is new of a connection that has ended. It expects mu to be held.
func (m *Meter) take(c *Conn) {
	taken, now := c.seen.taken.Load(), c.Stats()
	m.totals[0].add(now.Received.since(taken.Received))
	m.totals[1].add(now.Sent.since(taken.Sent))
	*taken = now
}

package wsstream

import (
	"errors"
	"maps"
	"slices"
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
	mu     sync.Mutex         // nothing else is called or locked while it is held
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
// does: half a microsecond each, so milliseconds where there are 10,000. Connections open and end meanwhile: one that
// opens after Totals was called may be counted without its figures, which the next call has.
func (m *Meter) Totals() Totals {
	conns := m.opens()
	now := make([]Stats, len(conns))
	for i, c := range conns {
		now[i] = c.Stats() // which may wait for a Pull that runs, and so without the lock
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var received, sent Flow
	for i, c := range conns {
		if c.seen.taken.Load() != nil { // it has ended meanwhile
			m.take(c, now[i])
		} else {
			received.add(now[i].Received)
			sent.add(now[i].Sent)
		}
	}
	received.add(m.totals[0])
	sent.add(m.totals[1])
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

// opens returns the connections that are open.
func (m *Meter) opens() []*Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.open))
}

func (f *Flow) add(g Flow) {
	f.Messages += g.Messages
	f.Bytes += g.Bytes
	f.Held += g.Held
	f.HeldMax = max(f.HeldMax, g.HeldMax)
	f.Stalled += g.Stalled
}

// since returns what has been added to before, with nothing held. Where f is older it is nothing.
func (f Flow) since(before Flow) Flow {
	f.Messages = max(f.Messages-before.Messages, 0)
	f.Bytes = max(f.Bytes-before.Bytes, 0)
	f.Held = 0
	f.Stalled = max(f.Stalled-before.Stalled, 0)
	return f
}

// opened is called before anything can end c. Its lock may be held.
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
	c.seen.taken.Store(new(Stats)) // before it is asked: a message counted later sees it, and tells
	now := c.Stats()
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
	m.take(c, now)
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
	now := c.Stats()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.take(c, now)
}

// take adds what is new in the figures of a connection that ends. They may be older than those taken before. m.mu must be
// held.
func (m *Meter) take(c *Conn, now Stats) {
	taken := c.seen.taken.Load()
	received, sent := now.Received.since(taken.Received), now.Sent.since(taken.Sent)
	m.totals[0].add(received)
	m.totals[1].add(sent)
	taken.Received.add(received)
	taken.Sent.add(sent)
}

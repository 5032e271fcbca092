package resume

import (
	"math/bits"
	"sync"

	"github.com/wsstream/wsstream"
)

// A replay has the messages that the peer has not taken, in order and as they are on the wire. A
// message that the peer has received keeps its place and its size, and loses its data.
//
// The numbers are those of messages, from 1. Of each entry, first ≤ its number < next. The lock of
// the sender guards all.
type replay struct {
	entries  []entry // those of first to next-1, behind head unused ones
	head     int
	first    uint64 // the first that was not taken
	received uint64 // the last that the peer has received
	sent     uint64 // the last that was written to the current connection
	known    uint64 // the last that was ever written to a connection
	cost     int    // of all entries
	tail     *slab  // where the next message goes; nil: a new one
}

type entry struct {
	message wsstream.Message // as on the wire
	slab    *slab            // that has its data; nil once the peer has received it
	cost    int
}

// A slab is memory for messages. It returns to its pool when the peer has received all of them.
type slab struct {
	b    []byte
	refs int // messages in it that were not received, and 1 for the tail
}

// slabSize lets a message of 64 KiB fill a slab.
const slabSize = 64<<10 + 64

var slabs [bits.UintSize]sync.Pool // by the binary logarithm of the number of slabSizes

func newSlab(n int) *slab {
	class := bits.Len(uint((n - 1) / slabSize))
	if s, ok := slabs[class].Get().(*slab); ok {
		return s
	}
	return &slab{b: make([]byte, 0, slabSize<<class)}
}

// release gives up one reference.
func (s *slab) release() {
	if s.refs--; s.refs == 0 {
		s.b = s.b[:0]
		slabs[bits.Len(uint((cap(s.b)-1)/slabSize))].Put(s)
	}
}

func (r *replay) next() uint64 { return r.first + uint64(len(r.entries)-r.head) }

func (r *replay) at(number uint64) *entry { return &r.entries[r.head+int(number-r.first)] }

// space returns a slab with room for n bytes behind those that it has.
func (r *replay) space(n int) *slab {
	if t := r.tail; t != nil {
		if cap(t.b)-len(t.b) >= n {
			return t
		}
		t.release()
	}
	r.tail = newSlab(n)
	r.tail.refs = 1
	return r.tail
}

// add appends a message. It copies the data.
func (r *replay) add(m wsstream.Message) {
	s := r.space(len(m.Data) + 1)
	start := len(s.b)
	s.b = append(s.b, m.Data...)
	if m.Type == wsstream.TypeBinary {
		s.b = append(s.b, kindData)
	}
	r.push(s, start, wsstream.Message{Type: m.Type, NoCompress: m.NoCompress},
		len(m.Data)+overhead)
}

// end appends an END.
func (r *replay) end(i wsstream.CloseInfo) {
	s := r.space(maxEndLen + 1)
	start := len(s.b)
	s.b = appendEnd(s.b, i)
	r.push(s, start, wsstream.Message{Type: wsstream.TypeBinary}, 0)
}

func (r *replay) push(s *slab, start int, m wsstream.Message, cost int) {
	m.Data = s.b[start:len(s.b):len(s.b)]
	s.refs++
	if r.head > 64 && r.head >= len(r.entries)/2 {
		n := copy(r.entries, r.entries[r.head:])
		clear(r.entries[n:])
		r.entries, r.head = r.entries[:n], 0
	}
	r.entries = append(r.entries, entry{m, s, cost})
	r.cost += cost
}

// ack notes what the peer says. It reports false for numbers that cannot be: sending is 1 while the
// message behind sent is being written, and 0 otherwise. The data of that message is still in use.
func (r *replay) ack(s status, sending uint64) bool {
	if s.received > r.sent+sending {
		return false
	}
	r.drop(min(s.received, r.sent))
	for r.first <= min(s.taken, r.received) {
		e := &r.entries[r.head]
		r.cost -= e.cost
		*e = entry{}
		r.head++
		r.first++
	}
	if r.head == len(r.entries) {
		r.entries, r.head = r.entries[:0], 0
		if cap(r.entries) > 1024 {
			r.entries = nil
		}
	}
	if r.received == r.next()-1 && r.tail != nil {
		r.tail.release()
		r.tail = nil
	}
	return true
}

// drop gives up the data of the messages up to number.
func (r *replay) drop(number uint64) {
	for r.received < number {
		r.received++
		if e := r.at(r.received); e.slab != nil {
			e.slab.release()
			e.slab, e.message = nil, wsstream.Message{}
		}
	}
}

// forgetUnsent drops the messages behind number.
func (r *replay) forgetUnsent(number uint64) {
	for r.next()-1 > number {
		last := &r.entries[len(r.entries)-1]
		last.slab.release()
		r.cost -= last.cost
		*last = entry{}
		r.entries = r.entries[:len(r.entries)-1]
	}
}

// unacknowledged returns copies of the messages that the peer has not received, without an END.
func (r *replay) unacknowledged() (list []wsstream.Message) {
	for n := r.received + 1; n < r.next(); n++ {
		m := r.at(n).message
		if r.at(n).cost == 0 {
			continue
		}
		data := m.Data
		if m.Type == wsstream.TypeBinary {
			data = data[:len(data)-1]
		}
		m.Data = append([]byte(nil), data...)
		list = append(list, m)
	}
	return list
}

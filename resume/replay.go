package resume

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/wsstream/wsstream"
)

// A replay has the records that the peer has not received, in order and as they are on the wire.
//
// All positions are in the stream of these records: taken ≤ received ≤ sent ≤ known ≤ end. They are
// ends of records, except taken. The lock of the sender guards all.
type replay struct {
	slabs    []*slab  // with the records from received to end
	taken    uint64   // how much the peer's program has taken
	received uint64   // how much the peer has received
	sent     uint64   // how much was given to the current connection, or the peer has received
	known    uint64   // how much was ever given to a connection
	end      uint64   // behind the last record
	toggles  []uint64 // from received to end, where NoCompress changes
	plain    bool     // NoCompress in front of the toggles
	lent     *slab    // that a Write to the connection reads from; nil: none
}

// A slab is memory for records. No record is in two. It returns to its pool when the peer has
// received all of them.
type slab struct {
	b     []byte
	start uint64 // the position of b[0]
}

func (s *slab) end() uint64 { return s.start + uint64(len(s.b)) }

// The smallest slab has minSlab bytes. slabExtra lets a message of 64 KiB fill a slab.
const (
	minSlab   = 1 << 10
	slabExtra = 64
)

var slabs [bits.UintSize]sync.Pool // by the binary logarithm of their sizes in minSlabs

// newSlab returns an empty slab for n bytes or more.
func newSlab(n int) *slab {
	class := bits.Len(uint((max(n-slabExtra, 1) - 1) / minSlab))
	if s, ok := slabs[class].Get().(*slab); ok {
		return s
	}
	return &slab{b: make([]byte, 0, minSlab<<class+slabExtra)}
}

// lend notes that a Write reads from s. It may do so even after the peer has received all.
func (r *replay) lend(s *slab) { r.lent = s }

// takeBack notes that the Write has returned.
func (r *replay) takeBack(s *slab) {
	if r.lent == nil { // s was given up meanwhile
		r.free(s)
	}
	r.lent = nil
}

// free returns s to its pool, unless a Write reads from it: then takeBack does.
func (r *replay) free(s *slab) {
	if s == r.lent {
		r.lent = nil
		return
	}
	s.b = s.b[:0]
	slabs[bits.Len(uint((cap(s.b)-slabExtra-1)/minSlab))].Put(s)
}

// space returns a slab with room for a record of n bytes behind those that it has. Slabs grow with
// what is kept, so few records take little memory.
func (r *replay) space(n int) *slab {
	if k := len(r.slabs); k > 0 {
		if t := r.slabs[k-1]; len(t.b)+n <= min(cap(t.b), maxBatch) {
			return t
		}
	}
	s := newSlab(max(n, int(min(r.end-r.received, maxBatch))))
	s.start = r.end
	r.slabs = append(r.slabs, s)
	return s
}

// add appends a message. It copies the data.
func (r *replay) add(m wsstream.Message) {
	if m.NoCompress != (r.plain != (len(r.toggles)%2 == 1)) {
		r.toggles = append(r.toggles, r.end)
	}
	kind := byte(kindText)
	if m.Type == wsstream.TypeBinary {
		kind = kindBinary
	}
	s := r.space(headerLen + len(m.Data))
	s.b = append(appendHeader(s.b, kind, len(m.Data)), m.Data...)
	r.end = s.end()
}

// finish appends an END.
func (r *replay) finish(i wsstream.CloseInfo) {
	s := r.space(headerLen + maxEndLen)
	s.b = appendEnd(s.b, i)
	r.end = s.end()
}

// batch returns the next unsent records as a message for the connection, and their slab. There must
// be some. They are several with at most maxBatch bytes, or one.
func (r *replay) batch() (m wsstream.Message, s *slab) {
	for i := len(r.slabs) - 1; i >= 0 && r.sent < r.slabs[i].end(); i-- {
		s = r.slabs[i]
	}
	b := s.b[r.sent-s.start:]
	plain := r.plain
	for _, at := range r.toggles {
		if at > r.sent {
			b = b[:min(uint64(len(b)), at-r.sent)]
			break
		}
		plain = !plain
	}
	return wsstream.Message{Type: wsstream.TypeBinary, Data: b, NoCompress: plain}, s
}

// gave notes that the next n bytes were given to the connection, or soon will be.
func (r *replay) gave(n int) {
	r.sent += uint64(n)
	r.known = max(r.known, r.sent)
}

// ack notes what the peer says. It reports false for positions that cannot be.
func (r *replay) ack(s status) bool {
	if s.received > r.sent || !r.drop(s.received) {
		return false
	}
	r.taken = max(r.taken, s.taken)
	return true
}

// drop gives up the records in front of position to. It reports false if a record does not end
// there.
func (r *replay) drop(to uint64) bool {
	for r.received < to {
		s := r.slabs[0]
		if to < s.end() {
			if !s.hasEnd(r.received, to) {
				return false
			}
			r.received = to
			break
		}
		r.received = s.end()
		r.slabs[0] = nil
		r.slabs = r.slabs[1:]
		r.free(s)
	}
	for len(r.toggles) > 0 && r.toggles[0] <= r.received {
		r.toggles, r.plain = r.toggles[1:], !r.plain
	}
	return true
}

// hasEnd reports whether a record ends at position to. One ends at from, which is less.
func (s *slab) hasEnd(from, to uint64) bool {
	for from < to {
		from += headerLen + uint64(binary.BigEndian.Uint32(s.b[from-s.start+1:]))
	}
	return from == to
}

// forgetUnsent drops the records that were never given to a connection.
func (r *replay) forgetUnsent() {
	for k := len(r.slabs) - 1; k >= 0 && r.slabs[k].end() > r.known; k-- {
		s := r.slabs[k]
		if s.start < r.known {
			s.b = s.b[:r.known-s.start]
			break
		}
		r.slabs[k] = nil
		r.slabs = r.slabs[:k]
		r.free(s)
	}
	r.end = r.known
	for k := len(r.toggles) - 1; k >= 0 && r.toggles[k] >= r.end; k-- {
		r.toggles = r.toggles[:k]
	}
}

// over notes that the peer has received everything.
func (r *replay) over() {
	r.sent = r.end
	r.drop(r.end)
}

// unacknowledged returns copies of the messages that the peer has not received.
func (r *replay) unacknowledged() (list []wsstream.Message) {
	at, plain, toggles := r.received, r.plain, r.toggles
	for _, s := range r.slabs {
		kind, body, rest, ok := cutRecord(s.b[at-s.start:])
		for ; ok; kind, body, rest, ok = cutRecord(rest) {
			if len(toggles) > 0 && toggles[0] <= at {
				toggles, plain = toggles[1:], !plain
			}
			at += headerLen + uint64(len(body))
			if kind == kindEnd {
				continue
			}
			list = append(list, wsstream.Message{
				Type: typeOf(kind), Data: append([]byte(nil), body...), NoCompress: plain,
			})
		}
	}
	return list
}

func typeOf(kind byte) wsstream.Type {
	if kind == kindText {
		return wsstream.TypeText
	}
	return wsstream.TypeBinary
}

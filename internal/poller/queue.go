package poller

// A queue has the entries with an event, in order.
type queue struct {
	entries []*Entry
	first   int
}

func (q *queue) len() int { return len(q.entries) - q.first }

func (q *queue) push(e *Entry) { q.entries = append(q.entries, e) }

// pop returns the first entry, or nil if there is none.
func (q *queue) pop() *Entry {
	if q.first == len(q.entries) {
		return nil
	}
	e := q.entries[q.first]
	q.entries[q.first] = nil
	if q.first++; q.first == len(q.entries) {
		q.entries, q.first = q.entries[:0], 0
	}
	return e
}

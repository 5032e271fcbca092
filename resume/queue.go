package resume

// A queue has the messages that were received and not pulled, as records. They count against the
// window, and take about the memory that they count.
type queue struct {
	chunks [][]byte // of whole records; none is empty
	at     int      // where the next record begins in the first of them
	bytes  int      // of the records
	spare  []byte   // memory for the next message of the connection; nil: none
}

const (
	// smallChunk is the length of a chunk that short messages of a connection share.
	smallChunk = 4 << 10

	// spareFrom is the length from which the memory of a message is used again. So short it is only
	// in a stream that is not busy, which may wait long for the next.
	spareFrom = 32 << 10
)

// push appends records. It may keep b.
func (q *queue) push(b []byte) {
	q.bytes += len(b)
	if len(b) > smallChunk/2 && cap(b) <= 2*len(b) {
		q.chunks = append(q.chunks, b)
		return
	}
	k := len(q.chunks)
	if k == 0 || cap(q.chunks[k-1])-len(q.chunks[k-1]) < len(b) {
		size := max(len(b), min(q.bytes, smallChunk))
		q.chunks = append(q.chunks, make([]byte, 0, size))
		k++
	}
	q.chunks[k-1] = append(q.chunks[k-1], b...)
}

// next removes the next message. Its body is valid until the queue changes again. alone reports
// whether the caller may keep the body.
func (q *queue) next() (kind byte, body []byte, alone bool) {
	first := q.chunks[0]
	kind, body, rest, _ := cutRecord(first[q.at:])
	q.bytes -= headerLen + len(body)
	if len(rest) > 0 {
		q.at = len(first) - len(rest)
		return kind, body, false
	}
	alone = q.at == 0
	if !alone && len(first) >= spareFrom {
		q.spare = first[:0]
	}
	q.chunks[0], q.at = nil, 0
	if q.chunks = q.chunks[1:]; len(q.chunks) == 0 {
		q.chunks = nil
	}
	return kind, body, alone
}

func (q *queue) empty() bool { return len(q.chunks) == 0 }

// clear removes all messages.
func (q *queue) clear() { *q = queue{} }

package wsstream

import (
	"context"
	"sync"

	"github.com/wsstream/wsstream/internal/wire"
)

// A prepared remembers the encodings of a message. It may be used from any number of goroutines at once.
type prepared struct {
	err error // what check says of the message

	mu      sync.Mutex
	byLimit map[int][][]byte // frames as servers send them, by MaxFrameSize; guarded by mu
}

// Prepare returns m as a message that remembers its encodings, for one that is sent on many connections: it is checked
// once, and encoded once for all servers with the same MaxFrameSize, which share the bytes. (A client's frames are
// masked, each with a mask of its own, so a client encodes it every time.) m.Data must not be changed from then on.
func (m Message) Prepare() Message {
	m.ready = &prepared{err: m.check(), byLimit: map[int][][]byte{}}
	return m
}

// frames returns the frames of m for a server with this MaxFrameSize.
func (p *prepared) frames(m Message, limit int) [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.byLimit[limit]
	if f == nil {
		f = wire.Encode(m.Type.op(), m.Data, limit)
		p.byLimit[limit] = f
	}
	return f
}

// send writes m through e, by the encoding that it remembers where there is one that fits.
func (w *Writable) send(ctx context.Context, e *wire.Conn, m Message) error {
	if m.ready != nil && !w.c.client {
		return e.WriteReady(ctx, m.ready.frames(m, w.c.maxFrame), len(m.Data))
	}
	return e.Write(ctx, m.Type.op(), m.Data)
}

// trySend is send for TryWrite.
func (w *Writable) trySend(e *wire.Conn, m Message) (bool, error) {
	if m.ready != nil && !w.c.client {
		return e.TryWriteReady(m.ready.frames(m, w.c.maxFrame), len(m.Data))
	}
	return e.TryWrite(m.Type.op(), m.Data)
}

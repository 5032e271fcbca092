package wsstream

import (
	"sync"

	"github.com/wsstream/wsstream/internal/wire"
)

// A prepared remembers the encodings of a message. Any number of goroutines may use it
// concurrently.
type prepared struct {
	typ  Type   // of the message
	data []byte // of the message
	err  error  // of its check

	mu       sync.Mutex
	encoding map[wire.Encoding][][]byte // frames as servers send them; guarded by mu
}

// Prepare returns m as a message that remembers its encodings. It is for a message that is sent on
// many connections: it is checked once and encoded once. All servers with the same MaxFrameSize
// share the encoded bytes. If it is compressed, they must also have the same Level and the same
// bits of our window. A client masks each frame with a mask of its own, so it encodes the message
// every time.
//
// The bytes of m.Data must not be changed from then on. A copy of m with another Type or Data
// remembers nothing.
//
// If it is compressed, a prepared message refers to no earlier one, whatever was agreed. With
// context takeover, later messages can refer to it.
func (m Message) Prepare() Message {
	m.ready = nil
	m.ready = &prepared{
		typ:      m.Type,
		data:     m.Data,
		err:      m.check(),
		encoding: map[wire.Encoding][][]byte{},
	}
	return m
}

// prepared returns what m remembers, or nil. A copy of a prepared message may have another type or
// other data: it remembers nothing. NoCompress does not count here, since it is a part of an
// encoding.
func (m *Message) prepared() *prepared {
	p := m.ready
	if p == nil || p.typ != m.Type || len(p.data) != len(m.Data) ||
		len(p.data) > 0 && &p.data[0] != &m.Data[0] {
		return nil
	}
	return p
}

// frames returns the frames of m for servers with this encoding.
func (p *prepared) frames(m Message, e wire.Encoding) [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.encoding[e]
	if f == nil {
		f = wire.Encode(m.Type.op(), m.Data, e)
		p.encoding[e] = f
	}
	return f
}

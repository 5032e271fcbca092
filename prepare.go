package wsstream

import (
	"sync"
	"unsafe"

	"github.com/wsstream/wsstream/internal/wire"
)

// A prepared remembers the encodings of a message. It may be used by any number of goroutines concurrently.
type prepared struct {
	typ  Type // of the message, as the next one
	data []byte
	err  error // what check says of it

	mu       sync.Mutex
	encoding map[wire.Encoding][][]byte // frames as servers send them; guarded by mu
}

// Prepare returns m as a message that remembers its encodings, for one that is sent on many connections: it is checked
// once, and encoded once for all servers with the same MaxFrameSize, and, where it is compressed, the same Level and the
// same bits of our window. They share the bytes. (A client's frames are masked, each with a mask of its own, so a client
// encodes it every time.) The bytes of m.Data must not be changed from then on; a copy of m that is given another Type or
// Data remembers nothing.
//
// Compressed so, the message refers to no earlier one, whatever was agreed; with context takeover those that follow can
// refer to it.
func (m Message) Prepare() Message {
	m.ready = nil
	m.ready = &prepared{typ: m.Type, data: m.Data, err: m.check(), encoding: map[wire.Encoding][][]byte{}}
	return m
}

// prepared returns what m remembers, nil if that is nothing, or of another message: a copy of a prepared message may have
// been given another type or other data. (NoCompress is a part of what an encoding depends on.)
func (m *Message) prepared() *prepared {
	p := m.ready
	if p == nil || p.typ != m.Type || len(p.data) != len(m.Data) || unsafe.SliceData(p.data) != unsafe.SliceData(m.Data) {
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

package library

import (
	"bytes"
	"sync"
	"sync/atomic"
)

// queueLength is how many messages a queue for one connection holds: that of gorilla's chat
// example.
const queueLength = 256

// anyRooms are the two ways to write a room on a library whose writes block.
var anyRooms = []Way{
	{Name: "writes in a loop", New: func() Room { return &loopRoom{} }},
	{Name: "a channel each", New: func() Room { return &queueRoom{} }},
}

// anyRelays are the two ways to write a relay on such a library.
var anyRelays = []Relay{
	{Name: "a write in the reader", Message: writeOn},
	{Name: "a channel", Message: new(queueRelay).message},
}

func writeOn(dst Conn, data []byte) { _ = dst.Write(data) }

// A loopRoom writes to one connection after the other.
type loopRoom struct {
	mu    sync.Mutex
	conns []Conn // guarded by mu
}

func (r *loopRoom) Join(c Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
}

func (r *loopRoom) Publish(data []byte) {
	r.mu.Lock()
	conns := r.conns
	r.mu.Unlock()
	for _, c := range conns {
		_ = c.Write(data)
	}
}

func (r *loopRoom) Dropped() int64 { return 0 }

// A queueRoom has a channel and a goroutine that writes for each connection. What does not fit a
// channel is dropped. (The hubs of gorilla's and coder's examples cut such a connection; dropping
// is kinder to what they show here.)
type queueRoom struct {
	mu      sync.Mutex
	queues  []chan []byte // guarded by mu
	dropped atomic.Int64
}

func (r *queueRoom) Join(c Conn) {
	q := make(chan []byte, queueLength)
	go func() { // ends with the process: no connection leaves
		for data := range q {
			_ = c.Write(data)
		}
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queues = append(r.queues, q)
}

func (r *queueRoom) Publish(data []byte) {
	r.mu.Lock()
	queues := r.queues
	r.mu.Unlock()
	for _, q := range queues {
		select {
		case q <- data:
		default:
			r.dropped.Add(1)
		}
	}
}

func (r *queueRoom) Dropped() int64 { return r.dropped.Load() }

// A queueRelay has a channel and a goroutine that writes; the reader waits for room in the channel.
type queueRelay struct {
	once  sync.Once
	queue chan []byte
}

func (r *queueRelay) message(dst Conn, data []byte) {
	r.once.Do(func() {
		r.queue = make(chan []byte, queueLength)
		go func() { // ends with the process: there is one relay in it
			for data := range r.queue {
				_ = dst.Write(data)
			}
		}()
	})
	r.queue <- bytes.Clone(data)
}

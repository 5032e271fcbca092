package library

import (
	"bytes"
	"sync"
	"sync/atomic"
)

// QueueLength is how many messages a queue for one connection holds: that of gorilla's chat
// example.
const QueueLength = 256

// NoLimit ends the name of a way whose queues grow without a limit.
const NoLimit = " (no limit)"

// anyRooms are the two ways to write a room on a library whose writes block.
var anyRooms = []Way{
	{Name: "writes in a loop", New: loopOf(writes)},
	{Name: "a channel each", New: queuesOf(writes)},
}

// A send sends one message to a connection.
type send func(c Conn) error

// writes sends data with Conn.Write.
func writes(data []byte) send { return func(c Conn) error { return c.Write(data) } }

// loopOf makes rooms that prepare each message, and send it to one connection after the other.
func loopOf(prepare func(data []byte) send) func() Room {
	return func() Room { return &loopRoom{prepare: prepare} }
}

// queuesOf makes rooms that prepare each message, and give it to a channel of each connection.
func queuesOf(prepare func(data []byte) send) func() Room {
	return func() Room { return &queueRoom{prepare: prepare} }
}

// anyRelays are the two ways to write a relay on such a library.
var anyRelays = []Relay{
	{Name: "a write in the reader", Message: writeOn},
	{Name: "a channel", Message: new(queueRelay).message},
}

func writeOn(dst Conn, data []byte) { _ = dst.Write(data) }

// A loopRoom writes to one connection after the other.
type loopRoom struct {
	prepare func(data []byte) send

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
	send := r.prepare(data)
	for _, c := range conns {
		_ = send(c)
	}
}

func (r *loopRoom) Dropped() int64 { return 0 }

// A queueRoom has a channel and a goroutine that writes for each connection. What does not fit a
// channel is dropped. (The hubs of gorilla's and coder's examples cut such a connection; dropping
// is kinder to what they show here.)
type queueRoom struct {
	prepare func(data []byte) send

	mu      sync.Mutex
	queues  []chan send // guarded by mu
	dropped atomic.Int64
}

func (r *queueRoom) Join(c Conn) {
	q := make(chan send, QueueLength)
	go func() { // ends with the process: no connection leaves
		for send := range q {
			_ = send(c)
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
	send := r.prepare(data)
	for _, q := range queues {
		select {
		case q <- send:
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
		r.queue = make(chan []byte, QueueLength)
		go func() { // ends with the process: there is one relay in it
			for data := range r.queue {
				_ = dst.Write(data)
			}
		}()
	})
	r.queue <- bytes.Clone(data)
}

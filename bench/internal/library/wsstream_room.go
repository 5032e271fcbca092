package library

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// The names of wsstream's ways that need no goroutine for a connection that keeps up.
const (
	Feed    = "Broadcast and Feed"
	TryLoop = "TryWrite in a loop"
)

var wsstreamRooms = []Way{
	{Name: "Broadcast, DropOldest", New: newBroadcast},
	{Name: Feed, New: newFeedRoom},
	{Name: TryLoop, New: newTryRoom},
}

// connOf is the Conn of one of wsstream's connections.
func connOf(c Conn) *wsstream.Conn {
	return c.(interface{ conn() *wsstream.Conn }).conn()
}

func (c *wsstreamConn) conn() *wsstream.Conn { return c.Conn }

func (c handledConn) conn() *wsstream.Conn { return c.Conn }

// A broadcastRoom is a stream.Broadcast with a pipe to each connection, and as many messages in
// front of each as the others' queues hold. A slow connection loses the oldest messages.
type broadcastRoom struct {
	b *stream.Broadcast[wsstream.Message]
}

func newBroadcast() Room { return broadcastRoom{stream.NewBroadcast[wsstream.Message](nil)} }

func (r broadcastRoom) Join(c Conn) {
	wc, sub := connOf(c), r.subscribe()
	go func() { // ends with the connection
		_ = stream.Pipe(wc.Context(), wc.Writable(), sub, nil)
	}()
}

func (r broadcastRoom) subscribe() *stream.Subscription[wsstream.Message] {
	return stream.Subscribe(r.b, stream.Count(QueueLength), stream.DropOldest())
}

func (r broadcastRoom) Publish(data []byte) {
	_ = r.b.Publish(context.Background(), wsstream.Binary(data).Prepare())
}

func (r broadcastRoom) Dropped() int64 { return r.b.Dropped() }

// A feedRoom is a broadcastRoom that needs no goroutine for a connection that keeps up.
type feedRoom struct{ broadcastRoom }

func newFeedRoom() Room { return feedRoom{newBroadcast().(broadcastRoom)} }

func (r feedRoom) Join(c Conn) {
	wc := connOf(c)
	r.subscribe().Feed(wc.Context(), wc.Writable(), nil)
}

// A tryRoom writes to each connection that has room. A slow connection loses the newest messages.
type tryRoom struct {
	mu      sync.Mutex
	conns   []*wsstream.Conn // guarded by mu
	dropped atomic.Int64
}

func newTryRoom() Room { return &tryRoom{} }

func (r *tryRoom) Join(c Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, connOf(c))
}

func (r *tryRoom) Publish(data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := wsstream.Binary(data).Prepare()
	for _, c := range r.conns {
		if ok, err := c.Writable().TryWrite(m); !ok && err == nil {
			r.dropped.Add(1)
		}
	}
}

func (r *tryRoom) Dropped() int64 { return r.dropped.Load() }

// pipe is a relay in one call.
func pipe(dst, src Conn) {
	d, s := dst.(*wsstreamConn), src.(*wsstreamConn)
	_ = stream.Pipe(s.ctx, d.Writable(), s.Readable(), nil)
}

package work

import (
	"fmt"
	"sync"

	"github.com/wsstream/wsstream/bench/internal/library"
)

// handler returns what the job does with its connections.
func (w *Worker) handler() (library.Handler, error) {
	h := library.Handler{Open: func(library.Conn) { w.conns.Add(1) }}
	count := func(_ library.Conn, data []byte) {
		if len(data) != w.job.Size {
			w.wrong.Store(true)
		}
		w.in.Add(1)
	}
	switch w.job.Shape {
	case Echo:
		h.Message = func(c library.Conn, data []byte) {
			w.in.Add(1)
			_ = c.Write(data) // the next read fails, too
		}
	case Source:
		h.Open = w.opened(w.source)
	case Sink, Wait: // in which nothing comes
		h.Message = count
	case Both:
		h.Open, h.Message = w.opened(w.source), count
	case Hold:
		var conns kept
		h.Open = func(c library.Conn) {
			conns.keep(c)
			w.conns.Add(1)
		}
	case Room:
		way := w.way()
		if way == nil {
			return h, fmt.Errorf("%s has no way %q to send to many", w.lib.Name, w.job.Way)
		}
		w.room = way.New()
		h.Message = count
		h.Open = func(c library.Conn) {
			w.room.Join(c)
			w.conns.Add(1)
		}
	case Relay:
		return w.relayHandler()
	default:
		return h, fmt.Errorf("no shape %q", w.job.Shape)
	}
	return h, nil
}

// way is the job's way to send to many, nil if there is none.
func (w *Worker) way() *library.Way {
	for i, way := range w.lib.Rooms {
		if way.Name == w.job.Way {
			return &w.lib.Rooms[i]
		}
	}
	return nil
}

// opened runs f in a goroutine for each connection, which ends with it or with Stop.
func (w *Worker) opened(f func(c library.Conn)) func(c library.Conn) {
	return func(c library.Conn) {
		w.conns.Add(1)
		go f(c)
	}
}

// source sends until the connection ends or the job is stopped.
func (w *Worker) source(c library.Conn) {
	if f, ok := c.(library.Flooder); ok {
		f.Flood(w.payload, func(n int64) bool {
			w.out.Add(n)
			return !w.stopped.Load()
		})
		return
	}
	for !w.stopped.Load() && c.Write(w.payload) == nil {
		w.out.Add(1)
	}
}

// kept are connections that nothing else refers to.
type kept struct {
	mu    sync.Mutex
	conns []library.Conn // guarded by mu
}

func (k *kept) keep(c library.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conns = append(k.conns, c)
}

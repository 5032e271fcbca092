package work

import (
	"fmt"
	"sync"

	"github.com/wsstream/wsstream/bench/internal/library"
)

// A relay passes messages on to the connection that came first.
type relay struct {
	mu  sync.Mutex
	dst library.Conn // guarded by mu
}

// ends tells a connection that came which one it sends to: none if it is the first.
func (r *relay) ends(c library.Conn) (dst library.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dst == nil {
		r.dst = c
		return nil
	}
	return r.dst
}

func (w *Worker) relayHandler() (library.Handler, error) {
	for _, way := range w.lib.Relays {
		if way.Name != w.job.Way {
			continue
		}
		h := library.Handler{Open: func(c library.Conn) {
			dst := w.relay.ends(c)
			w.conns.Add(1)
			if dst != nil && way.Pipe != nil {
				go way.Pipe(dst, c) // ends with the connections
			}
		}}
		if way.Message != nil {
			h.Message = func(_ library.Conn, data []byte) {
				if w.in.Add(1); !w.stopped.Load() {
					way.Message(w.relay.ends(nil), data)
				}
			}
		}
		return h, nil
	}
	return library.Handler{}, fmt.Errorf("%s has no way %q to relay", w.lib.Name, w.job.Way)
}

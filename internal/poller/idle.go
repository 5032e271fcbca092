package poller

import (
	"sync"
	"time"
)

// later has the handlers whose Idle is to be called. One timer serves all of them.
var later struct {
	sync.Mutex
	added []Handler // since the last tick
	due   []Handler // those of the tick before
	timer *time.Timer
	armed bool
}

// Later calls the Idle of h once, after one tick or two.
func Later(h Handler) {
	later.Lock()
	defer later.Unlock()
	later.added = append(later.added, h)
	if later.armed {
		return
	}
	later.armed = true
	if later.timer == nil {
		later.timer = time.AfterFunc(tick, callLater)
	} else {
		later.timer.Reset(tick)
	}
}

// callLater is called at each tick. What was added since the last one is due at the next.
func callLater() {
	later.Lock()
	due := later.due
	later.due, later.added = later.added, nil
	later.Unlock()
	for i, h := range due {
		due[i] = nil
		h.Idle()
	}
	later.Lock()
	defer later.Unlock()
	if later.added == nil && cap(due) <= 2*len(due)+maxEvents { // a larger one was for a rush
		later.added = due[:0]
	}
	if later.armed = len(later.due)+len(later.added) > 0; later.armed {
		later.timer.Reset(tick)
	}
}

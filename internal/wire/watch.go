package wire

// This file says how a wait in the transport ends. A goroutine that waits in Read or in Write notes
// that in a wait. Another goroutine recalls it with a deadline in the past. The recalled goroutine
// removes that deadline when it is back. No deadline of a context is ever set on the transport: it
// could pass before the context's error is set. One context is watched for each direction. The
// watch stays from one call to the next, since the same context mostly comes again, and comparing
// costs less than arming.

// A waiter is the kind of call that waits in the transport.
type waiter uint8

const (
	notWaiting   waiter = iota
	onCall              // a call of the program: a pull, or a Write that lends
	inBackground        // the background reader, or the flusher
	inHandler           // the goroutine that calls the message handler
	inPoller            // no goroutine: the poller watches the socket
	atEnd               // a pull that waits for the end, without input; a Conn before Start
)

// A wait is the wait of one direction of the transport. mu guards it.
type wait struct {
	kind     waiter
	recalled bool // a deadline in the past is set on the transport
	watched  bool // the context of the call that waits is that of watch
	watch    watch
}

// A watch is a context whose end is watched.
type watch struct {
	done <-chan struct{} // the context's Done; nil for none
	stop func() bool     // ends the watch; nil before it is armed
}

// off ends the watch.
func (w *watch) off() {
	if w.stop != nil {
		w.stop()
	}
	if w.stop != nil || w.done != nil {
		w.stop, w.done = nil, nil
	}
}

// replace ends the watch, in favour of one for the context with this Done.
func (w *watch) replace(done <-chan struct{}) {
	w.off()
	w.done = done
}

// watches notes that the call which is about to wait has the context with this Done. It reports
// false if the caller must replace and arm the watch for it.
func (w *wait) watches(done <-chan struct{}) bool {
	w.watched = done != nil
	return done == nil || done == w.watch.done
}

// listens reports whether what the peer sends is read, or noticed.
func (w *wait) listens() bool {
	return w.kind != notWaiting && w.kind != atEnd
}

// expired notes that the context with this Done has ended. It reports whether the call that waits
// has that context.
func (w *wait) expired(done <-chan struct{}) bool {
	if w.watch.done != done {
		return false
	}
	w.watch.off()
	return w.kind == onCall && w.watched
}

// recall reports whether the caller must set a deadline in the past, to recall a goroutine.
func (w *wait) recall() bool {
	if w.kind == notWaiting || w.kind == inPoller || w.kind == atEnd || w.recalled {
		return false
	}
	w.recalled = true
	return true
}

// back notes that the goroutine is back. It reports whether a deadline in the past is set on the
// transport. The caller must remove that deadline.
func (w *wait) back() (recalled bool) {
	recalled = w.recalled
	w.kind, w.recalled = notWaiting, false
	return recalled
}

package wire

import "time"

// epoch is the time from which times are counted. time.Since(epoch) takes a third of the time that
// time.Now takes.
var epoch = time.Now()

// past is a deadline that has passed: it ends a wait in the transport immediately.
var past = time.Unix(1, 0)

// milliseconds returns the time since epoch. It starts again from 0 every 49 days.
func milliseconds() uint32 { return uint32(time.Since(epoch).Milliseconds()) }

// idleTick returns the time until the tick at which an idle timer fires that is armed now. The
// ticks are the same for all connections, so that a thousand quiet connections wake the process
// only once.
func idleTick() time.Duration {
	return idleWait - time.Duration(time.Now().UnixNano())%(idleWait/2)
}

// first returns the earliest of the times that are not zero.
func first(times ...time.Time) (t time.Time) {
	for _, u := range times {
		if t.IsZero() || !u.IsZero() && u.Before(t) {
			t = u
		}
	}
	return t
}

// last returns the latest of the times.
func last(times ...time.Time) (t time.Time) {
	for _, u := range times {
		if u.After(t) {
			t = u
		}
	}
	return t
}

package wire

import "time"

// epoch is the time from which instants are counted. It is a century ago: so instants are positive
// also in a bubble of testing/synctest, whose time begins in the year 2000. AddDate would drop the
// reading of the monotonic clock.
var epoch = time.Now().Add(-100 * 365 * 24 * time.Hour)

// An instant is a time since epoch; 0 is none. It takes a third of the memory of a time.Time, and
// clock takes a third of the time that time.Now takes.
type instant time.Duration

func clock() instant { return instant(time.Since(epoch)) }

func (t instant) add(d time.Duration) instant { return t + instant(d) }

func (t instant) sub(u instant) time.Duration { return time.Duration(t - u) }

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

// first returns the earliest of the instants that are not 0.
func first(instants ...instant) (t instant) {
	for _, u := range instants {
		if t == 0 || u != 0 && u < t {
			t = u
		}
	}
	return t
}

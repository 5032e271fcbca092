package wire

import "sync/atomic"

// flags are facts that goroutines tell each other without a lock.
type flags struct{ bits atomic.Uint32 }

const (
	isArmed     = 1 << iota // startIfIdle will be called
	isRequested             // the input needs attention; see requestReader
	isClosing               // a Close is under way: releasing readGate starts the reader
	isHungUp                // the poller says that the peer sends no more
	isSuspect               // checkLost will be called
	isDropping              // all input is dropped as it comes
	isFailing               // not all that was accepted will be sent
	answersNow              // from the reader to the next Write: send without gathering
)

func (f *flags) has(flag uint32) bool { return f.bits.Load()&flag != 0 }

// set sets the flag, and reports whether it was clear.
func (f *flags) set(flag uint32) bool { return f.bits.Or(flag)&flag == 0 }

// clear clears the flag.
func (f *flags) clear(flag uint32) { f.bits.And(^flag) }

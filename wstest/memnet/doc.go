// Package memnet is a network in memory, for tests: pairs of connected [Conn] with bounded buffers, deadlines and
// faults on demand, and a [Listener] that hands them out.
//
// It behaves as TCP on loopback does, down to the errors, with these laws:
//
//   - A direction holds at most its limit in bytes. A Write that finds no room parks until a Read makes some.
//   - Nothing moves by itself: there is no goroutine, and no timer but those of deadlines and of [Conn.Drip].
//   - A parked call waits on a sync.Cond, which is a durable block under testing/synctest. Deadlines and drips
//     follow the clock of the bubble that sets them.
//   - A deadline fails calls and nothing else: when it is moved or cleared the Conn goes on where it was.
//
// Two things are simpler than TCP. The peer's Close is felt at once: the next Write fails, where TCP would accept one
// and learn from the answer. And bytes that a closing end has not read cost its peer nothing, where TCP would send a
// reset; a test that wants the reset calls [Conn.Cut] or [Conn.CutAfter].
package memnet

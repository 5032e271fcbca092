// Package memnet is a network in memory, for tests. Its connections, of type [Conn], come in pairs,
// by [Pipe] or from a [Listener]. They have limited buffers, deadlines and faults.
//
// They behave as TCP does on loopback, with the same errors, and by these laws:
//
//   - A direction holds at most its limit in bytes. A Write that finds no room waits until a Read
//     makes room.
//   - Nothing moves by itself. There is no goroutine, and no timers but those of deadlines and of
//     [Conn.Drip].
//   - A call that waits does so in a sync.Cond, so testing/synctest sees that it is durably
//     blocked. Deadlines and drips follow the clock of the bubble that sets them.
//   - A deadline fails calls, and changes nothing else. When it is moved or cleared, the Conn goes
//     on.
//
// Two things are simpler than in TCP. First, a Close is known to the peer immediately: the peer's
// next Write fails, where TCP would accept one more. Second, a Close never resets the connection
// because of bytes that were not read, as TCP does. A test that needs the reset calls [Conn.Cut] or
// [Conn.CutAfter].
package memnet

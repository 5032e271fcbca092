// Package soak loads wsstream for a while and accounts for every message and every end. The clients
// and the server are two processes.
//
// # The account
//
// Each message has the number of its connection, its own number and a checksum. Each side of a
// connection makes a [Record] when the connection has ended. The [Ledger] puts both Records
// together and checks them. These rules follow from the laws in the documentation of package
// wsstream:
//
//  1. The messages of a side arrive from number 0 on: each once, whole, and in order. No message
//     arrives whose Write was not called. A Write that returned because its context ended has sent
//     nothing, so its number is used again.
//  2. If Closed of the receiver settles without an error, the receiver got every message whose
//     Write returned nil before the end.
//  3. If the sender has closed, the receiver did not, and Closed of the sender settles without an
//     error, the receiver got all of these, too.
//  4. So a message that was accepted and not received has an end that was not clean. The table of
//     ends says what Pull, Write and Closed report.
//  5. Each end has an [Act] that explains it. The side that acts notes the Act before. An end
//     without such an Act is a fault, and so is a handshake that fails while the server is up.
//  6. A connection buffers no more than its windows, one message and one read buffer.
//  7. After the server's restart each client is back within its longest backoff and a handshake.
//
// Rules 2 and 3 have two exceptions. An Abort of the sender drops what was accepted, and a CloseNow
// of the receiver drops what is unread.
//
// When all connections have ended, both processes have as many goroutines and descriptors as before
// the first one. The heap has grown by [HeapTolerance] at most.
package soak

import "time"

// The pace. It is low enough for two processors to keep 8,000 connections alive.
const (
	leastPace = 2 * time.Second  // the shortest Pace
	mostRate  = 1500             // messages a second, without bursts
	longLife  = 4 * time.Minute  // the longest Long
	shortLife = 10 * time.Second // the mean life of a third of the connections
	slowPause = 200 * time.Millisecond
	pieceSize = 2 << 10 // bytes that are written to a MessageWriter in one call, at least
)

// The timeouts. All are far above what a loaded machine needs, so none passes without an Act.
const (
	handshakeTimeout = 2 * time.Minute
	closeTimeout     = 2 * time.Minute
	shortClose       = 20 * time.Second // of the services silent and asleep
	pingInterval     = 2 * time.Second
	pongTimeout      = time.Minute
	grace            = 10 * time.Second // of the context of Shutdown
	beforeClose      = 3 * time.Second  // from when a client sleeps until the server closes

	// gone is the time until a client that has vanished gives up.
	gone = pingInterval + pongTimeout + shortClose + 10*time.Second
	// sleeps is how long a client does not pull that sleeps.
	sleeps = beforeClose + shortClose + 10*time.Second
)

// The backoff of a client whose server is away.
const (
	backoffFirst  = 200 * time.Millisecond
	backoffFactor = 2
	backoffJitter = 0.5
	backoffMost   = 5 * time.Second // before the jitter
	mostAway      = backoffMost + backoffMost/2 + handshakeTimeout
)

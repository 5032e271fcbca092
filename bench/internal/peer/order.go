// Package peer is the neutral other end of every measurement: raw frames on TCP connections, from a
// process of its own. It sends frames that were made before, in large blocks. It reads into large
// buffers, and looks at headers only. So it never limits a library: `raw` is faster than all of
// them.
package peer

import "time"

// The shapes of orders.
const (
	PingPong = "pingpong" // InFlight messages that are answered each, again and again
	Swallow  = "swallow"  // receive as fast as it comes
	Flood    = "flood"    // send as fast as it goes
	Both     = "both"     // flood and swallow concurrently
	Little   = "little"   // a message on each connection at a pace, which is answered
	// open a connection and close it with a closing handshake, again and again, InFlight of them.
	Churn   = "churn"
	Storm   = "storm"   // connect, all within Every; send a message on each, and wait for its answer
	Steady  = "steady"  // as Little, but timed from when a message was due
	Idle    = "idle"    // connect, and neither send nor read
	Consume = "consume" // receive stamped messages: fast, slowly, or not at all
	Feed    = "feed"    // the first connection receives slowly, the second floods
)

// SlowRate is how much a slow consumer reads, in bytes a second.
const SlowRate = 1_000_000

// An Order is what the peer is told to do.
type Order struct {
	Shape string
	Addr  string // the library's; empty: the peer serves, one connection
	TLS   bool

	First    int // the number of the first connection: others are another process's
	Conns    int
	Size     int           // of the messages it sends, in bytes
	InFlight int           // messages, or connections
	Every    time.Duration // of Little and Steady: the time between two messages of a connection

	Slow, Stopped int // of Consume: how many of Conns read at SlowRate, and not at all

	// Buffer is the size of the sockets' TCP windows, in bytes, where less than the kernel's choice is
	// wanted.
	Buffer int
}

// A State is how far an order is.
type State struct {
	In, Out int64 // messages received and sent; connections, of Churn
	Cut     int64 // connections that the library ended

	// Of the answers since the last State, in microseconds from the message to its answer.
	P50, P99 float64

	// Of the fast consumers: what they received, and how many messages did not come though later ones
	// did.
	Fast, FastLost int64
	FastAt         time.Duration // when the last one came to any of them, on the machine's clock

	// Recovered is how long after Resume a message came that was fresh; 0: none yet.
	Recovered time.Duration
}

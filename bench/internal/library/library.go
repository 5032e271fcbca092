// Package library has an adaptor file for each library that is measured. It makes the calls that
// the library's own documentation recommends, with its default options.
package library

import "net"

// A Library makes connections.
type Library struct {
	Name string

	// Serve accepts connections from l, through net/http or what the library has in its place, until
	// the process ends.
	Serve func(l net.Listener, h Handler) error

	// ServeBare does the same without net/http. Nil: the library has no such thing.
	ServeBare func(l net.Listener, h Handler) error

	// ServeTLS is Serve behind TLS, for a library that has its own, with a certificate and its key in
	// PEM. Nil: Serve takes a listener of crypto/tls.
	ServeTLS func(l net.Listener, cert, key []byte, h Handler) error

	// Dial connects to the server at addr, and leaves the connection to h.
	Dial func(addr string, h Handler) error

	// Rooms are the ways in which users of the library send to many, the one they write first, first.
	Rooms []Way

	// Relays are the ways in which they pass on what comes from one connection to another.
	Relays []Relay
}

// A Handler is what a program does with its connections. Its functions may be called concurrently
// for different ones.
type Handler struct {
	// Open is called for each connection, and may not block.
	Open func(c Conn)

	// Message is called for each message of a connection, in order; data is the library's again when
	// it returns. Nil: there is no reader.
	Message func(c Conn, data []byte)
}

// A Conn is one connection of a library. One goroutine writes at a time.
type Conn interface {
	// Write sends a binary message. The caller may use data again when it returns.
	Write(data []byte) error

	// Close cuts.
	Close()
}

// A Flooder is a Conn that can send the same message again and again, faster than by Write. Only
// raw is one, which is not a library but their limit. Sent is called with the number of messages
// after each write. It returns false to end.
type Flooder interface {
	Flood(data []byte, sent func(n int64) bool)
}

// A Room sends to all connections that joined. One goroutine publishes.
type Room interface {
	Join(c Conn)
	Publish(data []byte) // which belongs to the room from then on

	// Dropped is how many messages the room did not send, by its own decision.
	Dropped() int64
}

// A Way is one way to write a Room.
type Way struct {
	Name string
	New  func() Room

	// Serve, if it is set, stands in for the library's: the way is a setting of the server.
	Serve func(l net.Listener, h Handler) error
}

// A Relay is one way to pass messages on. Exactly one of its functions is set.
type Relay struct {
	Name string

	// Message passes on one message of src, in src's Handler.Message.
	Message func(dst Conn, data []byte)

	// Pipe passes on all messages of src until either ends. It is the only reader of src.
	Pipe func(dst, src Conn)
}

// All are the libraries that are measured, wsstream first and the limit last.
var All = []Library{Wsstream, Gorilla, Coder, Gws, Nbio, Gobwas, Raw}

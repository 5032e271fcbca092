// Package library holds the libraries that are measured, one adaptor file each: the calls that the library's users
// would write, with its default options, no more.
package library

import (
	"net"
	"net/http"
)

// A Library makes connections.
type Library struct {
	Name   string
	Accept func(w http.ResponseWriter, r *http.Request) (Conn, error) // the server's side, in an HTTP handler
	Dial   func(nc net.Conn) (Conn, error)                            // the client's side, on a transport
}

// A Conn is one connection of a library. One goroutine writes and one reads.
type Conn interface {
	Write(p []byte) error // sends one binary message
	Read() (int, error)   // reads one message into memory that the next Read uses again, and returns its length
	Close()               // cuts
}

// All are the libraries that are measured, wsstream first.
var All = []Library{Wsstream, Gorilla}

// url is where clients believe they connect to: the transport is there already.
const url = "ws://bench.test/"

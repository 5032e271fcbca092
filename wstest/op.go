package wstest

import "fmt"

// An Op is a frame's opcode, in four bits.
//
// RFC 6455, section 5.2.
type Op byte

// The opcodes that RFC 6455 gives a meaning to. All others are reserved.
const (
	OpContinuation Op = 0x0 // continues a fragmented message
	OpText         Op = 0x1 // begins a text message
	OpBinary       Op = 0x2 // begins a binary message
	OpClose        Op = 0x8
	OpPing         Op = 0x9
	OpPong         Op = 0xa
)

// IsControl reports whether o is the opcode of a control frame. Reserved opcodes from 0xb on are.
//
// RFC 6455, section 5.5.
func (o Op) IsControl() bool { return o&0x8 != 0 }

// IsData reports whether o is the opcode of a data frame, continuations included. Reserved opcodes
// up to 0x7 are.
//
// RFC 6455, section 5.6.
func (o Op) IsData() bool { return !o.IsControl() }

// IsReserved reports whether RFC 6455 gives o no meaning.
//
// RFC 6455, section 5.2.
func (o Op) IsReserved() bool { return o > OpPong || o > OpBinary && o < OpClose }

// String returns the name of the opcode, such as "text", or "opcode 0x3" for a reserved one.
func (o Op) String() string {
	switch o {
	case OpContinuation:
		return "continuation"
	case OpText:
		return "text"
	case OpBinary:
		return "binary"
	case OpClose:
		return "close"
	case OpPing:
		return "ping"
	case OpPong:
		return "pong"
	}
	return fmt.Sprintf("opcode %#x", byte(o))
}

// A Role is the part that a [Peer] plays in a connection. A client masks the frames that it sends,
// and a server does not.
//
// RFC 6455, section 5.1.
type Role uint8

// The roles of a [Peer].
const (
	AsClient Role = iota + 1
	AsServer
)

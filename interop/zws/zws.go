// Package zws speaks ZeroMQ's messages over WebSocket: ZWS 2.0 (45/ZWS2) without security. Copy it.
//
//	c, err := zws.Dial(ctx, "ws://127.0.0.1:5555/", "REQ", nil)
//	err = c.Send(ctx, nil, []byte("hello"))  // REQ and REP put an empty part before their message
//	parts, err := c.Receive(ctx)
//
// While a program receives nothing, nothing more is read, and ZeroMQ's high-water mark holds the
// peer back.
package zws

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"

	"github.com/wsstream/wsstream"
)

// A Conn is a connection with a socket of ZeroMQ. Send and Receive may be called concurrently, each
// by one goroutine.
type Conn struct {
	conn *wsstream.Conn
	peer string // the type of its socket, or ""
}

// The flags in the first byte of each part.
const (
	more    = 1
	command = 2
)

// The subprotocols. Both sides first send READY with the first one, and an identity with the other.
const (
	withMechanism = "ZWS2.0/NULL"
	plain         = "ZWS2.0"
)

var errCommand = errors.New("zws: the peer's handshake is bad")

// Dial connects to a socket that is bound. socketType is the type of ours: REQ, PUSH, SUB and so
// on. o may be nil.
func Dial(ctx context.Context, url, socketType string, o *wsstream.DialOptions) (*Conn, error) {
	var options wsstream.DialOptions
	if o != nil {
		options = *o
	}
	options.Subprotocols = []string{withMechanism, plain}
	options.MaxFrameSize = -1 // libzmq takes no fragments
	c := &Conn{conn: wsstream.Dial(ctx, url, &options)}
	return c, c.handshake(ctx, socketType)
}

// Accept answers the request of a socket that connects.
func Accept(w http.ResponseWriter, r *http.Request, socketType string, o *wsstream.AcceptOptions) (*Conn, error) {
	var options wsstream.AcceptOptions
	if o != nil {
		options = *o
	}
	options.Subprotocols = []string{plain} // the other is no token, which a server may not choose
	options.MaxFrameSize = -1              // libzmq takes no fragments
	conn, err := wsstream.Accept(w, r, &options)
	if err != nil {
		return nil, err
	}
	c := &Conn{conn: conn}
	return c, c.handshake(r.Context(), socketType)
}

// Conn returns the connection.
func (c *Conn) Conn() *wsstream.Conn { return c.conn }

// Peer returns the type of the peer's socket. A client of libzmq does not tell a server of ours.
func (c *Conn) Peer() string { return c.peer }

// Send sends a message of one or more parts. If ctx ends between two of them, the connection is
// cut: the peer would take the next message for the rest of this one.
func (c *Conn) Send(ctx context.Context, parts ...[]byte) error {
	for i, p := range parts {
		flags := byte(0)
		if i < len(parts)-1 {
			flags = more
		}
		if err := c.write(ctx, flags, p); err != nil {
			if i > 0 {
				c.conn.CloseNow()
			}
			return err
		}
	}
	return nil
}

func (c *Conn) write(ctx context.Context, flags byte, p []byte) error {
	return c.conn.Writable().Write(ctx, wsstream.Binary(append([]byte{flags}, p...)))
}

// Receive returns the parts of the next message. If ctx ends between two of them, the connection is
// cut.
func (c *Conn) Receive(ctx context.Context) (parts [][]byte, err error) {
	for {
		m, err := c.conn.Readable().Pull(ctx)
		if err == nil && (m.Type != wsstream.TypeBinary || len(m.Data) == 0) {
			err = errors.New("zws: a message without flags")
		}
		if err != nil {
			if len(parts) > 0 {
				c.conn.CloseNow()
			}
			return nil, err
		}
		if m.Data[0]&command != 0 { // a heartbeat, or a later version's
			continue
		}
		parts = append(parts, m.Data[1:])
		if m.Data[0]&more == 0 {
			return parts, nil
		}
		if len(parts) == maxParts {
			c.conn.CloseNow()
			return nil, errors.New("zws: a message of too many parts")
		}
	}
}

const maxParts = 1024

// handshake sends our first message, and waits for the peer's.
func (c *Conn) handshake(ctx context.Context, socketType string) error {
	opened, err := c.conn.Opened().Wait(ctx)
	flags, first := byte(0), []byte(nil) // an empty identity
	if opened.Protocol == withMechanism {
		flags, first = command, property(property([]byte(ready), "Socket-Type", socketType), "Identity", "")
	}
	if err == nil {
		err = c.write(ctx, flags, first)
	}
	var m wsstream.Message
	if err == nil {
		m, err = c.conn.Readable().Pull(ctx)
	}
	if err == nil && opened.Protocol == withMechanism {
		c.peer, err = parseReady(m.Data)
	}
	if err != nil {
		c.conn.CloseNow()
		return fmt.Errorf("zws: handshake: %w", err)
	}
	return nil
}

const ready = "\x05READY" // a command's name with its length

// property appends a property: a name with its length in a byte, a value with it in four.
func property(b []byte, name, value string) []byte {
	b = append(append(b, byte(len(name))), name...)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(value))), value...)
}

// parseReady returns the type of the peer's socket.
func parseReady(b []byte) (socketType string, err error) {
	const name = "\x02" + ready
	if len(b) < len(name) || string(b[:len(name)]) != name {
		return "", errCommand
	}
	for b = b[len(name):]; len(b) > 0; {
		n := 1 + int(b[0])
		if len(b) < n+4 {
			return "", errCommand
		}
		size := int(binary.BigEndian.Uint32(b[n:]))
		if len(b)-n-4 < size {
			return "", errCommand
		}
		if string(b[1:n]) == "Socket-Type" {
			socketType = string(b[n+4 : n+4+size])
		}
		b = b[n+4+size:]
	}
	return socketType, nil
}

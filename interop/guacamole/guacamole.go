// Package guacamole is the server's side of Guacamole's tunnel over WebSocket: it sends a browser
// the instructions of a screen, and gets those of keys and the mouse. Copy it.
//
//	http.Handle("/tunnel", &guacamole.Server{Serve: func(ctx context.Context, t *guacamole.Tunnel) error {
//		if err := t.Write(ctx, "size", "0", "640", "480"); err != nil {
//			return err
//		}
//		for {
//			i, err := t.Pull(ctx) // such as mouse, 10, 20, 1
//			…
//		}
//	}})
//
// A browser takes all that it is sent. The protocol's own backpressure is the instruction sync: the
// client answers it with the same timestamp when it has drawn all before it.
//
// Pull also answers the client's pings. A client whose program pulls nothing for 15 seconds takes
// the tunnel for dead.
package guacamole

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// An Instruction is an opcode and its arguments.
type Instruction []string

const maxElements = 128 // of an instruction, as guacd has it

var errInstruction = errors.New("guacamole: bad instruction")

// parse reads the first instruction of a message. Each element has its length before it, in
// characters: "5.mouse,2.10,2.20;".
func parse(b []byte) (i Instruction, rest []byte, err error) {
	for len(i) < maxElements {
		digits, text, found := bytes.Cut(b, []byte("."))
		n, err := strconv.ParseUint(string(digits), 10, 31)
		if !found || err != nil {
			return nil, nil, errInstruction
		}
		end := characters(text, int(n))
		if end < 0 || end == len(text) {
			return nil, nil, errInstruction
		}
		i, b = append(i, string(text[:end])), text[end+1:]
		switch text[end] {
		case ';':
			return i, b, nil
		case ',':
		default:
			return nil, nil, errInstruction
		}
	}
	return nil, nil, errInstruction
}

// characters returns how many bytes n characters take, or -1 if b has fewer.
func characters(b []byte, n int) (end int) {
	for ; n > 0; n-- {
		if end == len(b) {
			return -1
		}
		_, size := utf8.DecodeRune(b[end:])
		end += size
	}
	return end
}

func (i Instruction) text() []byte {
	var b []byte
	for n, element := range i {
		if n > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(utf8.RuneCountInString(element)), 10)
		b = append(append(b, '.'), element...)
	}
	return append(b, ';')
}

// split yields the instructions of a message.
func split(m wsstream.Message) iter.Seq2[Instruction, error] {
	return func(yield func(Instruction, error) bool) {
		for b := m.Data; len(b) > 0; {
			i, rest, err := parse(b)
			if !yield(i, err) || err != nil {
				return
			}
			b = rest
		}
	}
}

// A Server is an http.Handler.
type Server struct {
	// Serve is called for each tunnel, which ends when Serve returns. The error of End tells the client why.
	Serve func(ctx context.Context, t *Tunnel) error

	Options wsstream.AcceptOptions
}

// A Tunnel is one connection. Its methods may be called concurrently.
type Tunnel struct {
	conn *wsstream.Conn
	in   stream.Readable[Instruction]
}

// ServeHTTP serves one client.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := s.Options
	o.Subprotocols = []string{"guacamole"}
	wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
		t := &Tunnel{conn: conn, in: stream.FlatMap(conn.Readable(), split)}
		if err := t.Write(r.Context(), internal, rand.Text()); err != nil { // the tunnel's name opens it
			return err
		}
		return s.Serve(r.Context(), t)
	}, &o).ServeHTTP(w, r)
}

// internal is the opcode of instructions that are the tunnel's own.
const internal = ""

// Conn returns the connection.
func (t *Tunnel) Conn() *wsstream.Conn { return t.conn }

// Write sends an instruction. It waits while the client does not keep up.
func (t *Tunnel) Write(ctx context.Context, i ...string) error {
	m := wsstream.Message{Type: wsstream.TypeText, Data: Instruction(i).text()}
	return t.conn.Writable().Write(ctx, m)
}

// Pull returns the client's next instruction, and io.EOF after the client has left.
func (t *Tunnel) Pull(ctx context.Context) (Instruction, error) {
	for {
		i, err := t.in.Pull(ctx)
		if err != nil || i[0] != internal {
			return i, err
		}
		if len(i) > 1 && i[1] == "ping" {
			if err := t.Write(ctx, i...); err != nil {
				return nil, err
			}
		}
	}
}

// End returns the error with which Serve tells the client why a tunnel ends. status is one of the
// protocol's, such as 771 for CLIENT_FORBIDDEN. code is WebSocket's, such as 1008.
func End(code, status int) error {
	return &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: code, Reason: strconv.Itoa(status)}}
}

package wsstream

import (
	"encoding/binary"
	"math/bits"
	"net/http"
	"slices"
	"strings"

	"github.com/wsstream/wsstream/internal/handshake"
	"github.com/wsstream/wsstream/stream"
)

// An Opened is the result of a handshake.
type Opened struct {
	Readable *Readable // the connection's, as from Conn.Readable
	Writable *Writable // the connection's, as from Conn.Writable

	Protocol string // the subprotocol; empty: none

	// Extensions are the extensions in use, as the header field Sec-WebSocket-Extensions writes
	// them.
	// If empty, none.
	Extensions string

	// Header is the header of the peer's handshake: of the response for Dial, of the request for
	// Accept and AcceptConn.
	Header http.Header
}

// A promise is a Future and the function that settles it. It is made when the Future is first asked
// for: most connections never need one.
type promise[T any] struct {
	future *stream.Future[T]
	settle func(T, error) bool
}

func newPromise[T any]() *promise[T] {
	f, settle := stream.NewFuture[T]()
	return &promise[T]{f, settle}
}

// settled settles the promise, if it was made.
func (p *promise[T]) settled(v T, err error) {
	if p != nil {
		p.settle(v, err)
	}
}

// An agreement is the result of a handshake in one string, which takes a fifth of the memory. It
// has the subprotocol, the extensions, and the fields of the header. Each field has its name, the
// number of its values, and the values. The length of a string precedes it. A name has the sum of
// its length and len(usual) before it, or is only its index in usual. All numbers are as
// binary.AppendUvarint writes them.
type agreement string

// usual are the names of fields that most handshakes have.
var usual = []string{
	"Accept-Encoding", "Accept-Language", "Cache-Control", "Connection", "Cookie", "Origin", "Pragma",
	"Sec-Websocket-Accept", "Sec-Websocket-Extensions", "Sec-Websocket-Key", "Sec-Websocket-Protocol",
	"Sec-Websocket-Version", "Upgrade", "User-Agent",
}

func newAgreement(a *handshake.Agreement) agreement {
	size := flatSize(a.Protocol) + flatSize(a.Extensions)
	for name, values := range a.Header {
		size += nameSize(name) + numberSize(len(values))
		for _, v := range values {
			size += flatSize(v)
		}
	}
	var b strings.Builder
	b.Grow(size)
	number := func(n int) {
		var at [binary.MaxVarintLen64]byte
		b.Write(binary.AppendUvarint(at[:0], uint64(n)))
	}
	add := func(s string) {
		number(len(s))
		b.WriteString(s)
	}
	add(a.Protocol)
	add(a.Extensions)
	for name, values := range a.Header {
		if i := slices.Index(usual, name); i >= 0 {
			number(i)
		} else {
			number(len(usual) + len(name))
			b.WriteString(name)
		}
		number(len(values))
		for _, v := range values {
			add(v)
		}
	}
	return agreement(b.String())
}

// flatSize returns how many bytes a string takes in an agreement.
func flatSize(s string) int { return numberSize(len(s)) + len(s) }

// nameSize returns how many bytes the name of a field takes in an agreement.
func nameSize(name string) int {
	if i := slices.Index(usual, name); i >= 0 {
		return numberSize(i)
	}
	return numberSize(len(usual)+len(name)) + len(name)
}

// numberSize returns how many bytes a number takes in an agreement: one for 7 bits.
func numberSize(n int) int { return max(1, (bits.Len(uint(n))+6)/7) }

func (a agreement) opened(c *Conn) Opened {
	b := []byte(a)
	number := func() int {
		n, size := binary.Uvarint(b)
		b = b[size:]
		return int(n)
	}
	take := func(n int) (s string) {
		s, b = string(b[:n]), b[n:]
		return s
	}
	next := func() string { return take(number()) }
	name := func() string {
		n := number()
		if n < len(usual) {
			return usual[n]
		}
		return take(n - len(usual))
	}
	o := Opened{Readable: &c.readable, Writable: &c.writable, Header: http.Header{}}
	o.Protocol, o.Extensions = next(), next()
	for len(b) > 0 {
		key := name()
		values := make([]string, number())
		for i := range values {
			values[i] = next()
		}
		o.Header[key] = values
	}
	return o
}

package wsstream

import (
	"encoding/binary"
	"net/http"

	"github.com/wsstream/wsstream/internal/handshake"
	"github.com/wsstream/wsstream/stream"
)

// An Opened is what the handshake agreed on.
type Opened struct {
	Readable *Readable // the connection's, as from Conn.Readable
	Writable *Writable // the connection's, as from Conn.Writable

	Protocol   string // the subprotocol, empty for none
	Extensions string // the extensions in use as the Sec-WebSocket-Extensions header writes them, empty for none

	// Header is the peer's header of the handshake: the response's on Dial's side, the request's on Accept's.
	Header http.Header
}

// A promise is a Future and what settles it. It is made for the first who asks for it: for most connections nobody does.
type promise[T any] struct {
	future *stream.Future[T]
	settle func(T, error) bool
}

func newPromise[T any]() *promise[T] {
	f, settle := stream.NewFuture[T]()
	return &promise[T]{f, settle}
}

// settled settles the promise, if there is one.
func (p *promise[T]) settled(v T, err error) {
	if p != nil {
		p.settle(v, err)
	}
}

// An agreement is what the handshake agreed on, at rest.
type agreement struct {
	protocol   string // empty: none
	extensions string // as Sec-WebSocket-Extensions has them; empty: none
	header     flatHeader
}

func newAgreement(a handshake.Agreement) agreement {
	return agreement{protocol: a.Protocol, extensions: a.Extensions, header: flatten(a.Header)}
}

func (a *agreement) opened(c *Conn) Opened {
	return Opened{
		Readable:   &c.readable,
		Writable:   &c.writable,
		Protocol:   a.protocol,
		Extensions: a.extensions,
		Header:     a.header.header(),
	}
}

// A flatHeader is an http.Header in one string, which takes a fifth of the memory: for each field its name, how many values
// it has, and those; a string is preceded by its length, and all numbers are as binary.AppendUvarint writes them.
type flatHeader string

func flatten(h http.Header) flatHeader {
	var b []byte
	add := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	for name, values := range h {
		add(name)
		b = binary.AppendUvarint(b, uint64(len(values)))
		for _, v := range values {
			add(v)
		}
	}
	return flatHeader(b)
}

func (f flatHeader) header() http.Header {
	h, b := http.Header{}, []byte(f)
	number := func() int {
		n, size := binary.Uvarint(b)
		b = b[size:]
		return int(n)
	}
	next := func() (s string) {
		n := number()
		s, b = string(b[:n]), b[n:]
		return s
	}
	for len(b) > 0 {
		name := next()
		values := make([]string, number())
		for i := range values {
			values[i] = next()
		}
		h[name] = values
	}
	return h
}

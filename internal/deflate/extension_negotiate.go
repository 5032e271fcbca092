package deflate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Name is the name of the extension.
const Name = "permessage-deflate"

// The parameters of the extension.
//
// RFC 7692, section 7.1.
const (
	serverNoTakeover = "server_no_context_takeover"
	clientNoTakeover = "client_no_context_takeover"
	serverBits       = "server_max_window_bits"
	clientBits       = "client_max_window_bits"
)

// MinBits and MaxBits limit the size of a window, 1<<bits bytes.
const (
	MinBits = 8
	MaxBits = 15
)

// ErrResponse is the error of a server's response that does not answer our offer. It fails the
// handshake.
//
// RFC 7692, section 7.1.
var ErrResponse = errors.New(
	"the response's Sec-WebSocket-Extensions does not answer what was offered")

// A Config is what one side wants. Zero is no default.
type Config struct {
	Bits           int  // of our window, at most
	NoTakeover     bool // our messages refer to no earlier message
	PeerBits       int  // of the peer's window, at most; a wish
	PeerNoTakeover bool // the peer's messages must refer to no earlier message; of a server a wish
}

// Params are what both sides agreed on.
type Params struct {
	Server Sender // how the server sends
	Client Sender // how the client sends
}

// A Sender says how one side compresses.
type Sender struct {
	Bits       int  // of its window, MinBits to MaxBits
	NoTakeover bool // its messages refer to no earlier message
}

// Answer chooses the first of a client's offers that can be met. If there is none, ok is false, and
// the connection is not compressed. The response is an element for Sec-WebSocket-Extensions. The
// error is ErrMalformed.
//
// RFC 7692, sections 5.1 and 7.1.
func (c Config) Answer(fields []string) (p Params, response string, ok bool, err error) {
	offers, err := parse(fields)
	if err != nil {
		return Params{}, "", false, err
	}
	for _, x := range offers {
		if x.name != Name {
			continue
		}
		o, err := x.read()
		if err != nil || o.server == hint {
			continue
		}
		p, response := c.accept(o)
		return p, response, true, nil
	}
	return Params{}, "", false, nil
}

// accept answers an offer. The answer may have a parameter that the client did not ask for, if that
// saves the client memory. It must be a parameter that every client must know, or that the client
// has allowed.
func (c Config) accept(o told) (Params, string) {
	p := Params{
		Server: Sender{Bits: c.Bits, NoTakeover: c.NoTakeover || o.serverNoTakeover},
		Client: Sender{Bits: MaxBits, NoTakeover: c.PeerNoTakeover || o.clientNoTakeover},
	}
	var b strings.Builder
	b.WriteString(Name)
	tell(&b, p.Server.NoTakeover, serverNoTakeover)
	tell(&b, p.Client.NoTakeover, clientNoTakeover)
	if o.server > 0 {
		p.Server.Bits = min(c.Bits, o.server)
		tellBits(&b, serverBits, p.Server.Bits)
	}
	switch {
	case o.client > 0:
		p.Client.Bits = min(c.PeerBits, o.client)
	case o.client == hint:
		p.Client.Bits = c.PeerBits
	}
	if p.Client.Bits < MaxBits {
		tellBits(&b, clientBits, p.Client.Bits)
	}
	return p, b.String()
}

// Offer returns a client's Sec-WebSocket-Extensions. If some servers refuse the first offer, a
// plain offer follows it.
//
// RFC 7692, section 5.1.
func (c Config) Offer() string {
	var b strings.Builder
	b.WriteString(Name)
	tell(&b, c.PeerNoTakeover, serverNoTakeover)
	tell(&b, c.NoTakeover, clientNoTakeover)
	if c.PeerBits < MaxBits {
		tellBits(&b, serverBits, c.PeerBits)
	}
	if c.Bits < MaxBits {
		tellBits(&b, clientBits, c.Bits)
	} else {
		tell(&b, true, clientBits)
	}
	if c.PeerNoTakeover || c.PeerBits < MaxBits || c.Bits == MinBits {
		b.WriteString(", " + Name)
	}
	return b.String()
}

// Check reads a server's response to our Offer. If the server declined, ok is false. The error is
// ErrMalformed or ErrResponse, and says what is wrong. A server that leaves out what we asked for
// has taken the plain offer. A server may name more bits for our window than we offered: we use
// ours.
//
// RFC 7692, section 7.1.2.2.
func (c Config) Check(fields []string) (p Params, ok bool, err error) {
	answers, err := parse(fields)
	if err != nil || len(answers) == 0 {
		return Params{}, false, err
	}
	x := answers[0]
	if x.name != Name || len(answers) > 1 {
		err = fmt.Errorf("%w: %.100q is not %s and nothing else", ErrResponse, fields, Name)
		return Params{}, false, err
	}
	t, err := x.read()
	if err == nil && (t.server == hint || t.client == hint) {
		err = errors.New("window bits without a value")
	}
	if err != nil {
		return Params{}, false, fmt.Errorf("%w: %.100q: %w", ErrResponse, fields, err)
	}
	p = Params{
		Server: Sender{Bits: MaxBits, NoTakeover: t.serverNoTakeover},
		Client: Sender{Bits: c.Bits, NoTakeover: c.NoTakeover || t.clientNoTakeover},
	}
	if t.server > 0 {
		p.Server.Bits = t.server
	}
	if t.client > 0 {
		p.Client.Bits = min(c.Bits, t.client)
	}
	return p, true, nil
}

// Unoffered checks a response to a request that offered no extension.
func Unoffered(fields []string) error {
	answers, err := parse(fields)
	if err == nil && len(answers) > 0 {
		err = fmt.Errorf("%w: %.100q, and nothing was", ErrResponse, fields)
	}
	return err
}

func tell(b *strings.Builder, it bool, name string) {
	if it {
		b.WriteString("; " + name)
	}
}

func tellBits(b *strings.Builder, name string, bits int) {
	b.WriteString("; " + name + "=" + strconv.Itoa(bits))
}

// A told has the parameters of an element. Window bits are 0 where the element has none, and hint
// where they have no value.
type told struct {
	serverNoTakeover, clientNoTakeover bool
	server, client                     int
}

const hint = -1

// read reads the parameters. Each must be known, appear once, and have a valid value.
func (x extension) read() (told, error) {
	var t told
	for i, p := range x.params {
		for _, before := range x.params[:i] {
			if before.name == p.name {
				return t, fmt.Errorf("%.40s appears twice", p.name)
			}
		}
		var ok bool
		switch p.name {
		case serverNoTakeover:
			t.serverNoTakeover, ok = true, !p.valued
		case clientNoTakeover:
			t.clientNoTakeover, ok = true, !p.valued
		case serverBits:
			t.server, ok = p.bits()
		case clientBits:
			t.client, ok = p.bits()
		default:
			return t, fmt.Errorf("%.40s is unknown", p.name)
		}
		if !ok {
			return t, fmt.Errorf("%s may not be %.40q", p.name, p.value)
		}
	}
	return t, nil
}

// bits returns the value as window bits: 8 to 15, without leading zeros.
func (p param) bits() (int, bool) {
	if !p.valued {
		return hint, true
	}
	n, err := strconv.Atoi(p.value)
	return n, err == nil && n >= MinBits && n <= MaxBits && strconv.Itoa(n) == p.value
}

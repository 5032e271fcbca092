package deflate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Name is the extension's.
const Name = "permessage-deflate"

// The extension's parameters (RFC 7692, section 7.1).
const (
	serverNoTakeover = "server_no_context_takeover"
	clientNoTakeover = "client_no_context_takeover"
	serverBits       = "server_max_window_bits"
	clientBits       = "client_max_window_bits"
)

// MinBits and MaxBits bound the size of a window, 1<<bits bytes.
const (
	MinBits = 8
	MaxBits = 15
)

// ErrResponse is a server's response that does not answer what we offered. It fails the handshake (RFC 7692, section
// 7.1).
var ErrResponse = errors.New("the response's Sec-WebSocket-Extensions does not answer what was offered")

// A Config is what one side wants. All of it is settled: there are no defaults here.
type Config struct {
	Bits           int  // of our window, at most
	NoTakeover     bool // what we send refers to no earlier message
	PeerBits       int  // of the peer's window, at most; a wish
	PeerNoTakeover bool // the peer shall not refer to earlier messages; of a server a wish
}

// Params are what both sides agreed on.
type Params struct{ Server, Client Sender }

// A Sender is how one side compresses.
type Sender struct {
	Bits       int  // of its window, MinBits to MaxBits
	NoTakeover bool // its messages refer to no earlier ones
}

// Answer chooses the first of a client's offers that can be met. ok is false where there is none: the connection goes
// uncompressed. The response is an element for Sec-WebSocket-Extensions. The error is ErrMalformed.
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

// accept answers an offer. What we were not asked is told only where it saves the client memory and every client knows
// it, or is allowed to be told at all.
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

// Offer is a client's Sec-WebSocket-Extensions. Behind an offer that some servers refuse stands a
// plain one.
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

// Check reads a server's response to our Offer. ok is false where the server declined. The error is ErrMalformed or
// ErrResponse, and says what is wrong. A server that leaves out what we asked for has taken the
// plain offer. More bits for our window than we offered say what it can take; we use ours
// (RFC 7692, section 7.1.2.2).
func (c Config) Check(fields []string) (p Params, ok bool, err error) {
	answers, err := parse(fields)
	if err != nil || len(answers) == 0 {
		return Params{}, false, err
	}
	x := answers[0]
	if x.name != Name || len(answers) > 1 {
		return Params{}, false, fmt.Errorf("%w: %q is not %s and nothing else", ErrResponse, fields, Name)
	}
	t, err := x.read()
	if err == nil && (t.server == hint || t.client == hint) {
		err = errors.New("window bits without a value")
	}
	if err != nil {
		return Params{}, false, fmt.Errorf("%w: %q: %w", ErrResponse, fields, err)
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
		err = fmt.Errorf("%w: %q, and nothing was", ErrResponse, fields)
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

// A told is what an element says: window bits are 0 where nothing is said, and hint where there is no value.
type told struct {
	serverNoTakeover, clientNoTakeover bool
	server, client                     int
}

const hint = -1

// read reads the parameters: none that is unknown, none twice, no value that may not be.
func (x extension) read() (told, error) {
	var t told
	for i, p := range x.params {
		for _, before := range x.params[:i] {
			if before.name == p.name {
				return t, fmt.Errorf("%s stands twice", p.name)
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
			return t, fmt.Errorf("%s is unknown", p.name)
		}
		if !ok {
			return t, fmt.Errorf("%s may not be %q", p.name, p.value)
		}
	}
	return t, nil
}

// bits is the value as window bits, 8 to 15 without leading zeros.
func (p param) bits() (int, bool) {
	if !p.valued {
		return hint, true
	}
	n, err := strconv.Atoi(p.value)
	return n, err == nil && n >= MinBits && n <= MaxBits && strconv.Itoa(n) == p.value
}

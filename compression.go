package wsstream

import (
	"fmt"

	"github.com/wsstream/wsstream/internal/deflate"
	"github.com/wsstream/wsstream/internal/handshake"
	"github.com/wsstream/wsstream/internal/wire"
)

// CompressionOptions ask for permessage-deflate (RFC 7692), which is used if the peer knows it too: then
// Opened.Extensions tells how. The zero value is ready to use. **Do not compress what an attacker can add to beside a
// secret**: the length of the message tells the secret, bit by bit. Message.NoCompress takes one message out.
//
// A message that has come is held, and paid for with read credit, as it is on the wire. It is inflated by whoever pulls,
// up to MaxMessageSize, which counts inflated bytes: a small message that would fill the memory fails the connection with
// 1009.
//
// With context takeover messages can refer to those before them: short ones that resemble each other compress better. For
// that a connection holds what it refers to, each way from the first compressed message on: what was sent, as much as the
// longest message or a kilobyte, and what has come, at most these bytes each by the bits of the window; with the default
// options, and a peer that does as they ask, 8 KiB.
//
//	bits     8    9     10     11     12     13      14      15
//	bytes  256  512  1,024  2,048  4,096  8,192  16,384  32,768
//
// Without, an idle connection holds nothing. All else is borrowed while a message is compressed or inflated.
type CompressionOptions struct {
	// Threshold is the size in bytes from which a message is compressed: shorter ones gain little. It does not count for
	// NewMessage, whose length is not known before. Default 256; negative: all are compressed.
	Threshold int

	// Level is how hard the compressor searches, from 1, the fastest, to 9. Default 1 with context takeover, and 4 without.
	Level int

	// WindowBits is the logarithm of the most bytes that what we send refers back, from 8 to 15. The
	// peer may ask for less. Where a server answers Dial with more, WindowBits is what Dial uses.
	// **8 is refused by some peers, gws and autobahn among them.** Default 12, 4 KiB.
	WindowBits int

	// PeerWindowBits asks the same of the peer, from 8 to 15. A server asks only clients that allow
	// it, as browsers do. **Many servers cannot do less than 15, and zlib cannot do 8.** Behind such
	// an offer Dial makes a second, plain one: a server that takes it uses up to 15 bits.
	// Opened.Extensions tells which was taken. Default 15 for Dial, and 12 for Accept.
	PeerWindowBits int

	// NoContextTakeover has what we send refer to no earlier message.
	NoContextTakeover bool

	// PeerNoContextTakeover asks the same of the peer. Behind such an offer Dial makes a plain one, as
	// for PeerWindowBits. To a client it is told. Browsers obey, and tornado's client does not: its
	// second compressed message then fails the connection with 1007.
	PeerNoContextTakeover bool
}

// The defaults of CompressionOptions.
const (
	DefaultCompressionThreshold = 256 // bytes
	DefaultWindowBits           = 12
)

// A compression is CompressionOptions with the defaults filled in; Threshold is 0 where all is compressed.
type compression struct {
	deflate.Config
	level     int
	threshold int
}

// check fills in the defaults, or returns an error that names the option. No options are no compression.
func (o *CompressionOptions) check(client bool) (*compression, error) {
	if o == nil {
		return nil, nil
	}
	peerBits := DefaultWindowBits
	if client {
		peerBits = deflate.MaxBits
	}
	c := &compression{
		Config: deflate.Config{
			Bits:           orDefault(o.WindowBits, DefaultWindowBits),
			NoTakeover:     o.NoContextTakeover,
			PeerBits:       orDefault(o.PeerWindowBits, peerBits),
			PeerNoTakeover: o.PeerNoContextTakeover,
		},
		level:     o.Level,
		threshold: orDefault(o.Threshold, DefaultCompressionThreshold),
	}
	switch {
	case c.level < 0 || c.level > 9:
		return nil, fmt.Errorf("wsstream: Compression.Level is %d, not 1 to 9", o.Level)
	case c.Bits < deflate.MinBits || c.Bits > deflate.MaxBits:
		return nil, fmt.Errorf("wsstream: Compression.WindowBits is %d, not 8 to 15", o.WindowBits)
	case c.PeerBits < deflate.MinBits || c.PeerBits > deflate.MaxBits:
		return nil, fmt.Errorf("wsstream: Compression.PeerWindowBits is %d, not 8 to 15", o.PeerWindowBits)
	}
	return c, nil
}

// config returns what the handshake asks for; nil: no compression.
func (c *compression) config() *deflate.Config {
	if c == nil {
		return nil
	}
	return &c.Config
}

// use returns what the engine needs to know of what was agreed; nil: no compression.
func (c *compression) use(agreed *handshake.Deflate) *wire.Deflate {
	if agreed == nil {
		return nil
	}
	return &wire.Deflate{Ours: agreed.Ours, Peer: agreed.Peer, Level: c.level, Threshold: c.threshold}
}

package wsstream

import (
	"fmt"

	"github.com/wsstream/wsstream/internal/deflate"
	"github.com/wsstream/wsstream/internal/handshake"
	"github.com/wsstream/wsstream/internal/wire"
)

// CompressionOptions ask for permessage-deflate (RFC 7692). It is used if the peer supports it.
// Opened.Extensions says what was agreed. The zero value is ready to use.
//
// Do not compress a message that mixes secrets with attacker-controlled data: its compressed length
// reveals the secret (see CRIME and BREACH). Message.NoCompress sends one message uncompressed.
//
// A message that has come is buffered compressed, and uses read credit at that size. The goroutine
// that pulls inflates it. MaxMessageSize limits the inflated bytes: a small message that would fill
// the memory fails the connection with 1009.
//
// With context takeover, messages can refer to earlier ones, so short messages that resemble each
// other compress better. From the first compressed message on, a connection then keeps earlier
// bytes in each direction. For sent messages it keeps as many bytes as the longest message had, and
// at least a kilobyte. WindowBits and PeerWindowBits limit the bytes of each direction, as in the
// table. With the default options, and a peer that follows them, both directions keep at most 8 KiB
// together.
//
//	bits     8    9     10     11     12     13      14      15
//	bytes  256  512  1,024  2,048  4,096  8,192  16,384  32,768
//
// Without context takeover, an idle connection keeps nothing. All other memory is borrowed while a
// message is compressed or inflated.
type CompressionOptions struct {
	// Threshold is the minimum size of a message that is compressed, in bytes. Shorter messages do
	// not get much smaller. It does not apply to NewMessage, whose length is not known before.
	// If zero, 256.
	// If negative, all messages are compressed.
	Threshold int

	// Level says how hard the compressor searches, from 1, the fastest, to 9.
	// If zero, 1 with context takeover and 4 without.
	Level int

	// WindowBits limits how far back our messages refer: to 1<<WindowBits bytes, from 8 to 15. The
	// peer may ask for less. If a server answers Dial with more, WindowBits is used. Some peers
	// refuse 8, gws and autobahn among them.
	// If zero, 12: 4 KiB.
	WindowBits int

	// PeerWindowBits asks the peer for the same limit, from 8 to 15. A server asks only clients
	// that allow it, as browsers do. Many servers cannot do less than 15, and zlib cannot do 8. So
	// behind such an offer Dial makes a second, plain one. A server that takes the plain offer uses
	// up to 15 bits. Opened.Extensions says which one was taken.
	// If zero, 15 for Dial and 12 for Accept.
	PeerWindowBits int

	// NoContextTakeover makes our messages refer to no earlier message.
	NoContextTakeover bool

	// PeerNoContextTakeover asks the peer for the same. Behind such an offer Dial makes a plain
	// one, as for PeerWindowBits. A server does not only ask but requires it. Browsers obey. The
	// client of tornado does not: its second compressed message then fails the connection with
	// 1007.
	PeerNoContextTakeover bool
}

// The defaults of CompressionOptions.
const (
	DefaultCompressionThreshold = 256 // bytes
	DefaultWindowBits           = 12
)

// A compression is CompressionOptions with the defaults filled in. Its threshold is 0 if all
// messages are compressed.
type compression struct {
	deflate.Config
	level     int
	threshold int
}

// check returns the options with the defaults filled in, or an error that names the option. Nil
// options are no compression. client says that they are Dial's.
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
	case !isBits(c.Bits):
		return nil, fmt.Errorf("wsstream: Compression.WindowBits is %d, not 8 to 15", o.WindowBits)
	case !isBits(c.PeerBits):
		return nil, fmt.Errorf("wsstream: Compression.PeerWindowBits is %d, not 8 to 15",
			o.PeerWindowBits)
	}
	return c, nil
}

func isBits(n int) bool { return n >= deflate.MinBits && n <= deflate.MaxBits }

// config returns the options that the handshake needs. It returns nil for no compression.
func (c *compression) config() *deflate.Config {
	if c == nil {
		return nil
	}
	return &c.Config
}

// use returns what was agreed, as the engine needs it. It returns nil for no compression.
func (c *compression) use(agreed *handshake.Deflate) *wire.Deflate {
	if agreed == nil {
		return nil
	}
	return &wire.Deflate{
		Ours:      agreed.Ours,
		Peer:      agreed.Peer,
		Level:     c.level,
		Threshold: c.threshold,
	}
}

package wsstream

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/wsstream/wsstream/internal/handshake"
)

// The defaults of the options.
const (
	DefaultReadWindow       = 64 << 10 // bytes
	DefaultWriteWindow      = 64 << 10 // bytes
	DefaultMaxMessageSize   = 1 << 20  // bytes
	DefaultMaxFrameSize     = 64 << 10 // bytes
	DefaultMaxHandshakeSize = 64 << 10 // bytes
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultCloseTimeout     = 5 * time.Second
	DefaultPongTimeout      = 20 * time.Second

	minWindow = 256 // bytes: a control frame, and a message's start beside it
)

// common are the options that DialOptions and AcceptOptions share, each under the name that it has there.
// TestOptions checks that both set each of them.
type common struct {
	Subprotocols      []string
	Header            http.Header
	ReadWindow        int
	WriteWindow       int
	MaxMessageSize    int
	MaxFrameSize      int
	MaxHandshakeSize  int
	HandshakeTimeout  time.Duration
	CloseTimeout      time.Duration
	Compression       *CompressionOptions
	PingInterval      time.Duration
	PongTimeout       time.Duration
	IdleTimeout       time.Duration
	WriteStallTimeout time.Duration
	ReadStallTimeout  time.Duration
	OnPing            func(payload []byte)
	OnPong            func(payload []byte)
	Logger            *slog.Logger
	Trace             *Trace
	Meter             *Meter
}

// options are those of a connection, checked, with the defaults filled in. A number that is 0 stands for
// no limit and no timeout, as does one of the keepalive below 0.
type options struct {
	common
	compression *compression // Compression as it was checked; nil: none

	shook func(*Conn, Opened, error) // what Trace wants called when the handshake is done; nil for none
}

// check returns the options with the defaults filled in, or an error that names the option. client says
// that they are Dial's.
func (c common) check(client bool) (*options, error) {
	o := &options{common: c}
	o.ReadWindow = orDefault(c.ReadWindow, DefaultReadWindow)
	o.WriteWindow = orDefault(c.WriteWindow, DefaultWriteWindow)
	o.MaxMessageSize = orDefault(c.MaxMessageSize, DefaultMaxMessageSize)
	o.MaxFrameSize = orDefault(c.MaxFrameSize, DefaultMaxFrameSize)
	o.MaxHandshakeSize = orDefault(c.MaxHandshakeSize, DefaultMaxHandshakeSize)
	o.HandshakeTimeout = orDefault(c.HandshakeTimeout, DefaultHandshakeTimeout)
	o.CloseTimeout = orDefault(c.CloseTimeout, DefaultCloseTimeout)
	o.PongTimeout = orDefault(c.PongTimeout, DefaultPongTimeout)
	o.Subprotocols = slices.Clone(c.Subprotocols)
	o.Header = c.Header.Clone()
	if n := o.ReadWindow; n != 0 && n < minWindow {
		return o, fmt.Errorf("wsstream: ReadWindow is %d bytes, less than the least of %d", n, minWindow)
	}
	if n := o.WriteWindow; n != 0 && n < minWindow {
		return o, fmt.Errorf("wsstream: WriteWindow is %d bytes, less than the least of %d", n, minWindow)
	}
	if err := handshake.CheckSubprotocols(o.Subprotocols, client); err != nil {
		return o, err
	}
	if err := handshake.CheckHeader(o.Header); err != nil {
		return o, err
	}
	var err error
	o.compression, err = c.Compression.check(client)
	return o, err
}

// orDefault fills in the default for 0, and 0 for what is negative: no bound.
func orDefault[T int | time.Duration](v, byDefault T) T {
	if v == 0 {
		return byDefault
	}
	return max(v, 0)
}

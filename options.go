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

	minWindow = 256 // bytes: room for a control frame and the start of a message
)

// common are the options that DialOptions and AcceptOptions share. Each has the name that it has
// there. options_common_test.go checks that both sides map each of them, document it alike, and
// list it.
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

// options are the options of a connection, checked and with the defaults filled in. If a number is
// 0 or less, there is no limit.
type options struct {
	common
	compression *compression // Compression as it was checked; nil: none

	shook func(*Conn, Opened, error) // of Trace, for the end of the handshake; nil: none
}

// check returns the options with the defaults filled in, or an error that names the option. client
// says that they are Dial's.
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
	if err := checkWindow("ReadWindow", o.ReadWindow); err != nil {
		return o, err
	}
	if err := checkWindow("WriteWindow", o.WriteWindow); err != nil {
		return o, err
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

func checkWindow(name string, n int) error {
	if n != 0 && n < minWindow {
		return fmt.Errorf("wsstream: %s is %d bytes, less than the least of %d", name, n, minWindow)
	}
	return nil
}

// orDefault returns the default for 0, and 0 for a negative v: no limit.
func orDefault[T int | time.Duration](v, byDefault T) T {
	if v == 0 {
		return byDefault
	}
	return max(v, 0)
}

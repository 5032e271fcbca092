package wire

import (
	"context"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/latch"
)

// Config says how a Conn works. It has no defaults. A number or a duration of 0 or less is no
// limit, and a time that never comes.
type Config struct {
	Client      bool     // we sent the handshake; our frames are masked
	ReadWindow  int      // limits what is received and not pulled, in bytes on the wire
	WriteWindow int      // limits what is accepted and has not left, in bytes on the wire
	MaxMessage  int      // limits the payload bytes that a Pull assembles
	MaxFrame    int      // limits the payload bytes of a frame that we send
	Deflate     *Deflate // the agreed compression; nil for none

	CloseTimeout time.Duration // limits the time from our decision to close to the peer's Close
	PingInterval time.Duration // the silence after which we ping the peer
	PongTimeout  time.Duration // limits the peer's silence after a ping
	IdleTimeout  time.Duration // limits the time without a message
	StallTimeout time.Duration // limits the time in which the peer takes nothing of what waits for it
	ReadTimeout  time.Duration // limits the time in which nothing is pulled from a full read window

	Owner Owner
	Ends  *Ends  // the Conn closes them
	Hooks *Hooks // nil for none

	// ReadStall and WriteStall are the observers of the two windows, as credit.Account.Init
	// describes them. nil for none. mu may be held while they run.
	ReadStall, WriteStall func(spent bool, took time.Duration)
}

// limitsSilence reports whether an option needs a keepalive.
func (c *Config) limitsSilence() bool {
	return max(c.PingInterval, c.IdleTimeout, c.StallTimeout, c.ReadTimeout) > 0
}

// An Owner is the object that made the Conn.
type Owner interface {
	// Ended is called once, when all has ended: with what Closed settles with, and with the end of
	// pulls. mu is held, so Ended must not wait.
	Ended(info CloseInfo, err, end error)

	// Errors returns the errors of the owner's package.
	Errors() *Errors

	// Owns reports whether ctx, which has ended, ended because the Conn did. mu may be held.
	Owns(ctx context.Context) bool
}

// Errors are the errors of the package that makes Conns. All Conns share them.
type Errors struct {
	Closed  error                                 // of a Write after an end in order
	Busy    error                                 // of a pull while a message is being read
	Unclean func(info CloseInfo, err error) error // makes that of an unclean end
	Coded   func(info CloseInfo, err error) error // makes that of an end in order with a code
}

// Ends are closed when the end of each stream is decided. Messages that were received before can
// still be pulled.
type Ends struct{ Read, Write latch.Latch }

// Hooks are functions that the goroutine which reads calls. No lock is held. nil for none.
type Hooks struct {
	OnPing, OnPong func(payload []byte)
	Whole          func(op ws.OpCode, bytes int64) // a Reader has come to the end of its message
}

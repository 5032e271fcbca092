package resume

import (
	"cmp"
	"errors"
	"math"
	"time"
)

// The defaults of the options.
const (
	DefaultWindow       = 1 << 20
	DefaultAwayTimeout  = 2 * time.Minute
	DefaultFirstPause   = 100 * time.Millisecond
	DefaultLongestPause = 10 * time.Second
	DefaultMaxGreetings = 4096

	defaultPing    = 20 * time.Second
	defaultMessage = 1 << 20
	defaultFrame   = 64<<10 + headerLen // a message of 64 KiB is one frame
	minWindow      = 256
)

// Hooks are called as things happen. They run on the goroutine that lives with the connection, and
// no lock is held: a hook may call all methods of the Session. While a hook runs, its session is
// not reconnected, so it must not block. Each may be nil.
type Hooks struct {
	// Connected is called when the first connection has been greeted.
	Connected func(*Session)

	// Lost is called when a connection has ended and the session has not. The session may have
	// another connection by then, whose Resumed is called later.
	Lost func(s *Session, err error)

	// Resumed is called when a further connection has been greeted. What the peer has not received
	// is sent again behind it.
	Resumed func(*Session)
}

// A config has the options that both sides share, with defaults.
type config struct {
	window      int
	max         int // of a message that we receive; negative: none
	awayTimeout time.Duration
	hooks       Hooks
}

func newConfig(window, maxMessage int, away time.Duration, h Hooks) (config, error) {
	c := config{
		window:      cmp.Or(window, DefaultWindow),
		max:         cmp.Or(maxMessage, defaultMessage),
		awayTimeout: cmp.Or(away, DefaultAwayTimeout),
		hooks:       h,
	}
	switch {
	case c.window < 0:
		return c, errors.New("resume: Window is negative: a session needs a limit")
	case c.awayTimeout < 0:
		return c, errors.New("resume: AwayTimeout is negative: a session needs a limit")
	}
	c.window = max(c.window, minWindow)
	return c, nil
}

// connMax returns the MaxMessageSize of a connection: a record has its header, and several records
// fit.
func (c *config) connMax() int {
	if c.max < 0 || c.max > math.MaxInt-headerLen {
		return -1
	}
	return max(c.max+headerLen, maxBatch)
}

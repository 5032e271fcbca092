package wsstream

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/wsstream/wsstream/internal/handshake"
	"github.com/wsstream/wsstream/internal/wire"
)

// wait waits for the handshake and returns the engine.
func (c *Conn) wait(ctx context.Context) (*wire.Conn, error) {
	if w := c.engine.Load(); w != nil {
		return w, nil
	}
	if _, err := c.Opened().Wait(ctx); err != nil {
		return nil, err
	}
	return c.engine.Load(), nil
}

// orAbandon returns the engine if the handshake is done. Otherwise it abandons the handshake
// because of cause.
func (c *Conn) orAbandon(cause error) *wire.Conn {
	if w := c.engine.Load(); w != nil {
		return w
	}
	return c.fail(&Error{CloseInfo: CloseInfo{Code: wire.CodeAbnormal}, Err: cause})
}

// orHandshakeClosed returns the cause of abandoning the handshake.
func orHandshakeClosed(cause error) error { return cmp.Or(cause, errHandshakeClosed) }

// fail ends a connection with err if its handshake is not done. Otherwise it returns the engine.
func (c *Conn) fail(err error) *wire.Conn {
	w, failed := c.tryFail(err)
	if failed {
		// mu is not held: the Logger may call the Conn.
		c.seen.debug(c, "handshake failed", slog.Any("error", err))
	}
	return w
}

// tryFail is fail without a report to the Logger. It reports whether the connection has now ended
// with err.
func (c *Conn) tryFail(err error) (w *wire.Conn, failed bool) {
	var abandon context.CancelFunc
	defer func() {
		if abandon != nil {
			abandon() // without the locks: it may close a transport, and that may block
		}
	}()
	c.lockToEnd()
	defer c.unlockToEnd()
	if w := c.engine.Load(); w != nil || c.end != nil {
		return w, false
	}
	abandon = c.abandon
	c.opened.settled(Opened{}, err)
	c.ends.Read.Close()
	c.ends.Write.Close()
	c.endLocked(&outcome{err: err, end: err})
	if c.handler != nil {
		go c.handler.End(err) // the program's: it ends with its function
	}
	return nil, true
}

// failure returns the error of the handshake, or nil if it has not failed.
func (c *Conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.engine.Load() == nil && c.end != nil {
		return c.end.err
	}
	return nil
}

// abandonBy sets the function that ends the handshake. It reports false if the handshake was
// abandoned before.
func (c *Conn) abandonBy(abandon context.CancelFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abandon = abandon
	return c.end == nil
}

// open starts the engine on a transport whose handshake is done. It reports false if the handshake
// was abandoned.
func (c *Conn) open(t *handshake.Transport, agreed agreement, o *options) bool {
	c.mu.Lock()
	if c.end != nil { // no call would end an engine, and its timer would keep it alive
		c.mu.Unlock()
		return false
	}
	w := wire.New(t.Conn, &wire.Config{
		Client:       c.client,
		ReadWindow:   o.ReadWindow,
		WriteWindow:  o.WriteWindow,
		MaxMessage:   o.MaxMessageSize,
		MaxFrame:     o.MaxFrameSize,
		CloseTimeout: o.CloseTimeout,
		Deflate:      o.compression.use(t.Agreed.Deflate),
		PingInterval: o.PingInterval,
		PongTimeout:  o.PongTimeout,
		IdleTimeout:  o.IdleTimeout,
		StallTimeout: o.WriteStallTimeout,
		ReadTimeout:  o.ReadStallTimeout,
		Owner:        (*owner)(c),
		Ends:         &c.ends,
		ReadStall:    o.Trace.stalls(c, Inbound),
		WriteStall:   o.Trace.stalls(c, Outbound),
		Hooks:        c.hooks(o),
	})
	c.abandon = nil
	c.agreed = agreed
	c.seen.opened(c)
	c.engine.Store(w)
	if c.opened != nil {
		c.opened.settle(c.agreed.opened(c), nil)
	}
	discard, h := c.discard, c.handler
	c.mu.Unlock()
	if h != nil {
		_ = w.Handle(&h.Handler) // no call has pulled
	}
	if discard {
		w.Discard()
	}
	c.seen.debug(c, "opened", slog.String("protocol", t.Agreed.Protocol))
	w.Start(t.Buffered)
	o.shaken(c, nil)
	return true
}

package wsstream

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/wire"
)

// An observer is the Logger, the Trace and the Meter of a Conn. It is nil if there are none, as for
// most Conns.
type observer struct {
	log   *slog.Logger
	trace *Trace
	meter *Meter

	// What the meter has counted of a Conn that has ended; nil before. The meter's mu guards the
	// Stats.
	taken atomic.Pointer[Stats]
}

func (o *options) observer() *observer {
	if o.Logger == nil && o.Trace == nil && o.Meter == nil {
		return nil
	}
	return &observer{log: o.Logger, trace: o.Trace, meter: o.Meter}
}

// starts calls the Trace: the handshake starts.
func (o *options) starts(client bool) {
	if o.Trace != nil && o.Trace.Handshake != nil {
		o.shook = o.Trace.Handshake(client)
	}
}

// shaken calls the Trace: the handshake is done.
func (o *options) shaken(c *Conn, err error) {
	if o.shook == nil {
		return
	}
	var opened Opened
	if err == nil {
		opened, _, _ = c.Opened().Peek()
	}
	o.shook(c, opened, err)
}

func (s *observer) opened(c *Conn) {
	if s != nil && s.meter != nil {
		s.meter.opened(c)
	}
}

func (s *observer) messageIn(c *Conn, t Type, bytes int64) {
	if s.meter != nil {
		s.meter.moved(c)
	}
	if s.trace != nil && s.trace.MessageIn != nil {
		s.trace.MessageIn(c, t, bytes)
	}
}

func (s *observer) messageOut(c *Conn, t Type, bytes int64) {
	if s.meter != nil {
		s.meter.moved(c)
	}
	if s.trace != nil && s.trace.MessageOut != nil {
		s.trace.MessageOut(c, t, bytes)
	}
}

// hooks returns the engine's hooks: for control frames, and for a message that was read to its end
// as a stream. It returns nil if there are none.
func (c *Conn) hooks(o *options) *wire.Hooks {
	if c.seen == nil && o.OnPing == nil && o.OnPong == nil {
		return nil
	}
	h := &wire.Hooks{OnPing: o.OnPing, OnPong: o.OnPong}
	if c.seen != nil {
		h.Whole = func(op ws.OpCode, bytes int64) { c.seen.messageIn(c, Type(op), bytes) }
	}
	return h
}

// end reports how c has ended. The Meter comes first: once Closed has settled, the Meter has
// counted the end.
func (s *observer) end(c *Conn, end *outcome) {
	info, err := end.info, end.err
	if s.meter != nil {
		s.meter.closed(c, asEnd(info, err))
	}
	c.close(end)
	s.debug(c, "closed",
		slog.Int("code", info.Code), slog.String("reason", info.Reason), slog.Any("error", err))
	if s.trace != nil && s.trace.Closed != nil {
		s.trace.Closed(c, info, err)
	}
}

func (s *observer) debug(c *Conn, what string, attrs ...slog.Attr) {
	if s != nil && s.log != nil {
		attrs = append(attrs, slog.String("url", c.url))
		s.log.LogAttrs(context.Background(), slog.LevelDebug, "wsstream: "+what, attrs...)
	}
}

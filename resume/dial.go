package resume

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/wsstream/wsstream"
)

// DialOptions are the options of Dial, which copies them. A nil pointer means the zero value, which
// is ready to use.
type DialOptions struct {
	// Conn has the options of each connection. Its Subprotocols are replaced. Its MaxMessageSize
	// limits the messages of the session. If its PingInterval is zero, it is 20 seconds: a
	// connection that is lost must be noticed. Hooks of its Trace must not call the Session.
	// If nil, the zero value.
	Conn *wsstream.DialOptions

	// Window limits the messages that were accepted and that the peer's program has not pulled. It
	// also limits those that were received and not pulled. It counts bytes of payload, and 5 for
	// each message. The smaller window of both sides counts. Behind a full window Write blocks.
	// If zero, 1 MiB. The minimum is 256 bytes.
	Window int

	// AwayTimeout limits the time without a connection, the time before the first included. Beyond
	// it the session ends with a *LostError. The server has such a limit, too.
	// If zero, 2 minutes.
	AwayTimeout time.Duration

	// FirstPause and LongestPause are the first and the longest pause before an attempt to connect. A
	// pause doubles with each attempt, and up to half of it is added or subtracted at random. It is
	// FirstPause again once a connection has made progress.
	// If zero, 100 milliseconds and 10 seconds.
	FirstPause, LongestPause time.Duration

	// Hooks are called as things happen.
	Hooks Hooks
}

// A dialer connects a client's session.
type dialer struct {
	*Session
	url     string
	options wsstream.DialOptions
	backoff backoff.ExponentialBackOff
}

// Dial returns a Session immediately, and connects it to a [Server] at url. Pull and Write wait for
// that. If the first connection fails, Dial tries again, as it does after a loss, until ctx ends or
// AwayTimeout has passed. Once Opened has settled, ctx has no meaning.
//
// An answer that will not change ends the session. That is a status of 400 to 499 other than 408,
// 425 and 429, or a server that does not speak the protocol. An error of the URL or the options
// ends it, too.
func Dial(ctx context.Context, url string, o *DialOptions) *Session {
	if o == nil {
		o = &DialOptions{}
	}
	d := &dialer{url: url}
	if o.Conn != nil {
		d.options = *o.Conn
	}
	c, err := newConfig(o.Window, d.options.MaxMessageSize, o.AwayTimeout, o.Hooks)
	d.Session = newSession(c, newID())
	d.client = true
	if err != nil {
		d.fail(err, codeGone)
		return d.Session
	}
	d.options.Subprotocols = []string{Protocol}
	d.options.SubprotocolOptional = false
	d.options.MaxMessageSize = c.connMax()
	d.options.MaxFrameSize = cmp.Or(d.options.MaxFrameSize, defaultFrame)
	d.options.PingInterval = cmp.Or(d.options.PingInterval, defaultPing)
	d.backoff = backoff.ExponentialBackOff{
		InitialInterval:     cmp.Or(o.FirstPause, DefaultFirstPause),
		RandomizationFactor: 0.5,
		Multiplier:          2,
		MaxInterval:         cmp.Or(o.LongestPause, DefaultLongestPause),
	}
	go d.run(ctx) // the session's: it ends with it
	return d.Session
}

// run connects, and connects again, until the session has ended.
func (d *dialer) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		if !isDone(d.opened.Done()) {
			d.fail(context.Cause(ctx), codeAbandoned)
		}
	})
	defer stop()
	for !d.isOver() {
		before := d.progress()
		l, g, err := d.connect(d.ctx)
		if err == nil {
			d.attend(l, g)
			if d.isOver() {
				d.leave(l)
				return
			}
			l.conn.CloseNow()
			if d.progress() != before {
				d.backoff.Reset()
			}
		} else if d.overWith(err) {
			return
		} else if lost := permanent(err); lost != nil {
			if isDone(d.opened.Done()) {
				d.lose(lost)
			} else {
				d.fail(lost.Err, codeGone)
			}
			return
		}
		select {
		case <-d.over:
		case <-time.After(d.backoff.NextBackOff()):
		}
	}
}

// progress returns a number that grows while messages pass.
func (d *dialer) progress() uint64 {
	d.out.mu.Lock()
	n := d.out.replay.received
	d.out.mu.Unlock()
	d.in.mu.Lock()
	defer d.in.mu.Unlock()
	return n + d.in.now.received
}

// connect makes a connection and the greetings.
func (d *dialer) connect(ctx context.Context) (*link, greeting, error) {
	conn := wsstream.Dial(ctx, d.url, &d.options)
	g, err := d.greet(ctx, conn)
	l := newLink(conn)
	if err == nil && !d.adopt(l) {
		err = wsstream.ErrClosed
	}
	if err != nil {
		conn.CloseNow()
		d.mu.Lock()
		d.lastErr = err
		d.mu.Unlock()
	}
	return l, g, err
}

func (d *dialer) greet(ctx context.Context, conn *wsstream.Conn) (greeting, error) {
	if _, err := conn.Opened().Wait(ctx); err != nil {
		return greeting{}, err
	}
	ctx, stop := context.WithTimeout(ctx, greetingTime)
	defer stop()
	if err := conn.Writable().Write(ctx, d.greeting().encode(true)); err != nil {
		return greeting{}, err
	}
	return greet(ctx, conn, false)
}

// permanent returns the error of the session if another attempt to connect would end with err, too,
// and otherwise nil.
func permanent(err error) *LostError {
	if e, ok := errors.AsType[*wsstream.HandshakeError](err); ok {
		switch {
		case e.Status == 408, e.Status == 425, e.Status == 429,
			e.Status != 101 && e.Status < 400, e.Status > 499:
			return nil
		}
		return &LostError{Err: err}
	}
	if _, ok := errors.AsType[*wsstream.Error](err); ok {
		if f := fatal(err); f != nil {
			return &LostError{Err: f}
		}
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, wsstream.ErrClosed) {
		return nil
	}
	return &LostError{Err: err}
}

// confirmTime limits how long a client makes sure that the server knows of an end in order.
const confirmTime = 5 * time.Second

// leave closes the last connection l of a session. The connection may be lost before the closing
// handshake is complete. Then the server may not know that the session has ended, and another
// connection tells it.
func (d *dialer) leave(l *link) {
	ctx, stop := context.WithTimeout(d.patience, confirmTime)
	defer stop()
	_, err := l.conn.Closed().Wait(ctx)
	l.conn.CloseNow()
	if d.ended() != nil {
		return
	}
	for err != nil && ctx.Err() == nil {
		conn := wsstream.Dial(ctx, d.url, &d.options)
		if _, err = d.greet(ctx, conn); err == nil {
			_, err = conn.Closed().Wait(ctx)
		}
		conn.CloseNow()
		if code := wsstream.CloseCode(err); code == codeOver || code == codeGone {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(d.backoff.NextBackOff()):
		}
	}
	d.settle()
}

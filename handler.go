package wsstream

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/wsstream/wsstream/internal/wire"
)

// Handler returns an http.Handler that accepts a connection with o for each request, has serve use it, and closes it
// when serve returns. A request that Accept refuses is answered, and serve is not called. Handler panics if o is bad:
// see AcceptOptions.Check.
//
// serve runs on the request's goroutine. r is the request, but its context ends with the connection alone, not with a
// timeout of a middleware; it has the values of the request's. Calls on conn with it find what is left and the end, as
// with Conn.Context; what cleans up behind the end takes context.WithoutCancel(r.Context()). Some routers use a request's values again once serve has returned (chi does): what goes on behind
// it must not look into r.
//
// When serve returns, the connection is closed behind what was accepted, and what still comes is discarded. The first
// that fits says with which code:
//
//   - the connection has ended, or a close was decided, by either side: that stands;
//   - serve panicked or ended its goroutine: 1011;
//   - serve returned nil while a MessageWriter was open: 1011;
//   - the error of serve, as Writable.Abort tells; 1000 for nil, io.EOF and ErrClosed.
//
// The handler waits for the end, for CloseTimeout at the most. Where there is no CloseTimeout it cuts the connection
// after 5 s. Then a panic goes on.
//
// Logger gets the error of serve with the URL: at error level, or at debug level if it holds an *Error, ErrClosed,
// io.EOF or context.Canceled, as the ends of connections do.
func Handler(serve func(conn *Conn, r *http.Request) error, o *AcceptOptions) http.Handler {
	var own AcceptOptions
	if o != nil {
		own = *o
	}
	return newHandler(serve, &own, nil)
}

// Check returns the error that Accept, AcceptConn and Handler find in o: it names the option. Nil options are good.
func (o *AcceptOptions) Check() error {
	_, err := o.responder(nil)
	return err
}

type handler struct {
	serve    func(*Conn, *http.Request) error
	options  *AcceptOptions
	acceptor *Acceptor // nil: none
}

func newHandler(serve func(*Conn, *http.Request) error, o *AcceptOptions, a *Acceptor) http.Handler {
	if serve == nil {
		panic("wsstream: Handler of a nil function")
	}
	if err := o.Check(); err != nil {
		panic(err)
	}
	return &handler{serve, o, a}
}

// A visit is one call of a handler's function.
type visit struct {
	acceptor *Acceptor // that counts it; nil: none
	over     bool      // the function has returned; guarded by the Acceptor's mu, as the next one
	leaving  int       // calls of the Acceptor's Shutdown with the context of the request
}

// visitKey is the key of the visit in a request's context.
type visitKey struct{}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{acceptor: h.acceptor}
	if h.acceptor != nil {
		h.acceptor.begin()
		defer h.acceptor.end(v)
	}
	conn, err := accept(w, r, h.options, h.acceptor)
	if err != nil {
		return
	}
	ctx := requestContext{conn.Context(), context.WithValue(r.Context(), visitKey{}, v)}
	info := wire.CloseInfo{Code: wire.CodeInternal} // of a function that does not return
	unfinished := info
	defer func() { conn.dismiss(info, unfinished, h.options.CloseTimeout) }()
	result := h.serve(conn, r.WithContext(ctx))
	if info = codeFor(result, CloseInfo{Code: wire.CodeNormal}); result != nil {
		unfinished = info
	}
	conn.seen.returned(conn, result)
}

// A requestContext ends with a connection, and has the values of its request.
type requestContext struct {
	context.Context // the connection's
	request         context.Context
}

// Value returns a value of the request. The connection's context has only what package context keeps there.
func (c requestContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.request.Value(key)
}

// lastWait is how long a Handler waits for an end that no CloseTimeout bounds.
const lastWait = 5 * time.Second

// dismiss closes a connection whose handler has returned, and waits for the end.
func (c *Conn) dismiss(info, unfinished wire.CloseInfo, closeTimeout time.Duration) {
	w := c.engine.Load()
	w.Finish(info, unfinished)
	w.Discard()
	late := lastWait
	if closeTimeout >= 0 { // the engine ends it then; a transport that does not let itself be closed is not waited for
		late = orDefault(closeTimeout, DefaultCloseTimeout) + time.Second
	}
	select {
	case <-c.Closed().Done():
	case <-time.After(late):
		c.CloseNow()
	}
}

// returned tells the Logger of the error that a handler's function has returned.
func (s *observer) returned(c *Conn, err error) {
	if s == nil || s.log == nil || err == nil {
		return
	}
	level := slog.LevelError
	_, ended := errors.AsType[*Error](err)
	if ended || errors.Is(err, ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
		level = slog.LevelDebug
	}
	s.log.LogAttrs(context.Background(), level, "wsstream: the handler returned an error",
		slog.Any("error", err), slog.String("url", c.url))
}

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

// Handler returns an http.Handler. For each request it accepts a connection with o, calls serve,
// and closes the connection when serve returns. If Accept refuses a request, Accept answers it, and
// serve is not called. Handler panics if o is bad: see [AcceptOptions.Check].
//
// serve runs on the request's goroutine. r is the request, with a context that ends only with the
// connection, and not with a middleware's timeout. That context has the values of the request's
// context. Calls on conn with it return what is left and then the end, as with [Conn.Context]. For
// cleaning up after the end, take context.WithoutCancel(r.Context()). Some routers, chi among them,
// reuse the values of a request once serve has returned. So a goroutine that runs longer must not
// use r.
//
// If serve has called [Readable.Handle] and returns nil, the connection goes on, without a
// goroutine and without what net/http keeps for a request. That is the way to serve very many
// connections. The request's context stays valid, and holds the request: do not keep it where
// memory counts.
//
// Otherwise, when serve returns, Handler sends the output that was accepted, and then closes the
// connection. Input that still comes is discarded. The first of these rules that applies gives the
// code:
//
//   - if the connection has ended, or either side has decided to close it, that decision is final;
//   - if serve panicked or ended its goroutine: 1011;
//   - if serve returned nil while a MessageWriter was open: 1011;
//   - else the code for the error of serve, as for [Writable.Abort]; 1000 for nil, io.EOF and
//     ErrClosed.
//
// The handler then waits for the end, at most for CloseTimeout. If CloseTimeout is negative, it
// cuts the connection after 5 seconds. After that a panic of serve continues.
//
// Logger gets the error of serve with the URL. The level is error. It is debug if the error wraps
// an *Error, ErrClosed, io.EOF or context.Canceled, because these are usual ends of connections.
func Handler(serve func(conn *Conn, r *http.Request) error, o *AcceptOptions) http.Handler {
	var own AcceptOptions
	if o != nil {
		own = *o
	}
	return newHandler(serve, &own, nil)
}

type handler struct {
	serve    func(*Conn, *http.Request) error
	options  *AcceptOptions
	acceptor *Acceptor // nil: none
}

func newHandler(
	serve func(*Conn, *http.Request) error, o *AcceptOptions, a *Acceptor,
) http.Handler {
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
	over     bool      // the function has returned; guarded by the Acceptor's mu
	leaving  int       // its calls of Shutdown that have not returned; guarded by the Acceptor's mu
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
	unfinished, stays := info, false
	defer func() {
		if !stays {
			conn.dismiss(info, unfinished, h.options.CloseTimeout)
		}
	}()
	result := h.serve(conn, r.WithContext(ctx))
	if stays = result == nil && conn.isHandled(); stays {
		return
	}
	if info = codeFor(result, CloseInfo{Code: wire.CodeNormal}); result != nil {
		unfinished = info
	}
	conn.seen.returned(conn, result)
}

// isHandled reports whether the program has called Handle.
func (c *Conn) isHandled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handler != nil
}

// A requestContext ends with a connection, and has the values of its request.
type requestContext struct {
	context.Context // the connection's
	request         context.Context
}

// Value returns a value of the request. The connection's context has only the values that package
// context itself needs.
func (c requestContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.request.Value(key)
}

// lastWait is how long a Handler waits for an end that no CloseTimeout limits.
const lastWait = 5 * time.Second

// dismiss closes a connection whose handler has returned, and waits for the end.
func (c *Conn) dismiss(info, unfinished wire.CloseInfo, closeTimeout time.Duration) {
	w := c.engine.Load()
	w.Finish(info, unfinished)
	w.Discard()
	late := lastWait
	if closeTimeout >= 0 { // the engine ends it before, unless the transport's Close blocks
		late = orDefault(closeTimeout, DefaultCloseTimeout) + time.Second
	}
	select {
	case <-c.Closed().Done():
	case <-time.After(late):
		c.CloseNow()
	}
}

// returned tells the Logger the error of a handler's function.
func (s *observer) returned(c *Conn, err error) {
	if s == nil || s.log == nil || err == nil {
		return
	}
	level := slog.LevelError
	if isEnd(err) {
		level = slog.LevelDebug
	}
	s.log.LogAttrs(context.Background(), level, "wsstream: the handler returned an error",
		slog.Any("error", err), slog.String("url", c.url))
}

// isEnd reports whether a handler's function returns err because the connection has ended.
func isEnd(err error) bool {
	_, ended := errors.AsType[*Error](err)
	return ended || errors.Is(err, ErrClosed) || errors.Is(err, io.EOF) ||
		errors.Is(err, context.Canceled)
}

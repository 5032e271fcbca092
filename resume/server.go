package resume

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
)

// A Server accepts connections, and gives each new session to a function. It is an http.Handler.
// All methods may be called concurrently.
type Server struct {
	config
	serve   func(*Session, *http.Request) error
	options ServerOptions
	accept  wsstream.AcceptOptions

	mu       sync.Mutex
	sessions map[lookup]*served // those that have not ended, or not long ago
	live     int                // of them, those whose function or whose session has not ended
	shut     bool
	changed  signal // of live
}

// A lookup finds a session. It is no secret.
type lookup [idLen / 2]byte

// A served is a session of a Server.
type served struct {
	*Session
	principal string
}

// NewServer returns a Server that calls serve for each new session, with the request of its first
// connection. It panics if serve is nil or an option is bad.
//
// serve runs on the goroutine of that request. The request's context ends with the session and not
// with the connection. When serve returns, the output that was accepted is sent. Then the session
// ends. Its code is the one that [wsstream.Handler] has for the error. Input that still comes is
// dropped. After a panic of serve the code is 1011, and net/http gets the panic.
func NewServer(serve func(s *Session, r *http.Request) error, o *ServerOptions) *Server {
	if serve == nil {
		panic("resume: NewServer of a nil function")
	}
	v := &Server{serve: serve, sessions: map[lookup]*served{}}
	if o != nil {
		v.options = *o
	}
	if v.options.Conn != nil {
		v.accept = *v.options.Conn
	}
	var err error
	v.config, err = newConfig(v.options.Window, v.accept.MaxMessageSize, v.options.AwayTimeout,
		v.options.Hooks)
	v.accept.Subprotocols = []string{Protocol}
	v.accept.MaxMessageSize = v.connMax()
	v.accept.PingInterval = cmp.Or(v.accept.PingInterval, defaultPing)
	v.accept.MaxFrameSize = cmp.Or(v.accept.MaxFrameSize, defaultFrame)
	if err = errors.Join(err, v.accept.Check()); err != nil {
		panic(err)
	}
	return v
}

// ServeHTTP makes a connection of a new session, or one that continues a session. It returns when
// the connection has ended, and for a new session when the session has.
func (v *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	principal, err := v.authenticate(r)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
		return
	}
	conn, err := wsstream.Accept(w, r, &v.accept)
	if err != nil {
		return // Accept has answered
	}
	v.connected(conn, r, principal)
}

// ServeConn is ServeHTTP for a bare connection, TLS or not, which it owns. The request has the URL
// and the header that the client sent. ServeConn returns the error of the handshake, of
// Authenticate, or nil.
func (v *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	conn, err := wsstream.AcceptConn(ctx, nc, &v.accept)
	if err != nil {
		return err
	}
	o, err := conn.Opened().Wait(ctx)
	if err != nil {
		return err
	}
	r := &http.Request{
		Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: o.Header, RemoteAddr: nc.RemoteAddr().String(),
	}
	if r.URL, err = url.Parse(conn.URL()); err != nil {
		conn.CloseNow()
		return err
	}
	r.Host, r.RequestURI = r.URL.Host, r.URL.RequestURI()
	principal, err := v.authenticate(r)
	if err != nil {
		refuse(conn, 1008)
		return err
	}
	v.connected(conn, r.WithContext(ctx), principal)
	return nil
}

func (v *Server) authenticate(r *http.Request) (string, error) {
	if v.options.Authenticate == nil {
		return "", nil
	}
	return v.options.Authenticate(r)
}

// refuse closes a connection that is of no session.
func refuse(conn *wsstream.Conn, code int) {
	conn.Readable().Discard()
	ctx, stop := context.WithTimeout(context.Background(), confirmTime)
	defer stop()
	_ = conn.Shutdown(ctx, wsstream.CloseInfo{Code: code})
	conn.CloseNow()
}

// connected greets the client and serves the connection.
func (v *Server) connected(conn *wsstream.Conn, r *http.Request, principal string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(r.Context()), greetingTime)
	defer stop()
	o, _ := conn.Opened().Wait(ctx)
	g, err := greet(ctx, conn, true)
	if err != nil || o.Protocol != Protocol {
		refuse(conn, codeViolation)
		return
	}
	s, fresh, code := v.find(g, principal)
	switch {
	case s == nil:
		refuse(conn, code)
	case fresh:
		attended := make(chan struct{})
		go func() { // the request's: it ends with the connection
			defer close(attended)
			v.attend(s, conn, g)
		}()
		defer func() { <-attended }()
		defer v.ended(s)
		v.call(s, r)
	default:
		v.attend(s, conn, g)
	}
}

// find returns the session of a client, which may be new. If there is none, it returns the code of
// the refusal.
func (v *Server) find(g greeting, principal string) (s *served, fresh bool, code int) {
	key := lookup(g.id[:idLen/2])
	v.mu.Lock()
	defer v.mu.Unlock()
	s = v.sessions[key]
	switch {
	case s != nil && subtle.ConstantTimeCompare(s.id[:], g.id[:])&
		subtle.ConstantTimeCompare([]byte(s.principal), []byte(principal)) != 1:
		return nil, false, codeGone
	case s != nil:
		return s, false, 0
	case g.welcome:
		return nil, false, codeGone
	case v.shut:
		return nil, false, 1001
	case v.options.MaxSessions > 0 && v.live >= v.options.MaxSessions:
		return nil, false, 1013
	}
	s = &served{newSession(v.config, g.id), principal}
	v.sessions[key] = s
	v.live++
	return s, true, 0
}

// attend lets the session live with a connection, until one of them ends.
func (v *Server) attend(s *served, conn *wsstream.Conn, g greeting) {
	l := newLink(conn)
	if !s.adopt(l) {
		if s.ended() == nil {
			refuse(conn, codeOver)
		} else {
			refuse(conn, codeGone)
		}
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), greetingTime)
	err := conn.Writable().Write(ctx, s.greeting().encode(false))
	stop()
	if err == nil {
		s.attend(l, g)
	} else {
		s.lost(l, err)
		l.tell()
		<-l.gone // by lost, by the connection that has taken over, or by the end
	}
	l.linger()
	if s.isOver() && s.ended() == nil {
		s.settle()
	}
}

// call calls the function of the Server, and ends the session.
func (v *Server) call(s *served, r *http.Request) {
	i := wsstream.CloseInfo{Code: 1011} // of a function that does not return
	result := wsstream.ErrClosed
	defer func() {
		s.out.finish(i, cmp.Or(result, wsstream.ErrClosed), false)
		s.in.cancel()
		<-s.closed.Done()
	}()
	ctx := requestContext{s.Context(), r.Context()}
	result = v.serve(s.Session, r.WithContext(ctx))
	i = codeFor(result, wsstream.CloseInfo{Code: 1000})
}

// A requestContext ends with a session, and has the values of its first request.
type requestContext struct {
	context.Context // the session's
	request         context.Context
}

// Value returns a value of the session's context or of the request.
func (c requestContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.request.Value(key)
}

// ended forgets a session after a while. Until then a client that has not learned of its end can.
func (v *Server) ended(s *served) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.live--
	v.changed.fire()
	time.AfterFunc(v.awayTimeout, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.sessions, lookup(s.id[:idLen/2]))
	})
}

// Len returns the number of sessions that have not ended.
func (v *Server) Len() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.live
}

// Shutdown ends all sessions with 1001, as Session.Close does, and waits for them and their
// functions. New clients are refused from now on; clients of sessions may still connect. If ctx
// ends first, Shutdown ends the sessions that are left, as CloseNow does, and returns
// context.Cause(ctx).
func (v *Server) Shutdown(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shut = true
	v.eachRelocks(func(s *Session) { _ = s.Close(wsstream.CloseInfo{Code: 1001}) })
	for v.live > 0 {
		v.changed.wait(ctx, &v.mu)
		if ctx.Err() != nil {
			v.eachRelocks((*Session).CloseNow)
			return context.Cause(ctx)
		}
	}
	return nil
}

// eachRelocks calls f with all sessions. It unlocks mu meanwhile.
func (v *Server) eachRelocks(f func(*Session)) {
	var all []*Session
	for _, s := range v.sessions {
		all = append(all, s.Session)
	}
	v.mu.Unlock()
	for _, s := range all {
		f(s)
	}
	v.mu.Lock()
}

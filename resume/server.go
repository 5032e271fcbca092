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
	"sync/atomic"
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

	greetings atomic.Int64 // connections that have no session yet

	mu       sync.Mutex
	sessions map[lookup]*served // those that have not ended, or not long ago
	ended    []*served          // of them, those that have, in the order of their ends
	live     int                // of them, those whose function or whose session has not ended
	shut     bool
	changed  signal // of live
}

// A lookup finds a session. It is no secret.
type lookup [idLen / 2]byte

// A served is a session of a Server. Of an ended one only its end is kept, for a client that has
// not learned of it.
type served struct {
	id        sessionID
	principal string
	session   *Session  // nil once it has ended and its function has returned
	code      int       // that a client of an ended session gets
	end       time.Time // when it ended
}

var errGreetings = errors.New("resume: more connections without a session than MaxGreetings")

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
	leave, ok := v.enter()
	defer leave()
	if !ok {
		http.Error(w, errGreetings.Error(), http.StatusServiceUnavailable)
		return
	}
	conn, err := wsstream.Accept(w, r, &v.accept)
	if err != nil {
		return // Accept has answered
	}
	v.connected(conn, r, principal, leave)
}

// ServeConn is ServeHTTP for a bare connection, TLS or not, which it owns. The request has the URL
// and the header that the client sent. ServeConn returns the error of the handshake, of
// Authenticate, or of MaxGreetings, or nil.
func (v *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	leave, ok := v.enter()
	defer leave()
	if !ok {
		_ = nc.Close()
		return errGreetings
	}
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
		refuse(conn, codeRefused)
		return err
	}
	v.connected(conn, r.WithContext(ctx), principal, leave)
	return nil
}

// enter counts a connection that has no session yet, until leave is called. It reports false if
// there are too many.
func (v *Server) enter() (leave func(), ok bool) {
	limit := int64(cmp.Or(v.options.MaxGreetings, DefaultMaxGreetings))
	ok = v.greetings.Add(1) <= limit || limit < 0
	return sync.OnceFunc(func() { v.greetings.Add(-1) }), ok
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

// connected greets the client and serves the connection. It calls leave once that has a session.
func (v *Server) connected(conn *wsstream.Conn, r *http.Request, principal string, leave func()) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(r.Context()), greetingTime)
	defer stop()
	o, _ := conn.Opened().Wait(ctx)
	g, err := greet(ctx, conn, true)
	if err != nil || o.Protocol != Protocol {
		refuse(conn, codeViolation)
		return
	}
	s, fresh, code := v.find(g, principal)
	if s == nil {
		refuse(conn, code)
		return
	}
	if !fresh {
		s.serve(conn, g, leave)
		return
	}
	served := make(chan struct{})
	go func() { // the request's: it ends with the connection
		defer close(served)
		s.serve(conn, g, leave)
	}()
	defer func() { <-served }()
	defer v.remember(s)
	v.call(s, r)
}

// find returns the session of a client, which may be new. If there is none, it returns the code of
// the refusal.
func (v *Server) find(g greeting, principal string) (s *Session, fresh bool, code int) {
	key := lookup(g.id[:idLen/2])
	v.mu.Lock()
	defer v.mu.Unlock()
	known := v.sessions[key]
	switch {
	case known != nil && subtle.ConstantTimeCompare(known.id[:], g.id[:])&
		subtle.ConstantTimeCompare([]byte(known.principal), []byte(principal)) != 1:
		return nil, false, codeGone
	case known != nil:
		return known.session, false, known.code
	case g.welcome:
		return nil, false, codeGone
	case v.shut:
		return nil, false, 1001
	case v.options.MaxSessions > 0 && v.live >= v.options.MaxSessions:
		return nil, false, 1013
	}
	s = newSession(v.config, g.id)
	v.sessions[key] = &served{id: g.id, principal: principal, session: s}
	v.live++
	return s, true, 0
}

// serve lets the session live with a connection of a Server, until one of them ends. It calls leave
// once the session has the connection, or the connection has ended.
func (s *Session) serve(conn *wsstream.Conn, g greeting, leave func()) {
	defer leave()
	l := newLink(conn)
	if !s.adopt(l) {
		refuse(conn, s.endCode())
		return
	}
	leave()
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
	s.linger(l)
	if s.isOver() && s.ended() == nil {
		s.settle()
	}
}

// endCode returns the code for a client that continues a session that has ended.
func (s *Session) endCode() int {
	if s.ended() == nil {
		return codeOver
	}
	return codeGone
}

// call calls the function of the Server, and ends the session.
func (v *Server) call(s *Session, r *http.Request) {
	i := wsstream.CloseInfo{Code: 1011} // of a function that does not return
	result := wsstream.ErrClosed
	defer func() {
		s.out.finish(i, cmp.Or(result, wsstream.ErrClosed), false)
		s.in.cancel()
		<-s.closed.Done()
	}()
	ctx := requestContext{s.Context(), r.Context()}
	result = v.serve(s, r.WithContext(ctx))
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

// remember keeps the end of a session for a while, for a client that has not learned of it.
func (v *Server) remember(s *Session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.live--
	v.changed.fire()
	e := v.sessions[lookup(s.id[:idLen/2])]
	e.session, e.code, e.end = nil, s.endCode(), time.Now()
	v.ended = append(v.ended, e)
	switch n := len(v.ended); {
	case n == 1:
		time.AfterFunc(v.awayTimeout, v.forget)
	case v.options.MaxSessions > 0 && n > v.options.MaxSessions:
		v.forgetFirstLocked()
	}
}

// forget forgets the sessions that ended long ago.
func (v *Server) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for len(v.ended) > 0 {
		if rest := v.awayTimeout - time.Since(v.ended[0].end); rest > 0 {
			time.AfterFunc(rest, v.forget)
			return
		}
		v.forgetFirstLocked()
	}
	v.ended = nil
}

// forgetFirstLocked forgets the session that ended first.
func (v *Server) forgetFirstLocked() {
	delete(v.sessions, lookup(v.ended[0].id[:idLen/2]))
	v.ended[0] = nil
	v.ended = v.ended[1:]
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
		if s.session != nil {
			all = append(all, s.session)
		}
	}
	v.mu.Unlock()
	for _, s := range all {
		f(s)
	}
	v.mu.Lock()
}

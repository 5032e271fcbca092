package soak

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/bench/internal/certificate"
	"github.com/wsstream/wsstream/bench/internal/proc"
)

var services = []service{large, small, silent, asleep}

// addrKey is the key of the address that serves the plan. A bare listener has one service, because
// the options of AcceptConn cannot depend on the URL.
func (p Plan) addrKey() string { return key(p.Way, p.Service) }

func key(w way, s service) string {
	switch w {
	case bare:
		return "bare" + string(s)
	case tls1:
		return "https"
	}
	return "http"
}

// A Host is the server, which is shut down and started anew.
type Host struct {
	Addrs map[string]string // that do not change

	load   Load
	listen func(addr string) (net.Listener, error)
	tls    *tls.Config
	out    *outbox
	counts

	mu      sync.Mutex
	gen     *generation // guarded by mu
	windows []window    // of restarts; guarded by mu
	faults  []string    // guarded by mu
}

// A generation is the server from one start to the next.
type generation struct {
	host      *Host
	acceptors map[service]*wsstream.Acceptor
	listeners []net.Listener
	http      *http.Server
	running   sync.WaitGroup // what serves, and the sessions

	mu       sync.Mutex
	leaving  bool                  // Shutdown was called; guarded by mu
	over     bool                  // running is waited for; guarded by mu
	sessions map[*session]struct{} // guarded by mu
}

// StartHost starts the server on ports of 127.0.0.1.
func StartHost(load Load, out *outbox) (*Host, error) { return startHost(load, out, listenTCP) }

func startHost(
	load Load, out *outbox, listen func(addr string) (net.Listener, error),
) (*Host, error) {
	cert, certKey, err := certificate.New()
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, certKey)
	if err != nil {
		return nil, err
	}
	h := &Host{Addrs: map[string]string{}, load: load, listen: listen, out: out,
		tls: &tls.Config{Certificates: []tls.Certificate{pair}}}
	return h, h.start()
}

// start starts a generation, on the addresses of the one before.
func (h *Host) start() error {
	g := &generation{host: h, acceptors: map[service]*wsstream.Acceptor{},
		sessions: map[*session]struct{}{}}
	for _, s := range services {
		g.acceptors[s] = &wsstream.Acceptor{Options: acceptOptions(s)}
	}
	g.http = &http.Server{Handler: http.HandlerFunc(g.serveHTTP),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // clients are cut
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, transportKey{}, nc)
		}}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gen = g
	for _, s := range services {
		l, err := h.listener(key(bare, s))
		if err != nil {
			return err
		}
		g.listeners = append(g.listeners, l)
		g.running.Go(func() { g.acceptBare(l, s) })
	}
	for _, w := range []way{http1, tls1} {
		l, err := h.listener(key(w, ""))
		if err != nil {
			return err
		}
		g.listeners = append(g.listeners, l)
		if w == tls1 {
			l = tls.NewListener(l, h.tls)
		}
		g.running.Go(func() { _ = g.http.Serve(l) }) // ends with the generation
	}
	return nil
}

// listener listens on the address of that key, which the first generation chooses.
func (h *Host) listener(key string) (net.Listener, error) {
	addr, again := h.Addrs[key]
	if !again {
		addr = "127.0.0.1:0"
	}
	l, err := h.listen(addr)
	if err != nil {
		return nil, fmt.Errorf("the server cannot listen on %s: %w", addr, err)
	}
	if !again {
		h.Addrs[key] = l.Addr().String()
	}
	return l, nil
}

func acceptOptions(s service) wsstream.AcceptOptions {
	o := wsstream.AcceptOptions{HandshakeTimeout: handshakeTimeout, CloseTimeout: closeTimeout,
		Compression: &wsstream.CompressionOptions{}}
	switch s {
	case small:
		o.ReadWindow, o.WriteWindow, o.MaxFrameSize = smallWindow, smallWindow, smallFrame
	case asleep:
		o.ReadWindow, o.WriteWindow, o.CloseTimeout = smallWindow, smallWindow, shortClose
	case silent:
		o.PingInterval, o.PongTimeout, o.CloseTimeout = pingInterval, pongTimeout, shortClose
	case large:
	}
	return o
}

type transportKey struct{}

func (g *generation) serveHTTP(w http.ResponseWriter, r *http.Request) {
	a := g.acceptors[service(r.URL.Path)]
	if a == nil {
		http.NotFound(w, r)
		return
	}
	if !g.begin() {
		http.Error(w, "the server has stopped", http.StatusServiceUnavailable)
		return
	}
	conn, err := a.Accept(w, r)
	if err != nil {
		g.running.Done()
		return
	}
	nc, _ := r.Context().Value(transportKey{}).(net.Conn)
	go func() { // ends with the connection, without the memory of the request
		defer g.running.Done()
		g.run(conn, nc)
	}()
}

// begin counts a request that running waits for. It reports false if the generation has ended.
func (g *generation) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.over {
		g.running.Add(1)
	}
	return !g.over
}

// acceptBare accepts connections until l is closed.
func (g *generation) acceptBare(l net.Listener, s service) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		g.running.Go(func() { // ends with the connection
			if conn, err := g.acceptors[s].AcceptConn(context.Background(), nc); err == nil {
				g.run(conn, nc)
			}
		})
	}
}

// run runs a connection until its end.
func (g *generation) run(conn *wsstream.Conn, nc net.Conn) {
	defer conn.CloseNow()
	g.host.open.Add(1)
	defer g.host.open.Add(-1)
	u, err := url.Parse(conn.URL())
	var p Plan
	if err == nil {
		p, err = planOf(g.host.load, u)
	}
	if err != nil {
		g.host.fault(err)
		return
	}
	s := &session{plan: p, side: Server, counts: &g.host.counts, conn: conn, nc: nc}
	s.record = Record{ID: p.ID, Side: Server, Began: proc.Now()}
	g.mu.Lock()
	g.sessions[s] = struct{}{}
	if g.leaving {
		s.note(ActShutdown)
	}
	g.mu.Unlock()
	r := s.run()
	g.mu.Lock()
	delete(g.sessions, s)
	g.mu.Unlock()
	g.host.out.add(r)
}

func (h *Host) fault(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, err.Error())
}

// Restart shuts the server down, and starts it anew after a while. If early is set, it stops to
// listen before Shutdown: clients are refused by the kernel. Otherwise Shutdown refuses them with
// 503 until all have ended.
func (h *Host) Restart(early bool, down time.Duration) {
	h.mu.Lock()
	h.windows = append(h.windows, window{From: proc.Now()})
	h.mu.Unlock()
	h.Stop(early)
	<-time.After(down)
	if err := h.start(); err != nil {
		h.fault(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.windows[len(h.windows)-1].To = proc.Now()
}

// Stop shuts the server down.
func (h *Host) Stop(early bool) {
	h.mu.Lock()
	g := h.gen
	h.mu.Unlock()
	if early {
		g.close()
	}
	g.mu.Lock()
	g.leaving = true
	g.mu.Unlock()
	g.noteAll(ActShutdown)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	late := time.AfterFunc(grace, func() {
		g.noteAll(ActShutdownCut)
		cancel()
	})
	defer late.Stop()
	var all sync.WaitGroup
	for _, a := range g.acceptors {
		all.Go(func() {
			_ = a.Shutdown(ctx) // the error says that grace was over
			if n := a.Len(); n != 0 {
				h.fault(fmt.Errorf("%d connections are left after Shutdown", n))
			}
		})
	}
	all.Wait()
	g.close()
	g.mu.Lock()
	g.over = true
	g.mu.Unlock()
	g.running.Wait()
}

// noteAll notes an act of the server for all its connections.
func (g *generation) noteAll(a Act) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.sessions {
		s.note(a)
	}
}

// close closes the listeners, and the requests that are no WebSocket yet.
func (g *generation) close() {
	_ = g.http.Close()
	for _, l := range g.listeners {
		_ = l.Close()
	}
}

// state returns the restarts so far, and the faults.
func (h *Host) state() (windows []window, faults []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append(windows, h.windows...), append(faults, h.faults...)
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// The buffers between the file and a viewer are small, so that a slow viewer is noticed. They are
// the subscription, the windows, and the kernel's buffers, which by default take megabytes.
const (
	held   = 256 // lines
	window = 4 << 10
	kernel = 16 << 10
)

// A server broadcasts the log to all viewers.
type server struct {
	url  string
	room *stream.Broadcast[item]
	tell func(visit) // of viewers that come and leave; may be called concurrently

	published atomic.Int64 // items that were given to the viewers

	ctx   context.Context // ends the viewers' connections
	srv   http.Server
	serve sync.WaitGroup

	mu      sync.Mutex
	closed  bool           // guarded by mu
	viewers sync.WaitGroup // added to only while open
}

// A visit is a viewer as the server sees it.
type visit struct {
	name, policy string
	left         bool // else it has just come, and the next two are not known
	dropped      int64
	end          string
}

// listen starts a server that ends with close.
func listen(ctx context.Context, address string, tell func(visit)) (*server, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &server{
		url:  "ws://" + l.Addr().String(),
		room: stream.NewBroadcast[item](&stream.BroadcastOptions[item]{SlowError: errSlow}),
		tell: tell,
		ctx:  ctx,
	}
	s.srv.Handler = s
	s.srv.ReadHeaderTimeout = 10 * time.Second
	// only the client itself learns why it could not connect
	s.srv.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.serve.Go(func() { _ = s.srv.Serve(smallBuffersListener{l}) }) // ends with close
	return s, nil
}

// broadcast gives all that src has to the viewers, and returns how many items that were. It ends
// with src.
func (s *server) broadcast(ctx context.Context, src stream.Readable[item]) (n int64, err error) {
	defer src.Cancel(nil) //nolint:errcheck // it holds a file, which was only read
	err = stream.Pipe(ctx, s.room.Publisher(), src, &stream.PipeOptions{Progress: s.published.Store})
	if err != nil {
		_ = s.room.Abort(err)
		return s.published.Load(), err
	}
	return s.published.Load(), s.room.Close(ctx)
}

// close takes no more viewers, and waits until the others have left. They leave at the end of the
// log, or at the end of the server's context.
func (s *server) close() {
	_ = s.srv.Close() // the port is all that it holds
	s.serve.Wait()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.viewers.Wait()
}

// enter reports whether one more viewer may come in.
func (s *server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.viewers.Add(1)
	}
	return !s.closed
}

// ServeHTTP is one viewer's visit.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := visit{name: cmp.Or(r.URL.Query().Get("name"), r.RemoteAddr),
		policy: cmp.Or(r.URL.Query().Get("policy"), "block")}
	subscribe, err := subscriberOf(v.policy)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !s.enter() {
		http.Error(w, "the log has ended", http.StatusServiceUnavailable)
		return
	}
	defer s.viewers.Done()
	// The slowest viewer takes some time for what was accepted before the end: a generous
	// CloseTimeout.
	conn, err := wsstream.Accept(w, r,
		&wsstream.AcceptOptions{WriteWindow: window, CloseTimeout: time.Minute})
	if err != nil { // and Accept has answered
		return
	}
	defer conn.CloseNow()
	sub := subscribe(s.room)
	s.tell(v)
	v.end = s.send(conn, sub)
	v.left, v.dropped = true, sub.Dropped()
	s.tell(v)
}

// send sends what a subscription gets until one of both ends, and returns how the connection ended.
func (s *server) send(conn *wsstream.Conn, sub *stream.Subscription[item]) string {
	conn.Readable().Discard() // a viewer has nothing to say
	messages := stream.Map(sub, func(i item) (wsstream.Message, error) { return i.msg, nil })
	err := stream.Pipe(s.ctx, conn.Writable(), messages, &stream.PipeOptions{PreventClose: true})
	if err == nil {
		err = conn.Shutdown(s.ctx, wsstream.CloseInfo{Code: 1000, Reason: "the log has ended"})
	}
	info, end := conn.Closed().Wait(s.ctx) // after an Abort the Close frame still has to pass
	if s.ctx.Err() != nil {                // and gets a moment for it, if the server is in a hurry
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), time.Second)
		defer cancel()
		info, end = conn.Closed().Wait(ctx)
	}
	switch {
	case end == nil:
		return info.String()
	case err != nil:
		return err.Error()
	}
	return end.Error()
}

// A smallBuffersListener keeps what the kernel holds for a connection small.
type smallBuffersListener struct{ net.Listener }

func (l smallBuffersListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if tc, ok := nc.(*net.TCPConn); ok {
		_ = tc.SetWriteBuffer(kernel) // it is a wish
	}
	return nc, err
}

// serve is the program as a server: it follows a file until it is interrupted.
func serve(parent context.Context, o options, stderr io.Writer) error {
	f, err := openLog(o)
	if err != nil {
		return err
	}
	ctx, cancel := goingAway(parent)
	defer cancel()
	var mu sync.Mutex // of stderr
	arrived := make(chan struct{})
	arrive := sync.OnceFunc(func() { close(arrived) })
	s, err := listen(ctx, o.listen, func(v visit) {
		mu.Lock()
		defer mu.Unlock()
		if !v.left {
			arrive()
			_, _ = fmt.Fprintf(stderr, "%q has come, by the policy %s\n", v.name, v.policy)
			return
		}
		_, _ = fmt.Fprintf(stderr, "%q has left, %d lines dropped: %s\n", v.name, v.dropped, v.end)
	})
	if err != nil {
		_ = f.Close()
		return err
	}
	_, _ = fmt.Fprintf(stderr, "serving %s on %s\n", o.in, s.url)
	if o.all { // or no viewer would see the lines that are in the file already
		select {
		case <-arrived:
		case <-ctx.Done():
		}
	}
	_, err = s.broadcast(ctx, items(follow(f, o.in, nil), o.level))
	s.close()
	if parent.Err() != nil {
		return context.Cause(parent)
	}
	return err
}

// goingAway returns a context that ends with parent, by a cause that closes the viewers'
// connections with 1001.
func goingAway(parent context.Context) (ctx context.Context, cancel func()) {
	ctx, end := context.WithCancelCause(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		end(&wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1001, Reason: "the server stops"},
			Err: context.Cause(parent)})
	})
	return ctx, func() {
		stop()
		end(nil)
	}
}

// openLog opens the file to follow, at its end unless all of it is asked for.
func openLog(o options) (*os.File, error) {
	f, err := os.Open(o.in)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file that can be followed", o.in)
	}
	if err == nil && !o.all {
		_, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

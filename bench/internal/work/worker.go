package work

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wsstream/wsstream/bench/internal/certificate"
	"github.com/wsstream/wsstream/bench/internal/library"
	"github.com/wsstream/wsstream/bench/internal/proc"
)

// A Worker does a job.
type Worker struct {
	job     Job
	lib     library.Library
	payload []byte

	in, out, conns atomic.Int64
	stopped        atomic.Bool // nothing more is sent
	grown          atomic.Bool // because of the limit
	wrong          atomic.Bool // a message was not as long as it was sent
	calm           chan struct{}

	room  library.Room
	began atomic.Int64 // when the room's last Pace began, on the machine's clock
	relay relay
}

// Start starts a job, and returns the address at which it serves, if it does.
func Start(j Job) (w *Worker, addr string, err error) {
	w = &Worker{job: j, payload: bytes.Repeat([]byte("wsstream"), j.Size/8+1)[:j.Size],
		calm: make(chan struct{})}
	if w.lib, err = j.library(); err != nil {
		return nil, "", err
	}
	h, err := w.handler()
	if err != nil {
		return nil, "", err
	}
	if j.Limit > 0 {
		base, err := proc.RSS()
		if err != nil {
			return nil, "", err
		}
		go w.watch(base + j.Limit) // ends with Calm
	}
	if j.Dial != "" {
		return w, "", w.lib.Dial(j.Dial, h)
	}
	addr, err = w.serve(h)
	return w, addr, err
}

// serve serves on a port of its own.
func (w *Worker) serve(h library.Handler) (addr string, err error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if w.job.Buffer == 0 {
			return nil
		}
		return errors.Join(c.Control(func(fd uintptr) { // the connections inherit it
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, w.job.Buffer)
		}), err)
	}}
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	serve, err := w.server()
	if err != nil {
		return "", err
	}
	go func() { // ends with the process
		if err := serve(l, h); err != nil {
			panic(fmt.Sprintf("%s serves no more: %v", w.lib.Name, err))
		}
	}()
	return l.Addr().String(), nil
}

// server chooses the library's way to serve.
func (w *Worker) server() (func(l net.Listener, h library.Handler) error, error) {
	serve := w.lib.Serve
	switch way := w.way(); {
	case way != nil && way.Serve != nil:
		serve = way.Serve
	case w.job.Bare && w.lib.ServeBare == nil:
		return nil, fmt.Errorf("%s serves with net/http only", w.lib.Name)
	case w.job.Bare:
		serve = w.lib.ServeBare
	}
	if !w.job.TLS {
		return serve, nil
	}
	cert, key, err := certificate.New()
	if err != nil {
		return nil, err
	}
	if w.lib.ServeTLS != nil {
		return func(l net.Listener, h library.Handler) error {
			return w.lib.ServeTLS(l, cert, key, h)
		}, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	return func(l net.Listener, h library.Handler) error {
		return serve(tls.NewListener(l, config), h)
	}, nil
}

// watch stops the sending when the process has grown beyond the limit.
func (w *Worker) watch(limit int64) {
	for t := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case <-w.calm:
			t.Stop()
			return
		case <-t.C:
			if rss, err := proc.RSS(); err == nil && rss > limit {
				w.grown.Store(true)
				w.stopped.Store(true)
			}
		}
	}
}

// Stop ends the sending.
func (w *Worker) Stop() { w.stopped.Store(true) }

// Calm ends what the harness itself does in the process. It is for the measuring of a process that
// does nothing.
func (w *Worker) Calm() { close(w.calm) }

// State returns how far the job is.
func (w *Worker) State() State {
	s := State{In: w.in.Load(), Out: w.out.Load(), Conns: w.conns.Load(), Stopped: w.grown.Load(),
		Wrong: w.wrong.Load(), Began: time.Duration(w.began.Load())}
	if w.room != nil {
		s.Dropped = w.room.Dropped()
	}
	return s
}

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/wsstream/wsstream"
)

// acceptFlags are the flags of connections from clients.
type acceptFlags struct {
	stream streamFlags

	maxConns  int
	origins   []string
	protocols []string
	cert      string
	key       string
	clientCA  string
}

func (f *acceptFlags) add(fs *pflag.FlagSet) {
	fs.IntVar(&f.maxConns, "max-conns", 0, "refuse connections beyond this `number`, with 503")
	fs.StringArrayVar(&f.origins, "accept-origin", nil,
		"let pages of this `origin` connect, such as *.example.org; may be repeated")
	fs.StringArrayVar(&f.protocols, "accept-protocol", nil, "speak this `protocol`; may be repeated")
	fs.StringVar(&f.cert, "cert", "", "serve TLS, with the certificate in this `file`, in PEM")
	fs.StringVar(&f.key, "key", "", "the `file` with the key of that certificate, in PEM")
	fs.StringVar(&f.clientCA, "client-ca", "",
		"refuse clients without a certificate from an authority in this `file`")
}

// acceptor returns what accepts connections as the flags say.
func (f *acceptFlags) acceptor() (*wsstream.Acceptor, error) {
	if f.maxConns < 0 {
		return nil, usageError{fmt.Errorf("bad --max-conns %d: want none, or a number", f.maxConns)}
	}
	a := &wsstream.Acceptor{Options: wsstream.AcceptOptions{
		Subprotocols:   f.protocols,
		Origins:        f.origins,
		CloseTimeout:   f.stream.closeTimeout,
		PingInterval:   f.stream.ping,
		Compression:    f.stream.compression(),
		ReadWindow:     int(f.stream.window),
		WriteWindow:    int(f.stream.window),
		MaxMessageSize: int(f.stream.maxMessage),
	}}
	if err := a.Options.Check(); err != nil {
		return nil, usageError{err}
	}
	return a, nil
}

// listen listens on "host:port" or "unix:path". It returns what a client calls that place.
func listen(address string, scheme string) (net.Listener, string, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		l, err := listenUnix(path)
		return l, scheme + " on unix:" + path, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, "", err
	}
	return l, scheme + "://" + l.Addr().String(), nil
}

// listenUnix listens on a unix socket. It replaces a socket on which no process listens, such as
// one that a killed process has left.
func listenUnix(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	info, statErr := os.Lstat(path)
	if statErr != nil || info.Mode().Type() != os.ModeSocket {
		return nil, err
	}
	c, dialErr := net.Dial("unix", path)
	if dialErr == nil {
		_ = c.Close()
	}
	if !errors.Is(dialErr, syscall.ECONNREFUSED) {
		return nil, err
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return net.Listen("unix", path)
}

// tls returns what the flags of TLS mean, or nil without a certificate.
func (f *acceptFlags) tls() (*tls.Config, error) {
	cert, err := keyPair("--cert", f.cert, "--key", f.key)
	switch {
	case err != nil:
		return nil, err
	case cert == nil && f.clientCA != "":
		return nil, usageError{errors.New("--client-ca needs --cert, which is missing")}
	case cert == nil:
		return nil, nil
	}
	c := &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"http/1.1"}}
	if f.clientCA != "" {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.ClientCAs, err = authorities("--client-ca", f.clientCA)
	}
	return c, err
}

// serveHTTP listens and serves until the first interrupt. Then it closes all connections with
// 1001, and waits for their ends, or for the second interrupt.
func serveHTTP(
	c *console, address string, f *acceptFlags, a *wsstream.Acceptor, h http.Handler,
) error {
	secure, err := f.tls()
	if err != nil {
		return err
	}
	scheme := "ws"
	if secure != nil {
		scheme = "wss"
	}
	l, name, err := listen(address, scheme)
	if err != nil {
		return err
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	s := &http.Server{
		Handler:           f.limit(h),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(c.stderr, "wsstream: ", 0),
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }() // ends with Shutdown
	_, _ = fmt.Fprintln(c.stderr, "wsstream: listening on", name)
	select {
	case err := <-served:
		return err
	case <-c.stop.soft.Done():
	}
	err = errors.Join(s.Shutdown(c.stop.hard), a.Shutdown(c.stop.hard))
	if c.stop.hard.Err() != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = a.Shutdown(ctx) // the processes are being killed
	}
	return err
}

// limit refuses WebSockets beyond --max-conns.
func (f *acceptFlags) limit(h http.Handler) http.Handler {
	if f.maxConns <= 0 {
		return h
	}
	places := make(chan struct{}, f.maxConns)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !upgrades(r) {
			h.ServeHTTP(w, r)
			return
		}
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			h.ServeHTTP(w, r)
		default:
			http.Error(w, "too many connections", http.StatusServiceUnavailable)
		}
	})
}

// upgrades reports whether a request asks for a WebSocket.
func upgrades(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// files serves the files in a folder, and nothing outside it.
func files(folder string) (http.Handler, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("--static: %w", err)
	}
	return http.FileServerFS(root.FS()), nil
}

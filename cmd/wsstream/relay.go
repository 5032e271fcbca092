package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/wsstream/wsstream"
)

// A relay is a run of wsstream relay.
type relay struct {
	*console
	from, to endpoint
	accept   acceptFlags
	dial     dialFlags

	options  *wsstream.DialOptions
	ctx      context.Context // ends with the first interrupt, with context.Canceled
	sessions sync.WaitGroup
}

func newRelay(c *console) *cobra.Command {
	r := &relay{console: c}
	cmd := &cobra.Command{
		Use:   "relay LISTEN TARGET",
		Short: "Relay between WebSockets, TCP and unix sockets",
		Long: `Relay connects each client of LISTEN to TARGET. Both are one of

  ws://HOST:PORT/PATH    a WebSocket
  wss://HOST:PORT/PATH   a WebSocket over TLS
  tcp:HOST:PORT          a TCP connection
  unix:PATH              a unix socket

The faster side waits for the slower one. In between are a window of each direction, and one chunk.
Two WebSockets keep their messages, close codes and the subprotocol. From a socket each piece that
is read becomes a binary message. A WebSocket cannot close one direction alone: when a socket has
ended its direction, the WebSocket is closed with 1000, and what still comes from it is written.

If a side is lost, the other one does not look complete: a WebSocket is closed with 1011, and a TCP
connection is reset. If TARGET is not reached, a WebSocket client gets the status 502.

The flags of serve set what is accepted, and those of dial how TARGET is reached.`,
		Example: `  wsstream relay ws://localhost:8080 tcp:localhost:5900
  wsstream relay tcp:localhost:2222 wss://example.org/ssh
  wsstream relay wss://:443 unix:/run/app.sock --cert cert.pem --key key.pem`,
		Args: exactArgs("LISTEN", "TARGET"),
		RunE: func(_ *cobra.Command, args []string) error { return r.run(args[0], args[1]) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	r.accept.add(fs)
	r.dial.add(fs)
	r.dial.stream.add(fs)
	return cmd
}

// An endpoint is where a relay listens, or what it connects to.
type endpoint struct {
	network string // "ws", "wss", "tcp" or "unix"
	address string // for net.Dial and net.Listen; for ws and wss the host and port
	url     string // for ws and wss
}

func parseEndpoint(text string) (endpoint, error) {
	network, address, _ := strings.Cut(text, ":")
	switch {
	case address == "":
	case network == "tcp", network == "unix":
		return endpoint{network, address, ""}, nil
	case network == "ws", network == "wss":
		if host, ok := strings.CutPrefix(address, "//"); ok {
			host, _, _ = strings.Cut(host, "/")
			return endpoint{network, host, text}, nil
		}
	}
	return endpoint{}, usageError{fmt.Errorf(
		"bad address %q: want ws://HOST:PORT, wss://HOST:PORT, tcp:HOST:PORT or unix:PATH", text)}
}

func (r *relay) run(from, to string) (err error) {
	if r.from, err = parseEndpoint(from); err != nil {
		return err
	}
	if r.to, err = parseEndpoint(to); err != nil {
		return err
	}
	tls := r.accept.cert != "" || r.accept.key != "" || r.accept.clientCA != ""
	if (r.from.network == "wss") != tls {
		return usageError{errors.New(
			"--cert, --key and --client-ca go with a LISTEN of wss, which needs the first two")}
	}
	if r.options, err = r.dial.options(to); err != nil {
		return err
	}
	if err := r.checkTarget(); err != nil {
		return usageError{err}
	}
	r.accept.stream = r.dial.stream
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithCancel(context.Background())
	defer context.AfterFunc(r.stop.soft, cancel)()
	if r.from.url == "" {
		err = r.listen()
	} else {
		err = r.serveHTTP()
	}
	cancel()
	r.sessions.Wait()
	if r.stop.hard.Err() != nil {
		return errCut
	}
	return err
}

// checkTarget returns what would fail each client, without connecting.
func (r *relay) checkTarget() error {
	switch r.to.network {
	case "unix":
		return nil
	case "tcp":
		_, port, err := net.SplitHostPort(r.to.address)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // Dial checks its arguments first
	_, err := wsstream.Dial(ctx, r.to.url, r.options).Opened().Wait(context.Background())
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serveHTTP relays WebSockets.
func (r *relay) serveHTTP() error {
	a, err := r.accept.acceptor()
	if err != nil {
		return err
	}
	return serveHTTP(r.console, r.from.address, &r.accept, a, http.HandlerFunc(
		func(w http.ResponseWriter, req *http.Request) { r.upgrade(w, req, a.Options) }))
}

// upgrade connects to the target before it accepts: the target chooses the subprotocol.
func (r *relay) upgrade(w http.ResponseWriter, req *http.Request, o wsstream.AcceptOptions) {
	r.sessions.Add(1)
	defer r.sessions.Done()
	if !upgrades(req) {
		http.Error(w, "want a WebSocket", http.StatusUpgradeRequired)
		return
	}
	target, err := r.target(offered(req))
	if err != nil {
		report(r.stderr, err)
		http.Error(w, "the target was not reached", http.StatusBadGateway)
		return
	}
	defer target.cut()
	if target.conn != nil {
		opened, _, _ := target.conn.Opened().Peek()
		o.Subprotocols = nil
		if opened.Protocol != "" {
			o.Subprotocols = []string{opened.Protocol}
		}
	}
	conn, err := wsstream.Accept(w, req, &o)
	if err != nil { // the client got the reason
		return
	}
	r.join(webSocket(conn), target)
}

// offered returns the subprotocols that a client offers.
func offered(req *http.Request) (all []string) {
	for _, line := range req.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			all = append(all, strings.TrimSpace(name))
		}
	}
	return all
}

// listen relays the connections of a socket.
func (r *relay) listen() error {
	l, err := net.Listen(r.from.network, r.from.address)
	if err != nil {
		return err
	}
	defer context.AfterFunc(r.ctx, func() { _ = l.Close() })()
	_, _ = fmt.Fprintf(r.stderr, "wsstream: listening on %s:%s\n", r.from.network, l.Addr())
	places := make(chan struct{}, max(r.accept.maxConns, 0))
	for {
		nc, err := l.Accept()
		switch {
		case r.ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if r.accept.maxConns > 0 {
			select {
			case places <- struct{}{}:
			default:
				_ = reset(nc)
				continue
			}
		}
		r.sessions.Go(func() {
			r.relay(nc)
			if r.accept.maxConns > 0 {
				<-places
			}
		})
	}
}

func (r *relay) relay(nc net.Conn) {
	target, err := r.target(r.dial.protocols)
	if err != nil {
		report(r.stderr, err)
		_ = reset(nc)
		return
	}
	defer target.cut()
	r.join(socket(nc), target)
}

// target connects to the target.
func (r *relay) target(protocols []string) (side, error) {
	if r.to.url == "" {
		d := net.Dialer{Timeout: r.dial.handshakeTimeout}
		nc, err := d.DialContext(r.ctx, r.to.network, r.to.address)
		if err != nil {
			return side{}, err
		}
		return socket(nc), nil
	}
	o := *r.options
	o.Subprotocols, o.SubprotocolOptional = protocols, true
	conn, err := connect(r.stop, r.to.url, &o)
	if err != nil {
		return side{}, err
	}
	return webSocket(conn), nil
}

// join relays until both sides have ended.
func (r *relay) join(a, b side) {
	defer a.cut()
	defer context.AfterFunc(r.stop.hard, func() { a.cut(); b.cut() })()
	err := join(r.ctx, a, b)
	// A page that was left is nothing to report.
	if err != nil && r.ctx.Err() == nil && wsstream.CloseCode(err) != 1001 {
		report(r.stderr, err)
	}
	a.ended(r.stop.hard)
	b.ended(r.stop.hard)
}

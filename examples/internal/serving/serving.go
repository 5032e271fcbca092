// Package serving serves the pages of the example programs.
package serving

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

// late is how long the connections have when the program ends.
const late = 10 * time.Second

// Serve serves h on an address while run runs, and returns run's error. run gets the host and
// port of the server's URL, and a function that waits until ctx ends or the server has failed. At
// the end, shut closes the connections that http.Server.Shutdown leaves open.
func Serve(ctx context.Context, address string, h http.Handler, shut func(context.Context) error,
	run func(host string, wait func() error) error,
) (err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }() // ends with Shutdown
	defer func() {
		ctx, stop := context.WithTimeout(context.Background(), late)
		defer stop()
		err = errors.Join(err, shut(ctx), srv.Shutdown(ctx))
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}()
	return run(host(l.Addr()), func() error {
		select {
		case <-ctx.Done():
			return nil
		case err := <-served:
			served <- err
			return err
		}
	})
}

// host returns the host and port of a URL for a listener. A listener on all addresses is localhost.
func host(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

const (
	batchMark = 32 << 10 // bytes of a batch of rows, as they come from the table
	window    = 64 << 10 // of each end of the WebSocket

	maxRow     = 1 << 20    // bytes of a line of JSON
	maxMessage = 8 * maxRow // escapes may make six of one
)

// errDiffer is the error of a transfer that came to its end and did not arrive as it was sent.
var errDiffer = errors.New("what was received is not what was sent")

// transfer sends the table from one end of a WebSocket to the other, and reports.
func transfer(ctx context.Context, o options, stdout, stderr io.Writer) error {
	t, err := openTable(o.in, o.n)
	if err != nil {
		return err
	}
	defer t.rows.Cancel(nil) //nolint:errcheck // which closes a file that was only read
	client, server, closeAll, err := connect(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	m := &meter{sent: newTally(), received: newTally(), sender: client, receiver: server,
		total: t.total}
	stop := m.start(stderr)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return send(gctx, client.Writable(), t, o.workers, m.sent) })
	g.Go(func() error {
		err := receive(gctx, server.Readable(), o.rate, m.received)
		if wsstream.CloseCode(err) > 0 {
			return nil // the sender has closed because it failed, and says why itself
		}
		return err
	})
	err = g.Wait()
	stop()
	if err != nil {
		return err
	}
	if err := m.report(stdout, o.workers); err != nil {
		return err
	}
	if m.sent.n.Load() != m.received.n.Load() || m.sent.sum() != m.received.sum() {
		return errDiffer
	}
	return nil
}

// send is the sender's pipeline. Every stage is pulled by the next, and the last waits for the
// window.
func send(
	ctx context.Context, dst stream.Writable[wsstream.Message], t table, workers int, sum *tally,
) error {
	batches := stream.Batch(t.rows, stream.Size(batchMark, raw.size), 0)
	transformed := stream.Parallel(batches, workers, transform(t.columns))
	defer transformed.Cancel(nil) //nolint:errcheck // the goroutines end, whatever happened
	summed := stream.Map(transformed, func(b []row) ([]row, error) { return b, sum.add(b) })
	return stream.Pipe(ctx, stream.Encode(dst, rows), summed, nil)
}

// receive is the receiver's pipeline, with a consumer that takes rows at a rate of its own: it
// stands for a database.
func receive(
	ctx context.Context, src stream.Readable[wsstream.Message], limit rate.Limit, sum *tally,
) error {
	consumer := rate.NewLimiter(limit, max(1, int(min(limit, 1e9)/20)))
	for batch, err := range stream.All(ctx, stream.Decode(src, rows)) {
		if err == nil {
			err = sum.add(batch)
		}
		for n := len(batch); n > 0 && err == nil; n -= consumer.Burst() {
			if err = consumer.WaitN(ctx, min(n, consumer.Burst())); err != nil {
				err = cmp.Or(context.Cause(ctx), err)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// connect returns the two ends of a WebSocket over TCP on loopback, and a function that cuts them.
func connect(ctx context.Context) (client, server *wsstream.Conn, closeAll func(), err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, nil, err
	}
	accepted := make(chan *wsstream.Conn, 1)
	srv := http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := wsstream.Accept(w, r,
				&wsstream.AcceptOptions{ReadWindow: window, MaxMessageSize: maxMessage})
			if err != nil {
				return
			}
			select {
			case accepted <- conn: // a Conn outlives its handler
			default:
				conn.CloseNow() // a second client has no business here
			}
		}),
	}
	var serve sync.WaitGroup
	serve.Go(func() { _ = srv.Serve(l) }) // ends with Close
	defer serve.Wait()
	defer srv.Close() //nolint:errcheck // the port is all that it holds
	client = wsstream.Dial(ctx, "ws://"+l.Addr().String(), &wsstream.DialOptions{
		WriteWindow:  window,
		CloseTimeout: time.Hour, // the consumer takes its time for what was sent before the Close
	})
	if _, err := client.Opened().Wait(ctx); err != nil {
		client.CloseNow()
		return nil, nil, nil, fmt.Errorf("loopback: %w", err)
	}
	server = <-accepted
	return client, server, func() {
		client.CloseNow()
		server.CloseNow()
	}, nil
}

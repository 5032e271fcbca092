package main

import (
	"cmp"
	"context"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/wsstream/wsstream"
)

// chunk is how many bytes of the source make a message, at most.
const chunk = 32 << 10

// send sends all of src through conn, then what was sent, and returns that and what the receiver
// says that it got.
//
// A Write waits while the window is full: that is all there is to flow control. The sender reads
// concurrently. So a receiver that hangs up ends the sending even while the source has nothing to
// give.
func send(ctx context.Context, conn *wsstream.Conn, src *source) (sent, received total, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		sent, err = sendAll(ctx, conn.Writable(), src)
		return hungUp(ctx, conn, "receiver", err)
	})
	g.Go(func() error {
		m, err := conn.Readable().Pull(ctx)
		if err != nil {
			return hungUp(ctx, conn, "receiver", err)
		}
		received, err = parseTotal(m)
		return err
	})
	err = g.Wait()
	return sent, received, err
}

func sendAll(ctx context.Context, w *wsstream.Writable, src *source) (total, error) {
	sum := newTally()
	var failed error
	messages := writerFunc(func(p []byte) (int, error) {
		if failed = w.Write(ctx, wsstream.Binary(p)); failed != nil {
			return 0, failed
		}
		return len(p), nil
	})
	if err := src.copyTo(ctx, io.MultiWriter(sum, messages)); err != nil {
		return total{}, cmp.Or(failed, err) // a connection that fails is not the source's fault
	}
	m, err := sum.total().message()
	if err != nil {
		return total{}, err
	}
	return sum.total(), w.Write(ctx, m)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

package main

import (
	"context"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/wsstream/wsstream"
)

// chunk is how many bytes of the source make a message.
const chunk = 32 << 10

// send sends all of src through conn, then what was sent, and returns that and what the receiver says that it got.
//
// A Write waits while the window is full: that is all there is to flow control. The receiver is listened to at the
// same time, so that one who hangs up ends the sending, even while the source has nothing to give.
func send(ctx context.Context, conn *wsstream.Conn, src *source) (sent, received total, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { // ends when src does, or with ctx
		sent, err = sendAll(ctx, conn, src)
		return err
	})
	g.Go(func() (err error) { // ends with the receiver's answer or the connection, or with ctx
		received, err = answer(ctx, conn)
		return err
	})
	err = g.Wait()
	return sent, received, err
}

func sendAll(ctx context.Context, conn *wsstream.Conn, src *source) (total, error) {
	sum := newTally()
	in := io.TeeReader(open(ctx, src), sum)
	for buf := make([]byte, chunk); ; {
		n, err := io.ReadFull(in, buf)
		if n > 0 {
			if err := conn.Writable().Write(ctx, wsstream.Binary(buf[:n])); err != nil {
				return total{}, hungUp(ctx, conn, "receiver", err)
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return total{}, err
		}
	}
	m, err := sum.total().message()
	if err != nil {
		return total{}, err
	}
	if err := conn.Writable().Write(ctx, m); err != nil {
		return total{}, hungUp(ctx, conn, "receiver", err)
	}
	return sum.total(), nil
}

func answer(ctx context.Context, conn *wsstream.Conn) (total, error) {
	m, err := conn.Readable().Pull(ctx)
	if err != nil {
		return total{}, hungUp(ctx, conn, "receiver", err)
	}
	return parseTotal(m)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
)

// A side is one end of the transfer: it connects, does its part and closes.
type side func(context.Context) (outcome, error)

// An outcome is what a side knows when all is over.
type outcome struct {
	sent, received total
	own            string // the name of its row in the report
	flow           wsstream.Flow
	took           time.Duration // since the connection
}

// errDiffer is the error of a transfer that came to its end and did not arrive as it was sent.
var errDiffer = errors.New("what was received is not what was sent")

// transfer runs the two sides, or the one that o asks for, and reports on stdout what they agree
// on.
func transfer(ctx context.Context, o options, stdin io.Reader, stdout, stderr io.Writer) error {
	var sides []side
	var m meter
	if o.listen == "" {
		src, err := openSource(ctx, o.in, stdin)
		if err != nil {
			return err
		}
		m.size = src.size
		sides = append(sides, func(ctx context.Context) (outcome, error) {
			return sendTo(ctx, o, src, &m)
		})
	}
	if o.dial == "" {
		l, err := listen(o)
		if err != nil {
			return err
		}
		defer l.close()
		if o.listen != "" {
			_, _ = fmt.Fprintln(stderr, "listening on", l.url)
		}
		o.dial = l.url
		sides = append(sides, func(ctx context.Context) (outcome, error) {
			return receiveFrom(ctx, l, o, &m)
		})
	}
	stop := m.start(stderr)
	outcomes, err := runAll(ctx, sides)
	stop()
	if err != nil {
		return err
	}
	if err := report(stdout, outcomes, o.window); err != nil {
		return err
	}
	for _, out := range outcomes {
		if out.sent != out.received {
			return errDiffer
		}
	}
	return nil
}

// runAll runs all sides to their end. The first that fails ends the others.
func runAll(ctx context.Context, sides []side) ([]outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	outcomes, errs := make([]outcome, len(sides)), make([]error, len(sides))
	var wg sync.WaitGroup
	for i, s := range sides {
		wg.Go(func() { // ends with the side, or with ctx
			if outcomes[i], errs[i] = s(ctx); errs[i] != nil {
				cancel(errs[i])
			}
		})
	}
	wg.Wait()
	return outcomes, blame(errs)
}

// blame picks the error that explains the others: the side that left knows more than the side that
// saw it leave.
func blame(errs []error) (left error) {
	for _, err := range errs {
		if _, ok := errors.AsType[*peerError](err); err != nil && !ok {
			return err
		} else if ok {
			left = err
		}
	}
	return left
}

// sendTo dials the receiver at o.dial and sends src.
func sendTo(ctx context.Context, o options, src *source, m *meter) (outcome, error) {
	conn := wsstream.Dial(ctx, o.dial, &wsstream.DialOptions{WriteWindow: o.window})
	defer conn.CloseNow()
	begin, flow := time.Now(), func() wsstream.Flow { return conn.Stats().Sent }
	m.watch("sender", flow)
	sent, received, err := send(ctx, conn, src)
	err = finish(ctx, conn, "receiver", err)
	return outcome{sent, received, "sent", flow(), time.Since(begin)}, err
}

// receiveFrom waits for a sender and takes what it sends.
func receiveFrom(ctx context.Context, l *listener, o options, m *meter) (outcome, error) {
	conn, err := l.accept(ctx)
	if err != nil {
		return outcome{}, err
	}
	defer conn.CloseNow()
	begin, flow := time.Now(), func() wsstream.Flow { return conn.Stats().Received }
	m.watch("receiver", flow)
	sent, received, err := receive(ctx, conn, o.rate)
	err = finish(ctx, conn, "sender", err)
	return outcome{sent, received, "received", flow(), time.Since(begin)}, err
}

// A peerError is a transfer that ended because the peer left.
type peerError struct {
	peer string
	err  error
}

func (e *peerError) Error() string { return "the " + e.peer + " hung up: " + e.err.Error() }
func (e *peerError) Unwrap() error { return e.err }

// hungUp makes a peerError of an error that says that the connection has ended, and returns any
// other as it is.
func hungUp(ctx context.Context, conn *wsstream.Conn, peer string, err error) error {
	if _, lost := errors.AsType[*wsstream.Error](err); lost {
		return &peerError{peer, err}
	}
	// the peer has closed in order, but too early
	if errors.Is(err, io.EOF) || errors.Is(err, wsstream.ErrClosed) {
		info, err := conn.Closed().Wait(ctx)
		if err != nil {
			return &peerError{peer, err}
		}
		return &peerError{peer, fmt.Errorf("closed with %v", info)}
	}
	return err
}

// finish closes the connection after a transfer that ended with err, and returns err or what went
// wrong in closing.
func finish(ctx context.Context, conn *wsstream.Conn, peer string, err error) error {
	if err == nil {
		return hungUp(ctx, conn, peer, conn.Shutdown(ctx, wsstream.CloseInfo{Code: 1000}))
	}
	// What is unsent is of no use now. The peer gets a moment to learn that we gave up; then CloseNow
	// cuts.
	_ = conn.Writable().Abort(&wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1011,
		Reason: "gave up before the end"}})
	conn.Readable().Discard()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = conn.Closed().Wait(ctx)
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/wsstream/wsstream"
)

// A loader loads one connection.
type loader struct {
	*bench
	conn     *wsstream.Conn
	slow     bool          // pauses before each message that it takes
	interval time.Duration // between two messages; 0 without --rate
	first    time.Time     // when the first message is due, with --rate

	places chan struct{}  // taken by the messages in flight, without --rate
	times  chan time.Time // when those were sent

	sent, answered atomic.Int64
	done           atomic.Bool // no message follows
}

// run loads the connection until ctx ends, and waits for answers until drained ends.
func (l *loader) run(ctx, drained context.Context) {
	var err error
	switch l.mode {
	case "source":
		err = l.receive(ctx, func() {})
	case "sink":
		l.conn.Readable().Discard()
		err = l.send(ctx, drained)
	default:
		err = l.echo(ctx, drained)
	}
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, wsstream.ErrClosed):
		l.early.Add(1)
	default:
		l.failed.add(err)
	}
}

// echo sends messages, and takes the answers.
func (l *loader) echo(ctx, drained context.Context) error {
	l.places, l.times = make(chan struct{}, l.inFlight), make(chan time.Time, l.inFlight)
	answers, cancel := context.WithCancel(drained)
	defer cancel()
	sent := make(chan error, 1)
	go func() { // ends with the load, or with the connection
		err := l.send(ctx, drained)
		l.done.Store(true)
		if l.answered.Load() == l.sent.Load() {
			cancel()
		}
		sent <- err
	}()
	err := l.receive(answers, func() {
		l.answer()
		if l.done.Load() && l.answered.Load() == l.sent.Load() {
			cancel()
		}
	})
	switch {
	case answers.Err() != nil && l.conn.Context().Err() == nil:
		err = nil // the load is over
	case err == nil:
		err = wsstream.ErrClosed // by the server
	}
	if err != nil { // the sender gets the same, or waits for a place in vain
		l.late.Add(l.sent.Load() - l.answered.Load())
		return err
	}
	err = <-sent
	l.late.Add(l.sent.Load() - l.answered.Load())
	return err
}

// answer counts an answer: they come in order.
func (l *loader) answer() {
	n := l.answered.Add(1) - 1
	if l.interval > 0 {
		l.record(l.due(n))
		return
	}
	select {
	case sent := <-l.times:
		l.record(sent)
		<-l.places
	default: // the server sends more than answers
		l.answered.Add(-1)
	}
}

// due returns when message n is due.
func (l *loader) due(n int64) time.Time { return l.first.Add(time.Duration(n) * l.interval) }

// send sends messages until ctx ends. With --rate, those that are due before the end of the load
// are sent even if that is later, until drained ends.
func (l *loader) send(ctx, drained context.Context) error {
	m := wsstream.Message{Type: wsstream.TypeBinary, Data: make([]byte, l.size)}
	if l.text {
		m.Type = wsstream.TypeText // of zeros, which are UTF-8
	}
	if l.interval == 0 {
		drained = ctx
	}
	for n := int64(0); l.wait(ctx, n); n++ {
		began := time.Now()
		if l.times != nil && l.interval == 0 {
			l.times <- began
		}
		l.sent.Add(1)
		if err := l.conn.Writable().Write(drained, m); err != nil {
			l.sent.Add(-1)
			return err
		}
		if l.mode == "sink" {
			if l.interval > 0 {
				began = l.due(n)
			}
			l.record(began)
		}
	}
	return nil
}

// wait waits until message n may be sent, and reports whether it may.
func (l *loader) wait(ctx context.Context, n int64) bool {
	switch {
	case l.interval > 0:
		due := l.due(n)
		return due.Before(l.end) && l.stop.soft.Err() == nil &&
			(time.Until(due) <= 0 || pause(l.stop.soft, time.Until(due)))
	case l.places != nil:
		select {
		case l.places <- struct{}{}:
			return ctx.Err() == nil
		case <-ctx.Done():
			return false
		}
	default:
		return ctx.Err() == nil
	}
}

// receive takes messages, and calls each for each. The end of a server that was done is no error.
func (l *loader) receive(ctx context.Context, each func()) error {
	var m wsstream.Message
	for {
		if l.slow && !pause(ctx, l.slowPause) {
			return context.Cause(ctx)
		}
		switch err := l.conn.Readable().PullInto(ctx, &m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		each()
	}
}

// record records how long ago something was due, unless the connection is slow on purpose.
func (l *loader) record(due time.Time) {
	if !l.slow {
		l.latency.add(time.Since(due))
	}
}

// latencies are the latencies of all connections.
type latencies struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram // in microseconds; guarded by mu
}

const longest = time.Hour // that is counted

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.h == nil {
		l.h = hdrhistogram.New(1, longest.Microseconds(), 3)
	}
	_ = l.h.RecordValue(min(d, longest).Microseconds())
}

// failures are connections that failed.
type failures struct {
	mu    sync.Mutex
	count int   // guarded by mu
	first error // guarded by mu
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if f.first == nil {
		f.first = err
	}
}

// err returns the first failure, or nil.
func (f *failures) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count > 1 {
		return fmt.Errorf("%d connections failed, the first of them: %w", f.count, f.first)
	}
	return f.first
}

package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/bench/internal/proc"
)

// A session is one side of one connection while it lives.
type session struct {
	plan   Plan
	side   Side
	counts *counts
	quit   <-chan struct{} // closed when the run finishes
	opened time.Time
	conn   *wsstream.Conn // nil before the client's handshake begins
	buf    []byte         // of the receiver

	mu     sync.Mutex
	nc     net.Conn // the transport; guarded by mu; nil before the client has dialled
	record Record   // guarded by mu until run returns
}

// note notes an act of this side, before it is done.
func (s *session) note(a Act) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.record.did(a) {
		s.record.Acts = append(s.record.Acts, a)
	}
}

// did reports whether this side has done the act.
func (s *session) did(a Act) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.did(a)
}

// fault notes a breach of a rule. The first of a session is enough.
func (s *session) fault(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.record.Faults) == 0 {
		s.record.Faults = append(s.record.Faults, err.Error())
	}
}

// run sends, receives and ends the open connection as its plan says. It returns the Record when the
// connection has ended.
func (s *session) run() Record {
	s.opened = time.Now()
	s.record.Open = proc.Now()
	var running sync.WaitGroup
	running.Go(s.send) // ends with the connection
	running.Add(1)
	timer := time.AfterFunc(s.actAfter(), func() { // run waits for it
		defer running.Done()
		s.act()
	})
	end := s.receive()
	if timer.Stop() {
		running.Done()
	}
	running.Wait()
	info, err := s.conn.Closed().Wait(context.Background())
	if err := s.checkEnd(end); err != nil {
		s.fault(err)
	}
	stats := s.conn.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record
	r.Ended = proc.Now()
	r.End = End{Code: info.Code, InOrder: err == nil, EOF: end == io.EOF}
	if code := wsstream.CloseCode(err); code >= 0 {
		r.End.Code = code
	}
	if end != io.EOF {
		r.Error = end.Error()
	}
	r.Windows, r.Stalled = s.plan.window(), stats.Sent.Stalled
	r.HeldIn, r.HeldOut = stats.Received.HeldMax, stats.Sent.HeldMax
	return r
}

// checkEnd checks that the calls after the end agree with how Pull has ended.
func (s *session) checkEnd(end error) error {
	_, again := s.conn.Readable().Pull(context.Background())
	_, written := s.conn.Writable().TryWrite(wsstream.Binary(nil))
	code := wsstream.CloseCode(end)
	switch {
	case again != end:
		return fmt.Errorf("a Pull ends with %q, and the next one with %q", end, again)
	case written == nil:
		return errors.New("TryWrite after the end returns no error")
	case errors.Is(written, errAbort), errors.Is(written, wsstream.ErrClosed):
		return nil
	case end == io.EOF:
		return fmt.Errorf("a Pull returns io.EOF, and TryWrite %q", written)
	case code < 0:
		return fmt.Errorf("a Pull ends with %q", end)
	case s.did(ActShutdown) && wsstream.CloseCode(written) == goes.Code:
		return nil // it ended the Writes, and the Pulls ended later
	case code != wsstream.CloseCode(written):
		return fmt.Errorf("after the end TryWrite returns %q, and Pull %q", written, end)
	}
	return nil
}

// errPatience is the cause of the contexts of Writes that take long.
var errPatience = errors.New("the Write took long")

// send writes messages until the connection ends or the run finishes.
func (s *session) send() {
	lane := s.plan.Lanes[s.side]
	r := rand.New(rand.NewPCG(s.plan.load.Seed+1+uint64(s.side), s.plan.ID))
	var buf []byte
	burst := lane.Burst
	for n := uint64(0); ; n++ {
		bytes := size(r)
		if wait := time.Until(s.opened.Add(lane.At)); burst > 0 && wait <= 0 {
			bytes = 4<<10 + r.IntN(8<<10)
			burst -= bytes
		} else {
			pause := time.Duration(r.ExpFloat64() * float64(s.plan.load.Pace))
			if burst > 0 {
				pause = min(pause, wait)
			}
			if !s.wait(pause, s.conn.Writable().Done()) {
				return
			}
		}
		buf = s.plan.appendMessage(buf[:0], s.side, n, bytes)
		s.record.Tried, s.record.Largest = n+1, max(s.record.Largest, len(buf))
		if s.write(lane.Write, r, buf) != nil {
			return
		}
		s.record.Sent = n + 1
		s.counts.sent.Add(1)
		if cap(buf) > keptBuffer {
			buf = nil
		}
	}
}

const keptBuffer = 4 << 10 // bytes that a session keeps between two messages

// write writes a message with one of the calls.
func (s *session) write(call int, r *rand.Rand, data []byte) error {
	ctx := context.Background()
	m := wsstream.Message{Type: s.plan.messageType(s.side), Data: data}
	w := s.conn.Writable()
	switch call {
	case tryWrite:
		for {
			if ok, err := w.TryWrite(m); ok || err != nil {
				return err
			}
			if err := w.Ready(ctx); err != nil {
				return err
			}
		}
	case newMessage:
		mw, err := w.NewMessage(ctx, m.Type)
		if err != nil {
			return err
		}
		s.record.Unfinished = true
		for len(data) > 0 {
			n := min(len(data), pieceSize+r.IntN(8*pieceSize))
			if _, err := mw.Write(data[:n]); err != nil {
				return err
			}
			data = data[n:]
		}
		err = mw.Close()
		s.record.Unfinished = err != nil
		return err
	}
	for { // the contexts of the first Writes end soon, and so the same message is written again
		brief, cancel := context.WithTimeoutCause(ctx,
			50*time.Millisecond<<min(s.record.Retried, 8), errPatience)
		err := w.Write(brief, m)
		cancel()
		if !errors.Is(err, errPatience) {
			return err
		}
		s.record.Retried++
	}
}

// receive pulls and checks messages until the end, and returns the error of Pull.
func (s *session) receive() error {
	from := s.side.other()
	lane := s.plan.Lanes[from]
	stalls, slowly := lane.Style == stalled, 0
	if lane.Style == slow {
		slowly = lane.Burst
	}
	for n := uint64(0); ; n++ {
		data, t, err := s.pull(lane.Read)
		if err != nil {
			return err
		}
		s.counts.received.Add(1)
		if err := s.plan.check(t, data, from, n); err != nil {
			s.fault(err)
		} else {
			s.record.Received++
		}
		if cap(s.buf) > keptBuffer {
			s.buf = nil
		}
		if time.Since(s.opened) < lane.At {
			continue
		}
		switch {
		case stalls:
			stalls = false
			if s.plan.End == ActSleep && s.side == Client {
				s.note(ActSleep)
			}
			s.wait(lane.For, nil)
		case slowly > 0:
			slowly -= len(data)
			s.wait(slowPause, nil)
		}
	}
}

// pull receives a message with one of the calls. The data is valid until the next.
func (s *session) pull(call int) (data []byte, t wsstream.Type, err error) {
	ctx := context.Background()
	r := s.conn.Readable()
	switch call {
	case pull:
		m, err := r.Pull(ctx)
		return m.Data, m.Type, err
	case nextMessage:
		m, err := r.NextMessage(ctx)
		if err != nil {
			return nil, 0, err
		}
		for s.buf = s.buf[:0]; err == nil; {
			if len(s.buf) == cap(s.buf) {
				s.buf = append(s.buf, 0)[:len(s.buf)]
			}
			var n int
			n, err = m.Read(s.buf[len(s.buf):cap(s.buf)])
			s.buf = s.buf[:len(s.buf)+n]
		}
		if err != io.EOF { // the connection has ended inside the message
			_, err = r.Pull(ctx)
			return nil, 0, err
		}
		return s.buf, m.Type(), nil
	}
	m := wsstream.Message{Data: s.buf}
	err = r.PullInto(ctx, &m)
	s.buf = m.Data
	return m.Data, m.Type, err
}

// wait waits for d. It reports false if the run finishes or done is closed before.
func (s *session) wait(d time.Duration, done <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.quit:
	case <-done:
	}
	return false
}

package resume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wsstream/wsstream"
)

// maxLeaving limits the connections of a session that were taken over and have not ended. So a
// client that connects again and again does not hold many. They are enough for clients that race:
// each gets its close code.
const maxLeaving = 32

// adopt makes l the connection of the session, before it is greeted. The one before is cut: what is
// unread there does not count, and comes again. It reports false if the session has ended.
func (s *Session) adopt(l *link) bool {
	s.out.mu.Lock()
	s.mu.Lock()
	if s.isOver() {
		s.mu.Unlock()
		s.out.mu.Unlock()
		return false
	}
	old := s.link
	s.link, s.last, l.last = l, l, s.last
	var oldest *link
	if old != nil {
		if s.leaving = append(s.leaving, old); len(s.leaving) > maxLeaving {
			oldest = s.leaving[0]
			s.leaving = slices.Delete(s.leaving, 0, 1)
		}
	}
	s.timer.Stop()
	s.unlinkLocked()
	s.mu.Unlock()
	s.out.mu.Unlock()
	if old != nil {
		old.cut(codeTakenOver)
		old.let(ErrTakenOver)
	}
	if oldest != nil {
		oldest.conn.CloseNow()
	}
	return true
}

// unlinkLocked takes the connection away from both ways. out.mu and mu must be held.
func (s *Session) unlinkLocked() {
	s.out.link = nil
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.in.link = nil
	s.in.changed.fire()
}

// beginLocked lets the way in read l, after the greeting. It reports false if l was lost or taken
// over. out.mu must be held.
func (s *Session) beginLocked(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != l {
		return false
	}
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.in.link, s.in.window = l, s.out.window
	s.in.changed.fire()
	s.in.armLocked()
	return true
}

// lost notes that l has ended with err.
func (s *Session) lost(l *link, err error) {
	s.out.mu.Lock()
	s.mu.Lock()
	mine := s.link == l
	if mine {
		s.link, s.lastErr, s.away = nil, err, time.Now()
		s.unlinkLocked()
		s.timer.Reset(s.awayTimeout)
	}
	s.mu.Unlock()
	s.out.mu.Unlock()
	if mine {
		l.let(err)
	}
}

// has reports whether l is the connection. While out.mu is held, l can be lost and not replaced.
func (s *Session) has(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link == l
}

// greeting returns what we tell the peer. There must be no link: the positions do not change then.
func (s *Session) greeting() greeting {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.in.told = s.in.now // a Pull may take more before the connection begins
	return greeting{
		status: s.in.now,
		window: min(uint64(s.window), maxPosition), max: min(uint64(max(s.max, 0)), maxPosition),
		id: s.id, welcome: isDone(s.opened.Done()),
	}
}

// attend lives with l, from the greetings until the session has let go of it. Both greetings have
// been made, and g is the peer's.
func (s *Session) attend(l *link, g greeting) {
	defer l.tell()
	if !s.out.resume(l, g) {
		s.broken(errors.New("it greets with wrong positions"))
	}
	s.mu.Lock()
	current := s.link == l
	again := isDone(s.opened.Done())
	if current && again {
		s.resumed++
	}
	s.mu.Unlock()
	if current {
		s.settleOpened(Opened{s.Readable(), s.Writable()}, nil)
		l.awaitLast()
		if again {
			call(s.hooks.Resumed, s)
		} else {
			call(s.hooks.Connected, s)
		}
		s.out.offer()
		s.checkOver()
	}
	select {
	case <-l.gone:
	case <-l.conn.Closed().Done():
		s.in.kick() // it reads what is left, and then the end
		<-l.gone
	}
	if l.err == nil || s.isOver() {
		return
	}
	if s.overWith(l.err) {
		return
	}
	if err := fatal(l.err); err != nil {
		s.lose(&LostError{Err: err})
		return
	}
	if s.hooks.Lost != nil {
		s.hooks.Lost(s, l.err)
	}
}

// awaitLast waits until the hooks of the connection before l have returned. So Lost is called
// before Resumed.
func (l *link) awaitLast() {
	if l.last != nil {
		<-l.last.told
		l.last = nil
	}
}

// tell notes that the hooks of l have returned. Then l keeps no connection before it.
func (l *link) tell() {
	l.awaitLast()
	close(l.told)
}

func call(hook func(*Session), s *Session) {
	if hook != nil {
		hook(s)
	}
}

// fatal returns the error of a session whose connection ended with err, or nil if another
// connection can continue it. After a message that the peer refused, another would only replay it.
func fatal(err error) error {
	switch code := wsstream.CloseCode(err); code {
	case codeOver:
		return fmt.Errorf("resume: the session is over for the peer: %w", err)
	case codeGone:
		return ErrGone
	case codeTakenOver:
		return ErrTakenOver
	case codeViolation, 1002, 1003, 1007, 1009, 1010:
		return err
	case codeAbandoned:
		return errPeerGone
	case codeRefused:
		return ErrRefused
	}
	return nil
}

// greetingTime limits the greetings.
const greetingTime = 10 * time.Second

// greet pulls the peer's greeting. After a bad one it closes the connection.
func greet(ctx context.Context, conn *wsstream.Conn, hello bool) (greeting, error) {
	m, err := conn.Readable().Pull(ctx)
	if err != nil {
		return greeting{}, err
	}
	g, err := parseGreeting(m, hello)
	if err != nil {
		refuse(conn, codeViolation)
		return g, fmt.Errorf("resume: the peer broke the protocol: %w", err)
	}
	return g, nil
}

package resume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/wsstream/wsstream"
)

// peerEnded notes the peer's END, and answers it with the same code behind what was accepted.
func (s *Session) peerEnded(i wsstream.CloseInfo, writeEnd error) {
	s.peer.Store(&i)
	s.out.finish(i, writeEnd, false)
}

// checkOver ends the session in order if both sides have all.
func (s *Session) checkOver() {
	info := s.peer.Load()
	if info == nil {
		return
	}
	s.out.mu.Lock()
	all := s.out.fin && s.out.replay.received == s.out.replay.end
	s.out.mu.Unlock()
	if all {
		s.finish(nil, nil, codeOver)
	}
}

// overWith ends the session in order if err says that it is over for the peer. That is so only if
// the peer may have everything. It reports false if the session goes on.
func (s *Session) overWith(err error) bool {
	if wsstream.CloseCode(err) != codeOver || s.peer.Load() == nil || !s.out.over() {
		return false
	}
	s.finish(nil, nil, codeOver)
	return true
}

// fail ends the session with an error, unless it has ended. code tells the peer why.
func (s *Session) fail(err error, code int) { s.finish(err, nil, code) }

// broken is fail, because the peer broke a rule.
func (s *Session) broken(err error) {
	s.fail(fmt.Errorf("resume: the peer broke the protocol: %w", err), codeViolation)
}

// lose is fail, and gives the messages that were not acknowledged to err.
func (s *Session) lose(err *LostError) { s.finish(err, err, codeGone) }

// finish ends the session. A nil err means in order. lost is err or nil.
func (s *Session) finish(err error, lost *LostError, code int) {
	s.mu.Lock()
	s.finishUnlocks(err, lost, code)
}

// finishUnlocks is finish with mu held, which it unlocks.
func (s *Session) finishUnlocks(err error, lost *LostError, code int) {
	if s.isOver() {
		s.mu.Unlock()
		return
	}
	s.failure = err
	l := s.link
	s.link = nil
	close(s.over)
	s.timer.Stop()
	if s.ending != nil {
		s.ending.Stop()
	}
	s.mu.Unlock()
	if err == nil {
		s.in.fail(io.EOF)
	} else {
		s.out.fail(err, lost)
		s.in.fail(err)
		s.settleOpened(Opened{}, err)
		s.settleClosed(wsstream.CloseInfo{}, err)
	}
	s.endContext(cmp.Or(err, wsstream.ErrClosed))
	switch {
	case l == nil && err == nil:
		s.settle()
	case l == nil:
	case err == nil: // behind the last ACK; the owner of l settles Closed
		_ = l.conn.Close(wsstream.CloseInfo{Code: codeOver})
		l.conn.Readable().Discard()
		l.let(nil)
	default:
		l.cut(code)
		l.let(err)
	}
}

// settle settles Closed for a session that has ended in order.
func (s *Session) settle() { s.settleClosed(peerInfo(*s.peer.Load()), nil) }

// expire ends the session because it was away for too long. It may come late: after a connection
// has come, or has even been lost again. Then the timer of that loss runs.
func (s *Session) expire() {
	s.mu.Lock()
	away := time.Since(s.away)
	if s.link != nil || away < s.awayTimeout {
		s.mu.Unlock()
		return
	}
	lost := &LostError{Away: away, Err: s.lastErr}
	s.finishUnlocks(lost, lost, codeGone)
}

// beginEnd limits the time that the peer has to answer our END.
func (s *Session) beginEnd() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isOver() {
		return
	}
	s.ending = time.AfterFunc(s.awayTimeout, s.unanswered)
}

// unanswered ends the session because the peer has not answered our END.
func (s *Session) unanswered() {
	lost := &LostError{Err: errUnanswered}
	s.mu.Lock()
	if s.link == nil {
		lost.Away = time.Since(s.away)
	}
	s.finishUnlocks(lost, lost, codeAbandoned)
}

// let notes that the session has let go of l. mu of the session need not be held: the caller has
// taken l out of it.
func (l *link) let(err error) {
	l.err = err
	close(l.gone)
}

// cut ends the connection without what is unsent. The code tells the peer why.
func (l *link) cut(code int) {
	_ = l.conn.Writable().Abort(&wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: code}})
	_ = l.conn.Readable().Cancel(nil)
}

// linger waits for the closing handshake of a connection that the session has let go of.
func (s *Session) linger(l *link) {
	late := time.Second
	if l.err == nil {
		late = confirmTime
	}
	ctx, stop := context.WithTimeout(s.patience, late)
	defer stop()
	_, _ = l.conn.Closed().Wait(ctx)
	l.conn.CloseNow()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving = slices.DeleteFunc(s.leaving, func(other *link) bool { return other == l })
	if len(s.leaving) == 0 {
		s.leaving = nil
	}
}

// codeFor returns what an END says about cause, and well for a cause that is no failure.
func codeFor(cause error, well wsstream.CloseInfo) wsstream.CloseInfo {
	e, coded := errors.AsType[*wsstream.Error](cause)
	switch {
	case cause == nil, cause == io.EOF, errors.Is(cause, wsstream.ErrClosed):
		return well
	case coded && !errors.Is(cause, io.ErrUnexpectedEOF) && sendable(e.Code):
		i, err := checkInfo(e.CloseInfo)
		if err != nil {
			i.Reason = ""
		}
		return i
	case !coded && errors.Is(cause, context.Canceled):
		return wsstream.CloseInfo{Code: 1001}
	}
	return wsstream.CloseInfo{Code: 1011}
}

package soak

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/wsstream/wsstream"
)

var errAbort = errors.New("the server's program has failed")

// actAfter is the time from opening until the side acts.
func (s *session) actAfter() time.Duration {
	switch end := s.plan.End; {
	case end == ActSleep && s.side == Server:
		return s.plan.Life + beforeClose
	case end == ActSleep, end.byServer() != (s.side == Server):
		return math.MaxInt64
	}
	return s.plan.Life
}

// act ends the connection as the plan says.
func (s *session) act() {
	switch s.plan.End {
	case ActSleep: // of the client, because of which the Close of the server is not answered
		s.note(ActSleep)
		_ = s.conn.Close(wsstream.CloseInfo{Code: 1000})
	case ActClose, ActServerClose:
		s.note(s.plan.End)
		_ = s.conn.Close(wsstream.CloseInfo{Code: 1000, Reason: "done"})
	case ActCloseWrite:
		s.note(ActCloseWrite)
		_ = s.conn.Writable().Close(context.Background())
	case ActServerCode:
		s.note(ActServerCode)
		_ = s.conn.Close(wsstream.CloseInfo{Code: appCode, Reason: "moved"})
	case ActServerAbort:
		s.note(ActServerAbort)
		_ = s.conn.Writable().Abort(errAbort)
	case ActCloseNow, ActServerCloseNow:
		s.note(s.plan.End)
		s.conn.CloseNow()
	case ActVanish:
		s.vanish()
	case ActReset, ActServerReset, ActCutSent, ActCutReceived: // so few bytes came
		s.note(s.plan.End)
		s.mu.Lock()
		nc := s.nc
		s.mu.Unlock()
		reset(nc)
	}
}

// vanish has the transport neither send nor receive, until the client gives up or the run finishes.
func (s *session) vanish() {
	s.mu.Lock()
	t, ok := s.nc.(*transport)
	s.mu.Unlock()
	if !ok {
		return
	}
	s.note(ActVanish)
	t.vanished.Store(true)
	s.wait(gone, s.conn.Readable().Done())
	s.conn.CloseNow()
}

// finish ends a client's connection at the end of the run.
func (s *session) finish() {
	if s.did(ActVanish) {
		return // its vanish cuts the connection
	}
	s.note(ActClose)
	_ = s.conn.Close(wsstream.CloseInfo{Code: 1000, Reason: "the run is over"})
}

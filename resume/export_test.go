package resume

import (
	"context"

	"github.com/wsstream/wsstream"
)

// ReadLink reads from a connection as a session does.
func ReadLink(
	ctx context.Context, conn *wsstream.Conn,
) (m wsstream.Message, lost bool, err error) {
	lost, err = newLink(conn).read(ctx, &m)
	return m, lost, err
}

// ID returns the id of the session, which the tests of takeovers need.
func (s *Session) ID() []byte { return s.id[:] }

// Expire is what the timer of a loss calls.
func (s *Session) Expire() { s.expire() }

// BeginEnd is what a call does that ends the stream.
func (s *Session) BeginEnd() { s.beginEnd() }

// Ending reports whether a timer limits the time that the peer has to answer our END.
func (s *Session) Ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending != nil
}

// Remembered returns how many sessions the server has, those that have ended included.
func (v *Server) Remembered() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.sessions)
}

// NewGreetedClient returns a client's session whose server has greeted, and whose Opened has not
// settled.
func NewGreetedClient() *Session {
	c, _ := newConfig(0, 0, 0, Hooks{})
	s := newSession(c, newID())
	s.client, s.out.window = true, c.window
	return s
}

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

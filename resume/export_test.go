package resume

// ID returns the id of the session, which the tests of takeovers need.
func (s *Session) ID() []byte { return s.id[:] }

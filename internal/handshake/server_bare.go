package handshake

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// AcceptConn answers a request on a bare connection, TLS or not. When ctx ends, it fails. The error
// is a *Failure, or the cause of ctx. The caller must then cut nc. A client that was refused has a
// second to read why and to close, for which AcceptConn waits.
func (s *Server) AcceptConn(ctx context.Context, nc net.Conn, o Owner) (*Transport, error) {
	by := deadline(s.Timeout)
	if !by.IsZero() {
		_ = nc.SetDeadline(by)
	}
	var t *Transport
	var no *refusal
	var err error
	inTime := uninterrupted(ctx, nc, func() { t, no, err = s.shake(nc, o) })
	late := err != nil && !by.IsZero() && !time.Now().Before(by)
	switch {
	case !inTime:
		return t, context.Cause(ctx) // also if all was done: the deadline of nc has passed
	case late && t != nil:
		err = &Failure{Err: ErrTimeout}
	case late:
		no = &refusal{http.StatusRequestTimeout, nil, ErrTimeout}
	}
	if no != nil {
		return nil, dismiss(ctx, by, nc, no)
	}
	return t, err
}

// shake makes the handshake on nc. It returns a refusal to answer with, or an error if nc failed
// and the client cannot be answered. A Transport says that the owner has admitted the client.
func (s *Server) shake(nc net.Conn, o Owner) (t *Transport, no *refusal, err error) {
	r, rest, no, err := readRequest(nc, s.MaxHeader)
	switch {
	case no != nil:
		return nil, no, nil
	case err != nil:
		return nil, nil, &Failure{Err: err}
	}
	_, secure := nc.(*tls.Conn)
	agreed, no := s.admit(r, secure, o)
	if no != nil {
		return nil, no, nil
	}
	t = &Transport{Conn: nc, Buffered: rest, Agreed: agreed}
	return t, nil, s.answer(t, r, nil, o)
}

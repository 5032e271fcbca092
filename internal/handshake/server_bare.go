package handshake

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

// AcceptConn answers a request on a bare connection, TLS or not. When ctx ends, it fails. The error
// is a *Failure, or the cause of ctx. The caller must then cut nc. A client that was refused has a
// second to read why and to close, for which AcceptConn waits.
func (s *Server) AcceptConn(ctx context.Context, nc net.Conn, o Owner) (Transport, error) {
	timed, cancel := ctx, context.CancelFunc(func() {})
	if s.Timeout > 0 {
		timed, cancel = context.WithTimeoutCause(ctx, s.Timeout, &Failure{Err: ErrTimeout})
	}
	defer cancel()
	var t Transport
	var admitted bool
	var no *refusal
	var err error
	late := !uninterrupted(timed, nc, func() { t, admitted, no, err = s.shake(nc, o) })
	switch {
	case late && admitted:
		err = context.Cause(timed) // also if all was done: the deadline of nc has passed
	case late && ctx.Err() != nil:
		return Transport{}, context.Cause(ctx)
	case late && no == nil:
		no = &refusal{http.StatusRequestTimeout, nil, ErrTimeout}
	}
	if no != nil {
		return Transport{}, dismiss(ctx, timed, nc, no)
	}
	return t, err
}

// shake makes the handshake on nc. It returns a refusal to answer with, or an error if nc failed
// and the client cannot be answered.
func (s *Server) shake(nc net.Conn, o Owner) (t Transport, admitted bool, no *refusal, err error) {
	r, rest, no, err := readRequest(nc, s.MaxHeader)
	switch {
	case no != nil:
		return t, false, no, nil
	case err != nil:
		return t, false, nil, &Failure{Err: err}
	}
	_, secure := nc.(*tls.Conn)
	agreed, no := s.admit(r, secure, o)
	if no != nil {
		return t, false, no, nil
	}
	t = Transport{Conn: nc, Buffered: rest, Agreed: agreed}
	return t, true, nil, s.answer(&t, r, nil, o)
}

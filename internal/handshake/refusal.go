package handshake

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"time"
)

// A refusal is a server's answer to a handshake that it does not take part in.
type refusal struct {
	status int
	header http.Header
	err    error
}

func refused(status int, format string, args ...any) *refusal {
	return &refusal{status, http.Header{}, fmt.Errorf(format, args...)}
}

// upgradeRequired refuses a request that did not ask for WebSocket, or not for the version that we speak.
func upgradeRequired(format string, args ...any) *refusal {
	return refused(http.StatusUpgradeRequired, format, args...).with("Upgrade", "websocket").with("Connection", "Upgrade")
}

func (f *refusal) with(field, value string) *refusal {
	f.header[field] = []string{value}
	return f
}

// refuse answers a request, and returns the answer as an error.
func refuse(w http.ResponseWriter, f *refusal) error {
	maps.Copy(w.Header(), f.header)
	http.Error(w, "WebSocket handshake refused: "+f.err.Error(), f.status)
	return &Failure{Status: f.status, Header: f.header, Err: f.err}
}

// lingerTime is how long a client that was refused on a bare connection may take to read why.
const lingerTime = time.Second

// dismiss answers a request on a bare connection with a refusal, within what is left of timed but a second at least, and
// waits for the client to take it: to close a connection on which input is unread, or still comes, resets it, and the
// answer is lost (RFC 9112, section 9.6). The end of ctx ends that.
func dismiss(ctx, timed context.Context, nc net.Conn, no *refusal) error {
	by, bounded := timed.Deadline()
	if least := time.Now().Add(lingerTime); bounded && by.Before(least) {
		by = least
	}
	_ = nc.SetDeadline(by)
	w := bareResponse{nc: nc, header: http.Header{}}
	var err error
	inTime := uninterrupted(ctx, nc, func() {
		if err = refuse(&w, no); w.err == nil {
			linger(ctx, nc)
		}
	})
	if !inTime && w.err != nil {
		return context.Cause(ctx)
	}
	return err
}

// linger says that nothing more is sent, and reads until the peer has closed, for at most lingerTime or until ctx ends,
// which passes the deadline of nc.
func linger(ctx context.Context, nc net.Conn) {
	if h, ok := nc.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite()
	}
	_ = nc.SetReadDeadline(time.Now().Add(lingerTime))
	if ctx.Err() == nil { // else that deadline may have come after the end's
		_, _ = io.Copy(io.Discard, nc)
	}
}

// A bareResponse is the http.ResponseWriter of a refusal on a bare connection.
type bareResponse struct {
	nc     net.Conn
	header http.Header
	status int
	err    error // of writing it
}

func (b *bareResponse) Header() http.Header { return b.header }

func (b *bareResponse) WriteHeader(status int) { b.status = status }

func (b *bareResponse) Write(body []byte) (int, error) {
	resp := http.Response{
		ProtoMajor: 1, ProtoMinor: 1,
		StatusCode:    b.status,
		Header:        b.header,
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		Close:         true,
	}
	b.err = resp.Write(b.nc)
	return len(body), b.err
}

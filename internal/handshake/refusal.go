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

// A refusal is a response of a server that refuses a handshake.
type refusal struct {
	status int
	header http.Header // nil: none
	err    error       // why; its text is the body
}

func refused(status int, format string, args ...any) *refusal {
	return &refusal{status, http.Header{}, fmt.Errorf(format, args...)}
}

// upgradeRequired refuses a request that does not ask for WebSocket, or for another version than
// ours.
func upgradeRequired(format string, args ...any) *refusal {
	return refused(http.StatusUpgradeRequired, format, args...).
		with("Upgrade", "websocket").
		with("Connection", "Upgrade")
}

func (f *refusal) with(field, value string) *refusal {
	f.header[field] = []string{value}
	return f
}

// refuse answers a request with f, and returns it as an error.
func refuse(w http.ResponseWriter, f *refusal) error {
	maps.Copy(w.Header(), f.header)
	http.Error(w, "WebSocket handshake refused: "+f.err.Error(), f.status)
	return &Failure{Status: f.status, Header: f.header, Err: f.err}
}

// lingerTime is how long a client that was refused on a bare connection has to read why.
const lingerTime = time.Second

// dismiss refuses a request on a bare connection, and waits for the client to read why. If dismiss
// closed the connection while input is unread or still comes, the kernel would reset it, and the
// response would be lost. The client has until by, and at least a second. A zero by is no limit.
// The end of ctx ends the wait.
//
// RFC 9112, section 9.6.
func dismiss(ctx context.Context, by time.Time, nc net.Conn, no *refusal) error {
	if least := time.Now().Add(lingerTime); !by.IsZero() && by.Before(least) {
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

// linger tells the peer that no more output comes. Then it reads until the peer has closed, until
// lingerTime is over, or until ctx ends, which passes the deadline of nc.
func linger(ctx context.Context, nc net.Conn) {
	if h, ok := nc.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite()
	}
	_ = nc.SetReadDeadline(time.Now().Add(lingerTime))
	if ctx.Err() == nil { // else this deadline may have replaced the one of ctx's end
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

// Header returns the header of the response.
func (b *bareResponse) Header() http.Header { return b.header }

// WriteHeader sets the status. Write sends it.
func (b *bareResponse) WriteHeader(status int) { b.status = status }

// Write sends the response with its whole body.
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

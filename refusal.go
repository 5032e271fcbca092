package wsstream

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
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
	return &HandshakeError{Status: f.status, Header: f.header, Err: f.err}
}

// A bareResponse is the http.ResponseWriter of a refusal on a bare connection.
type bareResponse struct {
	nc     net.Conn
	header http.Header
	status int
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
	return len(body), resp.Write(b.nc)
}

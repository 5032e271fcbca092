package handshake

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A Server makes the server's side of handshakes. Its fields mean the same as the options of
// wsstream.AcceptOptions with these names.
type Server struct {
	Subprotocols []string        // in no order
	Header       http.Header     // of the 101; nil: nothing is added
	Origins      Origins         // in addition to the server's own
	Deflate      *deflate.Config // nil: no compression is agreed on
	MaxHeader    int             // bytes; 0: no limit
	Timeout      time.Duration   // 0: none
}

// An Owner is the connection for which a server makes a handshake. Its methods are called in this
// order, each at most once.
type Owner interface {
	// Requested is called when a request has come, before it is checked. url is the URL that it
	// asks for.
	Requested(url string)

	// Admit is called when the request was checked, before it is answered. If it returns an error,
	// the request is refused with 503.
	Admit() error

	// Answering is called before the 101 is written. cut ends the handshake. If Answering reports
	// false, the handshake ends.
	Answering(cut func()) bool
}

// Accept answers a request of net/http. The error is a *Failure. If a Transport is returned with an
// error, the owner has admitted the client, and the caller must close the Conn.
func (s *Server) Accept(w http.ResponseWriter, r *http.Request, o Owner) (*Transport, error) {
	agreed, no := s.admit(r, r.TLS != nil, o)
	if no != nil {
		return nil, refuse(w, no)
	}
	extra := passedOn(w.Header())
	nc, buffered, no := hijack(w)
	if no != nil {
		return nil, refuse(w, no)
	}
	_ = nc.SetDeadline(deadline(s.Timeout)) // replaces the deadline of the HTTP server
	t := &Transport{Conn: nc, Buffered: buffered, Agreed: agreed}
	return t, s.answer(t, r, extra, o)
}

// deadline returns the time at which a timeout that starts now ends. If there is no timeout, it is
// the zero time.
func deadline(timeout time.Duration) time.Time {
	if timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// admit checks a client's request, chooses from what the client offers, and asks the owner to admit
// it.
func (s *Server) admit(r *http.Request, secure bool, o Owner) (agreed Agreement, no *refusal) {
	scheme := "ws"
	if secure {
		scheme = "wss"
	}
	o.Requested(scheme + "://" + r.Host + r.URL.RequestURI())
	if no = checkRequest(r); no != nil {
		return agreed, no
	}
	if err := s.Origins.check(r); err != nil {
		return agreed, &refusal{http.StatusForbidden, nil, err}
	}
	var err error
	if agreed.Deflate, agreed.Extensions, err = answerExtensions(s.Deflate, r.Header); err != nil {
		return agreed, &refusal{http.StatusBadRequest, nil, err}
	}
	agreed.Protocol = s.subprotocol(r.Header)
	agreed.Header = r.Header
	if err := o.Admit(); err != nil {
		return agreed, &refusal{http.StatusServiceUnavailable, nil, err}
	}
	return agreed, nil
}

var errAbandoned = errors.New("closed during the handshake")

// answer writes the 101 on t.
func (s *Server) answer(t *Transport, r *http.Request, extra http.Header, o Owner) error {
	if !o.Answering(func() { Cut(t.Conn) }) {
		return &Failure{Err: errAbandoned}
	}
	b := make([]byte, 0, 160) // enough for a response without a subprotocol and extensions
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\n"...)
	b = append(b, "Upgrade: websocket\r\nConnection: Upgrade\r\n"...)
	b = appendField(b, "Sec-WebSocket-Accept", AcceptKey(r.Header.Get(keyField)))
	if t.Agreed.Protocol != "" {
		b = appendField(b, "Sec-WebSocket-Protocol", t.Agreed.Protocol)
	}
	if t.Agreed.Extensions != "" {
		b = appendField(b, "Sec-WebSocket-Extensions", t.Agreed.Extensions)
	}
	b = appendHeader(appendHeader(b, extra), s.Header)
	if _, err := t.Conn.Write(append(b, "\r\n"...)); err != nil {
		return &Failure{Err: err}
	}
	return nil
}

func appendField(b []byte, name, value string) []byte {
	return append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
}

func appendHeader(b []byte, h http.Header) []byte {
	if len(h) == 0 {
		return b
	}
	buf := bytes.NewBuffer(b)
	_ = h.Write(buf) // a Buffer never fails
	return buf.Bytes()
}

package handshake

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// A played is a transport whose input is known, in pieces. Its Read waits at most for our request.
type played struct {
	net.Conn // nil

	answer func(request string) []byte // the input; it is called when a request is whole
	cuts   []byte                      // the sizes of the pieces

	mu   sync.Mutex
	out  bytes.Buffer  // guarded by mu
	done bool          // answer was called; guarded by mu
	come chan struct{} // closed when there is input

	in []byte
	nr int // of the next piece
}

// newPlayed returns a transport that has input from the start.
func newPlayed(input, cuts []byte) *played {
	p := newAnswer(nil, cuts)
	p.in, p.done = input, true
	close(p.come)
	return p
}

// newAnswer returns a transport whose input answers our request.
func newAnswer(answer func(request string) []byte, cuts []byte) *played {
	return &played{answer: answer, cuts: cuts, come: make(chan struct{})}
}

func (p *played) Read(b []byte) (int, error) {
	<-p.come
	if len(p.in) == 0 {
		return 0, io.EOF
	}
	n := len(p.in)
	if len(p.cuts) > 0 {
		n = min(n, 1+int(p.cuts[p.nr%len(p.cuts)]))
	}
	p.nr++
	n = copy(b, p.in[:n])
	p.in = p.in[n:]
	return n, nil
}

func (p *played) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Write(b)
	if !p.done && bytes.HasSuffix(p.out.Bytes(), []byte("\r\n\r\n")) {
		p.in, p.done = p.answer(p.out.String()), true
		close(p.come)
	}
	return len(b), nil
}

// rest returns the input that is left behind what was buffered.
func (p *played) rest(buffered []byte) string { return string(slices.Concat(buffered, p.in)) }

func (p *played) Close() error                     { return nil }
func (p *played) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (p *played) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (p *played) SetDeadline(time.Time) error      { return nil }
func (p *played) SetReadDeadline(time.Time) error  { return nil }
func (p *played) SetWriteDeadline(time.Time) error { return nil }

// fieldOf returns the value of a field in a request that we wrote.
func fieldOf(request, name string) string {
	_, rest, _ := strings.Cut(request, "\r\n"+name+": ")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

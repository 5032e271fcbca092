package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A played is a transport whose input is known. Its Read never waits.
type played struct {
	net.Conn // nil

	pieces   [][]byte // each Read returns a part of one
	eofAlong bool     // the end comes with the last bytes

	mu     sync.Mutex
	onRead func()       // each Read calls it; nil for none; guarded by mu
	out    bytes.Buffer // guarded by mu
}

func (p *played) Read(b []byte) (n int, err error) {
	p.mu.Lock()
	onRead := p.onRead
	p.mu.Unlock()
	if onRead != nil {
		onRead()
	}
	if len(p.pieces) > 0 {
		n = copy(b, p.pieces[0])
		if p.pieces[0] = p.pieces[0][n:]; len(p.pieces[0]) == 0 {
			p.pieces = p.pieces[1:]
		}
	}
	if len(p.pieces) == 0 && (n == 0 || p.eofAlong) {
		return n, io.EOF
	}
	return n, nil
}

func (p *played) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// atRead has f called by each Read from here on.
func (p *played) atRead(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onRead = f
}

func (p *played) Close() error                     { return nil }
func (p *played) SetDeadline(time.Time) error      { return nil }
func (p *played) SetReadDeadline(time.Time) error  { return nil }
func (p *played) SetWriteDeadline(time.Time) error { return nil }

// split cuts b into pieces. A byte of cuts is the size of a piece, from 1 to 2^16 bytes.
func split(b, cuts []byte) (pieces [][]byte) {
	for i := 0; len(b) > 0; i++ {
		n := len(b)
		if len(cuts) > 0 {
			cut := cuts[i%len(cuts)]
			n = min(n, 1<<(cut%16)+int(cut>>4))
		}
		pieces = append(pieces, b[:n])
		b = b[n:]
	}
	return pieces
}

// An inboundEnd is the end of pulls, as fuzzErrors make it.
type inboundEnd struct {
	code    int
	err     error
	unclean bool
}

func (e *inboundEnd) Error() string { return fmt.Sprintf("%d: %v", e.code, e.err) }

var fuzzErrors = Errors{
	Closed:  errClosed,
	Busy:    testErrors.Busy,
	Unclean: func(info CloseInfo, err error) error { return &inboundEnd{info.Code, err, true} },
	Coded:   func(info CloseInfo, err error) error { return &inboundEnd{info.Code, err, false} },
}

// kindOf names an end of pulls as naive does.
func kindOf(end error) string {
	e, _ := errors.AsType[*inboundEnd](end)
	switch {
	case end == io.EOF:
		return "done"
	case !e.unclean && e.err == io.ErrUnexpectedEOF:
		return fmt.Sprint("torn by ", e.code)
	case !e.unclean:
		return fmt.Sprint("closed with ", e.code)
	case e.err == io.ErrUnexpectedEOF:
		return "lost"
	case errors.Is(e.err, errText):
		return "text"
	case errors.Is(e.err, deflate.ErrCorrupt), errors.Is(e.err, deflate.ErrTruncated):
		return "compressed data"
	case closeKind(e.err) != "":
		return closeKind(e.err)
	case strings.Contains(e.err.Error(), "our MaxMessageSize is"):
		return "size"
	case codeFor(e.err) == CodeProtocol && e.err != errLate:
		return "header"
	}
	return e.err.Error()
}

// closeKind names what is wrong with the body of a Close frame as naive does.
func closeKind(rule error) string {
	switch {
	case errors.Is(rule, errCloseBody):
		return "length of a Close"
	case errors.Is(rule, errCloseReason):
		return "reason of a Close"
	case strings.Contains(rule.Error(), "Close frame") && codeFor(rule) == CodeProtocol:
		return "code of a Close"
	}
	return ""
}

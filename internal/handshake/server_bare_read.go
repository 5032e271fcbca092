package handshake

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"regexp"
	"sync"

	"golang.org/x/net/http/httpguts"
)

var errNoRequest = errors.New("the client closed the connection before its request came")

// A headStart has the start of a header while it is read. A longer header needs other memory.
type headStart [1 << 10]byte

var headStarts = sync.Pool{New: func() any { return new(headStart) }}

// A requestParser has the memory for parsing a header. A client that is slow holds none: it is
// needed once the header is whole.
type requestParser struct {
	head  bytes.Reader
	lines *bufio.Reader // of head
}

var requestParsers = sync.Pool{New: func() any {
	return &requestParser{lines: bufio.NewReader(nil)}
}}

func (p *requestParser) parse(head []byte) (*http.Request, error) {
	p.head.Reset(head)
	p.lines.Reset(&p.head)
	defer p.head.Reset(nil)
	return http.ReadRequest(p.lines)
}

// readRequest reads a client's request from a bare connection, without a body, and the input behind
// its header. limit is the maximum size of the header in bytes, 0 for none. If the request is bad,
// it returns a refusal. If the connection failed, it returns an error, and the client cannot be
// answered.
func readRequest(conn io.Reader, limit int) (r *http.Request, rest []byte, no *refusal, err error) {
	start := headStarts.Get().(*headStart)
	defer headStarts.Put(start)
	head, rest, no, err := readHead(conn, start[:0:capped(len(start), limit)], limit)
	if no != nil || err != nil {
		return nil, nil, no, err
	}
	parser := requestParsers.Get().(*requestParser)
	defer requestParsers.Put(parser)
	if r, err = parser.parse(head); err != nil {
		return nil, nil, &refusal{http.StatusBadRequest, nil, err}, nil
	}
	r.Body = http.NoBody                           // it would read from lines
	if r.URL.Host != "" && !hostLine.Match(head) { // http.ReadRequest is content with the URL's
		return nil, nil, refused(http.StatusBadRequest, "Host is missing"), nil
	}
	return r, rest, nil, nil
}

// hostLine is the start of the field Host, which each request must have.
//
// RFC 9112, section 3.2.
var hostLine = regexp.MustCompile(`(?i)\nhost:`)

// readHead reads up to the empty line that ends a header, into b while that has room. A line is
// checked as soon as it is whole, so a header that will be refused is not kept.
func readHead(conn io.Reader, b []byte, limit int) (head, rest []byte, no *refusal, err error) {
	for start, lines := 0, 0; ; { // where the unfinished line starts; how many lines are whole
		if len(b) == cap(b) {
			if len(b) == limit {
				return nil, nil, tooLarge(sizeError(limit)), nil
			}
			b = append(make([]byte, 0, capped(2*cap(b), limit)), b...)
		}
		fresh := len(b)
		n, err := conn.Read(b[fresh:cap(b)])
		b = b[:fresh+n]
		for i := bytes.IndexByte(b[fresh:], '\n'); i >= 0; i = bytes.IndexByte(b[start:], '\n') {
			end := max(fresh, start) + i + 1
			last, no := checkLine(b[start:end], lines)
			if no != nil || last {
				return b[:end], append([]byte(nil), b[end:]...), no, nil
			}
			start = end
			lines++
		}
		switch {
		case err == io.EOF && len(b) > 0:
			return nil, nil, refused(http.StatusBadRequest, "malformed header: it has no end"), nil
		case err == io.EOF:
			return nil, nil, nil, errNoRequest
		case err != nil:
			return nil, nil, nil, err
		}
	}
}

// capped returns n, but at most limit. A limit of 0 is none.
func capped(n, limit int) int {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}

func tooLarge(err error) *refusal {
	return &refusal{http.StatusRequestHeaderFieldsTooLarge, nil, err}
}

// checkLine checks a line of a header, and reports whether it is the last. others is how many lines
// came before it. checkLine checks what http.ReadRequest leaves to http.Server. A proxy might read
// a line that is not checked as another request.
//
// RFC 9112, sections 5.1 and 5.2.
func checkLine(line []byte, others int) (last bool, no *refusal) {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if len(line) == 0 || others == 0 {
		return len(line) == 0, nil // http.ReadRequest checks the first line
	}
	name, value, colon := bytes.Cut(line, []byte(":"))
	value = bytes.Trim(value, " \t")
	malformed := func(why string, what []byte) (bool, *refusal) {
		return false, refused(http.StatusBadRequest, "malformed header: "+why, what)
	}
	switch {
	case others > maxHeaderLines:
		return false, tooLarge(errHeaderLines)
	case line[0] == ' ', line[0] == '\t':
		return malformed("the line %.40q goes on with another", line)
	case !colon:
		return malformed("the line %.40q has no colon", line)
	case !httpguts.ValidHeaderFieldName(string(name)):
		return malformed("%.40q is not the name of a field", name)
	case !httpguts.ValidHeaderFieldValue(string(value)):
		return malformed("the value of %.40q has a control character", name)
	case bytes.EqualFold(name, []byte("Host")) && !httpguts.ValidHostHeader(string(value)):
		return malformed("Host %.40q is not a host", value)
	}
	return false, nil
}

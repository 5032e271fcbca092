package deflate

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// ErrMalformed is the error of a Sec-WebSocket-Extensions that is no list of extensions. It fails
// the handshake, a server's with 400. An offer that is well formed but cannot be met is only
// ignored.
//
// RFC 6455, section 9.1.
var ErrMalformed = errors.New("Sec-WebSocket-Extensions is malformed")

// An extension is an element of Sec-WebSocket-Extensions.
type extension struct {
	name   string
	params []param
}

// maxElements is how many extensions and parameters there may be together. Each takes 40 bytes of
// memory, and as few as two in the field.
const maxElements = 128

type param struct {
	name, value string
	valued      bool
}

// parse reads the fields of a Sec-WebSocket-Extensions, in order. Empty elements of the list are
// ignored.
//
// RFC 6455, section 9.1; RFC 9110, section 5.6.1.
func parse(fields []string) ([]extension, error) {
	var all []extension
	n := 0
	for _, f := range fields {
		r := reader{f}
		for r.list(); r.rest != ""; r.list() {
			x, ok := r.extension()
			if !ok || r.rest != "" && r.rest[0] != ',' {
				return nil, fmt.Errorf("%w: %.100q, before %.100q", ErrMalformed, f, r.rest)
			}
			if n += 1 + len(x.params); n > maxElements {
				return nil, fmt.Errorf("%w: more than %d extensions and parameters",
					ErrMalformed, maxElements)
			}
			all = append(all, x)
		}
	}
	return all, nil
}

// A reader reads a field from its start.
type reader struct{ rest string }

func (r *reader) space() { r.rest = strings.TrimLeft(r.rest, " \t") }
func (r *reader) list()  { r.rest = strings.TrimLeft(r.rest, " \t,") }

// next consumes c with the white space around it, and reports whether it was there.
func (r *reader) next(c byte) bool {
	r.space()
	if r.rest == "" || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	r.space()
	return true
}

func (r *reader) extension() (x extension, ok bool) {
	if x.name, ok = r.token(); !ok {
		return x, false
	}
	for r.next(';') {
		if len(x.params) == maxElements {
			return x, false
		}
		var p param
		if p.name, ok = r.token(); !ok {
			return x, false
		}
		if p.valued = r.next('='); p.valued {
			if p.value, ok = r.value(); !ok {
				return x, false
			}
		}
		x.params = append(x.params, p)
	}
	return x, true
}

func (r *reader) token() (string, bool) {
	n := 0
	for n < len(r.rest) && isTokenByte(r.rest[n]) {
		n++
	}
	t := r.rest[:n]
	r.rest = r.rest[n:]
	return t, n > 0
}

// value reads a token, or a quoted string whose content is a token.
func (r *reader) value() (string, bool) {
	if r.rest == "" || r.rest[0] != '"' {
		return r.token()
	}
	var b strings.Builder
	for i := 1; i < len(r.rest); i++ {
		c := r.rest[i]
		if c == '"' {
			r.rest = r.rest[i+1:]
			return b.String(), b.Len() > 0
		}
		if c == '\\' {
			if i++; i == len(r.rest) {
				break
			}
			c = r.rest[i]
		}
		if !isTokenByte(c) {
			break
		}
		b.WriteByte(c)
	}
	return "", false
}

// isTokenByte reports whether a token may have c.
//
// RFC 9110, section 5.6.2.
func isTokenByte(c byte) bool { return httpguts.IsTokenRune(rune(c)) }

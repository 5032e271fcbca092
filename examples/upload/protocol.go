package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wsstream/wsstream"
)

// A request is what the URL of an upload says: ?name=big.iso&length=1000&offset=part.
type request struct {
	name   string
	length int64 // of the whole file, in bytes
	// offset is where in the file the client's first byte belongs. 0, or none in the URL, begins
	// anew. The word "part" is atPart.
	offset int64
}

// atPart is the offset at which the server's part of the file ends. The server says where that is.
const atPart = -1

// An answer is what the server says, in a text message with a line of JSON. The client sends the
// bytes of the file in binary messages of any length, and nothing else.
type answer struct {
	Type   string `json:"type"`             // one of those below
	Bytes  int64  `json:"bytes"`            // of the file, that the server has on its disk
	SHA256 string `json:"sha256,omitempty"` // of these bytes, in hexadecimal; stored has none
}

// The types of answers.
const (
	begin  = "begin"  // the first answer: the client sends what follows these bytes
	stored = "stored" // some more bytes are on the disk; a few times a second
	done   = "done"   // the last answer: the file has its name; the server closes with 1000
	exists = "exists" // the only answer to atPart: there is such a file of this length; then 4409
)

func (a answer) message() wsstream.Message {
	b, err := json.Marshal(a)
	if err != nil {
		panic(err) // an answer is strings and a number
	}
	return wsstream.Text(string(b) + "\n") // a line of its own in the output of wsstream dial
}

// The codes with which the server closes, beside those of RFC 6455. Each has a reason. A text
// message from the client is 1003, a server that stops 1001, and a failure that its log explains
// 1011.
const (
	badRequest = 4400 // the URL
	wentIdle   = 4408 // no byte came for -idle
	nameExists = 4409
	tooLarge   = 4413 // more than -max-bytes
	badOffset  = 4416 // not where the part ends
	badLength  = 4422 // more bytes came than the URL says
	busy       = 4423 // another connection uploads a file of this name
	diskFull   = 4507
)

// refuse returns the end of an upload, with the code and the reason that the client gets.
func refuse(code int, format string, args ...any) error {
	reason := fmt.Sprintf(format, args...)
	return &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: code, Reason: reason}}
}

func parseRequest(query url.Values, largest int64) (r request, err error) {
	r.name = query.Get("name")
	if !isName(r.name) {
		return r, refuse(badRequest, "bad name: want that of a file, of 1 to %d bytes,"+
			" without a slash and without a dot at its start", longestName)
	}
	if !query.Has("length") {
		return r, refuse(badRequest, "the length is missing")
	}
	if r.length, err = strconv.ParseInt(query.Get("length"), 10, 64); err != nil || r.length < 0 {
		return r, refuse(badRequest, "bad length %.20q: want the bytes of the file", query.Get("length"))
	}
	if r.length > largest {
		return r, refuse(tooLarge, "a file may have at most %d bytes", largest)
	}
	switch offset := query.Get("offset"); offset {
	case "":
	case "part":
		r.offset = atPart
	default:
		if r.offset, err = strconv.ParseInt(offset, 10, 64); err != nil || r.offset < 0 {
			return r, refuse(badRequest, `bad offset %.20q: want a number of bytes, or "part"`, offset)
		}
	}
	return r, nil
}

const longestName = 200 // bytes; that of its part is a little longer

// isName reports whether a file may have the name. A slash of either kind, "..", and what a
// terminal would obey are in none. Names with a dot at their start are those of parts.
func isName(name string) bool {
	return name != "" && len(name) <= longestName && utf8.ValidString(name) &&
		!strings.HasPrefix(name, ".") && !strings.ContainsAny(name, `/\`) &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) }) &&
		filepath.IsLocal(name)
}

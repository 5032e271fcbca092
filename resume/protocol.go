package resume

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/wsstream/wsstream"
)

// Protocol is the subprotocol that both sides agree on. PROTOCOL.md describes it.
const Protocol = "resume.v1.wsstream"

// The kinds of records. A message of a connection has one or more whole records.
const (
	kindText    = 1
	kindBinary  = 2
	kindEnd     = 3
	kindAck     = 4
	kindHello   = 5
	kindWelcome = 6
)

// headerLen is what stands in front of a record's body: its kind, and the length of the body.
const headerLen = 5

// maxBatch limits the bytes of several records in one message.
const maxBatch = 64 << 10

// The codes of the Close frames that end a connection of a session.
const (
	codeOver      = 4000 // the session has ended in order, and all is acknowledged
	codeGone      = 4001 // the server has no such session
	codeTakenOver = 4002 // another connection has taken the session over
	codeViolation = 4003 // the peer broke this protocol
	codeAbandoned = 4004 // the peer gave the session up
	codeRefused   = 4005 // the server refuses the user
)

// idLen is the length of a session's id: the first half finds the session, the second half proves
// that the client may have it.
const idLen = 32

type sessionID [idLen]byte

func newID() (id sessionID) {
	_, _ = rand.Read(id[:]) // it never fails
	return id
}

// A status is what one side has of the other's stream. Both are positions in the stream of records
// that count: texts, binaries and ENDs, with their headers.
type status struct {
	received uint64 // behind the last record that arrived
	taken    uint64 // bytes of the messages that the program took, or that were dropped
}

// A greeting is a HELLO or a WELCOME.
type greeting struct {
	status
	window  uint64    // of messages that were not taken
	max     uint64    // payload of a message; 0: no limit
	id      sessionID // HELLO only
	welcome bool      // HELLO only: the client has had a WELCOME of this session
}

const (
	statusLen   = 16
	welcomeLen  = statusLen + 16
	helloLen    = welcomeLen + 1 + idLen
	maxPosition = 1<<53 - 1 // what a JavaScript number can count
	maxEndLen   = 2 + 123
	maxBody     = math.MaxUint32
	welcomeFlag = 1
)

func (s status) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, s.received)
	return binary.BigEndian.AppendUint64(b, s.taken)
}

func (s status) ack() wsstream.Message {
	b := appendHeader(make([]byte, 0, headerLen+statusLen), kindAck, statusLen)
	return wsstream.Binary(s.append(b))
}

func appendHeader(b []byte, kind byte, n int) []byte {
	return binary.BigEndian.AppendUint32(append(b, kind), uint32(n))
}

// cutRecord returns the first record of b and what is behind it. It reports false if b does not
// begin with a whole record.
func cutRecord(b []byte) (kind byte, body, rest []byte, ok bool) {
	if len(b) < headerLen {
		return 0, nil, nil, false
	}
	n := binary.BigEndian.Uint32(b[1:])
	if uint64(n) > uint64(len(b)-headerLen) {
		return 0, nil, nil, false
	}
	end := headerLen + int(n)
	return b[0], b[headerLen:end:end], b[end:], true
}

func parseStatus(b []byte) (s status, err error) {
	if len(b) < statusLen {
		return s, errors.New("positions are missing")
	}
	s.received, s.taken = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	if s.taken > s.received || s.received > maxPosition {
		return s, fmt.Errorf("positions %d and %d", s.received, s.taken)
	}
	return s, nil
}

func (g greeting) encode(hello bool) wsstream.Message {
	kind, n := byte(kindWelcome), welcomeLen
	if hello {
		kind, n = kindHello, helloLen
	}
	b := g.append(appendHeader(make([]byte, 0, headerLen+n), kind, n))
	b = binary.BigEndian.AppendUint64(b, g.window)
	b = binary.BigEndian.AppendUint64(b, g.max)
	if !hello {
		return wsstream.Binary(b)
	}
	flag := byte(0)
	if g.welcome {
		flag = welcomeFlag
	}
	return wsstream.Binary(append(append(b, flag), g.id[:]...))
}

func parseGreeting(m wsstream.Message, hello bool) (g greeting, err error) {
	want, length := byte(kindWelcome), welcomeLen
	if hello {
		want, length = kindHello, helloLen
	}
	kind, b, rest, ok := cutRecord(m.Data)
	if m.Type != wsstream.TypeBinary || !ok || kind != want || len(b) != length || len(rest) > 0 {
		return g, errors.New("the first message is no greeting")
	}
	if g.status, err = parseStatus(b); err != nil {
		return g, err
	}
	g.window, g.max = binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:])
	if g.window == 0 || g.window > maxPosition || g.max > maxPosition {
		return g, fmt.Errorf("a window of %d, messages of %d", g.window, g.max)
	}
	if hello {
		g.welcome = b[welcomeLen] == welcomeFlag
		copy(g.id[:], b[welcomeLen+1:])
	}
	return g, nil
}

// appendEnd appends an END. Its body is that of a Close frame. Code 0 stands for none.
//
// RFC 6455, section 5.5.1.
func appendEnd(b []byte, i wsstream.CloseInfo) []byte {
	if i.Code == 0 {
		return appendHeader(b, kindEnd, 0)
	}
	b = appendHeader(b, kindEnd, 2+len(i.Reason))
	return append(binary.BigEndian.AppendUint16(b, uint16(i.Code)), i.Reason...)
}

func parseEnd(b []byte) (i wsstream.CloseInfo, err error) {
	if len(b) == 0 {
		return i, nil
	}
	if len(b) < 2 || len(b) > maxEndLen || !utf8.Valid(b[2:]) {
		return i, errors.New("an END that has no code or no valid reason")
	}
	i.Code, i.Reason = int(binary.BigEndian.Uint16(b)), string(b[2:])
	if !sendable(i.Code) {
		return i, fmt.Errorf("an END with code %d", i.Code)
	}
	return i, nil
}

// sendable reports whether an END may have the code. They are the codes of a Close frame.
//
// RFC 6455, section 7.4.
func sendable(code int) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 ||
		code >= 3000 && code <= 4999
}

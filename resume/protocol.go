package resume

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/wsstream/wsstream"
)

// Protocol is the subprotocol that both sides agree on. PROTOCOL.md describes it.
const Protocol = "resume.v1.wsstream"

// The last byte of each binary message is its kind. A text message has no kind: it is data.
const (
	kindData    = 0
	kindHello   = 1
	kindWelcome = 2
	kindAck     = 3
	kindEnd     = 4
)

// The codes of the Close frames that end a connection of a session.
const (
	codeOver      = 4000 // the session has ended in order, and all is acknowledged
	codeGone      = 4001 // the server has no such session
	codeTakenOver = 4002 // another connection has taken the session over
	codeViolation = 4003 // the peer broke this protocol
	codeAbandoned = 4004 // the peer gave the session up
)

// overhead is what a message counts against a window beside its payload, so that empty messages are
// limited, too.
const overhead = 16

// idLen is the length of a session's id: the first half finds the session, the second half proves
// that the client may have it.
const idLen = 32

type sessionID [idLen]byte

func newID() (id sessionID) {
	_, _ = rand.Read(id[:]) // it never fails
	return id
}

// A status is what one side knows of the messages of the other.
type status struct {
	received uint64 // the number of the last message that arrived
	taken    uint64 // the number of the last message that the program took, or that was dropped
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
	maxNumber   = 1<<53 - 1 // what a JavaScript number can count
	maxEndLen   = 2 + 123
	welcomeFlag = 1
)

func (s status) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, s.received)
	return binary.BigEndian.AppendUint64(b, s.taken)
}

func (s status) ack() wsstream.Message {
	return wsstream.Binary(append(s.append(make([]byte, 0, statusLen+1)), kindAck))
}

func parseStatus(b []byte) (s status, err error) {
	s.received, s.taken = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	if s.taken > s.received || s.received > maxNumber {
		return s, fmt.Errorf("numbers %d and %d", s.received, s.taken)
	}
	return s, nil
}

func (g greeting) encode(hello bool) wsstream.Message {
	b := g.append(make([]byte, 0, helloLen+1))
	b = binary.BigEndian.AppendUint64(b, g.window)
	b = binary.BigEndian.AppendUint64(b, g.max)
	if !hello {
		return wsstream.Binary(append(b, kindWelcome))
	}
	flag := byte(0)
	if g.welcome {
		flag = welcomeFlag
	}
	return wsstream.Binary(append(append(append(b, flag), g.id[:]...), kindHello))
}

func parseGreeting(m wsstream.Message, hello bool) (g greeting, err error) {
	kind, length := byte(kindWelcome), welcomeLen
	if hello {
		kind, length = kindHello, helloLen
	}
	b := m.Data
	if m.Type != wsstream.TypeBinary || len(b) != length+1 || b[length] != kind {
		return g, errors.New("the first message is no greeting")
	}
	if g.status, err = parseStatus(b); err != nil {
		return g, err
	}
	g.window, g.max = binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:])
	if g.window == 0 || g.window > maxNumber || g.max > maxNumber {
		return g, fmt.Errorf("a window of %d, messages of %d", g.window, g.max)
	}
	if hello {
		g.welcome = b[welcomeLen] == welcomeFlag
		copy(g.id[:], b[welcomeLen+1:])
	}
	return g, nil
}

// appendEnd appends an END. Code 0 stands for none.
func appendEnd(b []byte, i wsstream.CloseInfo) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(i.Code))
	return append(append(b, i.Reason...), kindEnd)
}

func parseEnd(b []byte) (i wsstream.CloseInfo, err error) {
	if len(b) < 2 || len(b) > maxEndLen || !utf8.Valid(b[2:]) {
		return i, errors.New("an END that has no code or no valid reason")
	}
	i.Code, i.Reason = int(binary.BigEndian.Uint16(b)), string(b[2:])
	if i.Code != 0 && !sendable(i.Code) {
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

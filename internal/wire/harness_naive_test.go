package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A naive reads a whole stream of input, without care for splits, credit or speed. Its fields say
// what a connection must make of that input if it ends there.
//
// RFC 6455, sections 5 and 7; RFC 7692, section 6.
type naive struct {
	client bool            // we are the client, so that frames come without a mask
	peer   *deflate.Sender // how the peer compresses; nil if it does not
	limit  int             // payload bytes of a message that is pulled
	taken  func(nth int) taking

	whole []naiveMessage // the messages before the first broken rule
	cut   *naiveMessage  // the one that is broken, or never ends; nil for none
	open  *naiveMessage  // the one that the reader is in; nil for none
	bad   *naiveEnd      // the rule that a message's payload broke first; nil for none
	stop  naiveEnd       // the first Close, broken rule of a header, or end of the input
	pings []string       // the payloads of all pings before stop
	owed  int            // how many of them came before bad

	inflater *deflate.Inflater
}

// A taking is how a message is taken.
type taking byte

const (
	pulled  taking = iota // with Pull
	read                  // with Next, to its end
	skipped               // with Next, without a Read
)

type naiveMessage struct {
	op         byte
	data       []byte
	compressed bool
	taking
}

// A naiveEnd is how pulls end, and the code of the Close that we send. The code is 0 for a Close
// without one, and -1 for no Close.
type naiveEnd struct {
	kind string
	sent int
}

type naiveFrame struct {
	fin, compressed bool
	op              byte
	size            uint64 // of the payload that is declared
	payload         []byte // what has come of it
}

func (n *naive) read(b []byte) {
	if n.peer != nil {
		n.inflater = deflate.NewInflater(*n.peer)
	}
	for n.stop.kind == "" {
		f, length, rule := n.frame(b)
		whole := uint64(len(f.payload)) == f.size
		switch {
		case length == 0, rule == "" && f.op >= 8 && !whole:
			n.stop = naiveEnd{"lost", -1}
		case rule != "":
			n.stop = naiveEnd{rule, CodeProtocol}
		case f.op == 9:
			n.pings = append(n.pings, string(f.payload))
		case f.op == 8:
			n.stop = n.close(f.payload)
		case f.op < 8:
			n.data(f, whole)
			if !whole {
				n.stop = naiveEnd{"lost", -1}
			}
		}
		b = b[length:]
		if n.bad == nil {
			n.owed = len(n.pings)
		}
	}
}

// frame reads the frame that b begins with. The length is 0 if its header has not come.
func (n *naive) frame(b []byte) (f naiveFrame, length int, rule string) {
	if len(b) < 2 {
		return f, 0, ""
	}
	head, least := 2, uint64(0)
	switch b[1] & 127 {
	case 126:
		head, least = 4, 126
	case 127:
		head, least = 10, 1<<16
	}
	masked := b[1] >= 128
	size := head
	if masked {
		head += 4
	}
	if len(b) < head {
		return f, 0, ""
	}
	wide := append(make([]byte, 8), b[2:size]...)
	if f.size = binary.BigEndian.Uint64(wide[len(wide)-8:]); size == 2 {
		f.size = uint64(b[1] & 127)
	}
	f.fin, f.op, f.compressed = b[0] >= 128, b[0]&15, b[0]&64 != 0
	f.payload = slices.Clone(b[head:])
	if uint64(len(f.payload)) > f.size {
		f.payload = f.payload[:f.size]
	}
	for i := range f.payload {
		if masked {
			f.payload[i] ^= b[size+i%4]
		}
	}
	begins := f.op == 1 || f.op == 2
	switch {
	case f.op > 10, f.op > 2 && f.op < 8,
		b[0]&0x30 != 0, f.compressed && (n.peer == nil || !begins),
		masked == n.client,
		f.size < least, f.size >= 1<<63,
		f.op >= 8 && (!f.fin || f.size > 125),
		f.op < 8 && begins == (n.open != nil):
		return f, head, "header"
	}
	return f, head + len(f.payload), ""
}

func (n *naive) close(body []byte) naiveEnd {
	if len(body) == 0 {
		return n.closed(CodeNone, 0)
	}
	if len(body) == 1 {
		return naiveEnd{"length of a Close", CodeProtocol}
	}
	code := int(binary.BigEndian.Uint16(body))
	switch {
	case code < 1000, code > 1014 && code < 3000, code >= 5000,
		code == 1004, code == CodeNone, code == CodeAbnormal:
		return naiveEnd{"code of a Close", CodeProtocol}
	case !utf8.Valid(body[2:]):
		return naiveEnd{"reason of a Close", CodeBadData}
	}
	return n.closed(code, code)
}

func (n *naive) closed(code, answer int) naiveEnd {
	switch {
	case n.open != nil:
		return naiveEnd{fmt.Sprint("torn by ", code), answer}
	case code == CodeNormal, code == CodeNone:
		return naiveEnd{"done", answer}
	}
	return naiveEnd{fmt.Sprint("closed with ", code), answer}
}

// data adds a frame to its message. What follows a broken rule is no longer looked at.
func (n *naive) data(f naiveFrame, whole bool) {
	if f.op != 0 {
		n.open = &naiveMessage{op: f.op, compressed: f.compressed, taking: n.taken(len(n.whole))}
	}
	last := f.fin && whole
	if n.bad == nil {
		n.cut = n.open
		n.bad = n.payload(n.open, f, last)
	}
	if last && n.bad == nil {
		n.whole = append(n.whole, *n.open)
		n.cut = nil
	}
	if last {
		n.open = nil
	}
}

// payload adds the payload of a frame to m, and returns the rule that it breaks.
func (n *naive) payload(m *naiveMessage, f naiveFrame, last bool) *naiveEnd {
	switch {
	case m.compressed && (m.taking != skipped || !n.peer.NoTakeover):
		room := n.limit - len(m.data)
		if m.taking == read {
			room = math.MaxInt
		}
		var err error
		m.data, _, err = n.inflater.Inflate(m.data, f.payload, room, last)
		switch {
		case m.badText(last && err == nil):
			return &naiveEnd{"text", CodeBadData}
		case err == deflate.ErrRoom:
			return &naiveEnd{"size", CodeTooBig}
		case err != nil:
			return &naiveEnd{"compressed data", CodeBadData}
		}
		return nil
	case m.taking == pulled && f.size > uint64(n.limit-len(m.data)):
		return &naiveEnd{"size", CodeTooBig}
	}
	if m.data = append(m.data, f.payload...); m.badText(last) {
		return &naiveEnd{"text", CodeBadData}
	}
	return nil
}

// badText reports whether the message is text that is not UTF-8, as far as it has come.
func (m *naiveMessage) badText(whole bool) bool {
	if m.op != 1 || m.taking == skipped {
		return false
	}
	return !begunText(m.data) || whole && !utf8.Valid(m.data)
}

// begunText reports whether b is the start of a text that is UTF-8.
func begunText(b []byte) bool {
	for n := range min(4, len(b)+1) {
		whole, tail := b[:len(b)-n], b[len(b)-n:]
		if utf8.Valid(whole) && (n == 0 || !utf8.FullRune(tail)) {
			return true
		}
	}
	return false
}

package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// The types of Engine.IO's packets: the first byte of a text message. A binary message is an
// attachment, without a type.
const (
	engineOpen    = '0'
	engineClose   = '1'
	enginePing    = '2'
	enginePong    = '3'
	engineMessage = '4'
	engineNoop    = '6'
)

// The types of Socket.IO's packets, each in a message of Engine.IO.
const (
	connect      = '0'
	disconnect   = '1'
	event        = '2'
	ack          = '3'
	connectError = '4'
	binaryEvent  = '5' // an event with attachments
	binaryAck    = '6'
)

// A packet of Socket.IO.
type packet struct {
	kind        byte
	namespace   string
	id          int // of the acknowledgement; -1 without one
	data        []byte
	attachments [][]byte
}

var errPacket = errors.New("socketio: bad packet")

// newPacket makes a packet of the values of its arguments. A []byte, anywhere in a map or a slice of them,
// becomes an attachment.
func newPacket(kind byte, namespace string, id int, values []any) (p packet, err error) {
	p = packet{kind: kind, namespace: namespace, id: id}
	data, err := json.Marshal(detach(values, &p.attachments))
	p.data = data
	if len(p.attachments) > 0 {
		p.kind += binaryEvent - event
	}
	return p, err
}

// text returns the packet's text message: 4, the type, the number of attachments and "-", the
// namespace and a comma, the id, the data.
func (p packet) text() string {
	b := []byte{engineMessage, p.kind}
	if p.kind == binaryEvent || p.kind == binaryAck {
		b = fmt.Appendf(b, "%d-", len(p.attachments))
	}
	if p.namespace != "/" {
		b = fmt.Appendf(b, "%s,", p.namespace)
	}
	if p.id >= 0 {
		b = strconv.AppendInt(b, int64(p.id), 10)
	}
	return string(append(b, p.data...))
}

// maxAttachments limits what the text of a packet may announce.
const maxAttachments = 64

// parse reads a packet from its text, without the first byte. attachments come in later messages.
func parse(b []byte) (p packet, attachments int, err error) {
	if len(b) == 0 || b[0] < connect || b[0] > binaryAck {
		return p, 0, errPacket
	}
	p = packet{kind: b[0], namespace: "/", id: -1}
	b = b[1:]
	if p.kind == binaryEvent || p.kind == binaryAck {
		n, rest, ok := bytes.Cut(b, []byte("-"))
		attachments, err = strconv.Atoi(string(n))
		if !ok || err != nil || attachments < 1 || attachments > maxAttachments {
			return p, 0, errPacket
		}
		p.kind -= binaryEvent - event
		b = rest
	}
	if len(b) > 0 && b[0] == '/' {
		name, rest, _ := bytes.Cut(b, []byte(","))
		p.namespace, b = string(name), rest
	}
	digits := 0
	for digits < len(b) && '0' <= b[digits] && b[digits] <= '9' {
		digits++
	}
	if digits > 0 {
		if p.id, err = strconv.Atoi(string(b[:digits])); err != nil {
			return p, 0, errPacket
		}
	}
	p.data = b[digits:]
	return p, attachments, nil
}

// values returns the arguments with their attachments.
func (p packet) values() ([]any, error) {
	var values []any
	if err := json.Unmarshal(p.data, &values); err != nil {
		return nil, fmt.Errorf("%w: %w", errPacket, err)
	}
	if err := attach(values, p.attachments); err != nil {
		return nil, err
	}
	return values, nil
}

// A placeholder stands in the JSON where an attachment belongs.
func placeholder(n int) map[string]any { return map[string]any{"_placeholder": true, "num": n} }

// detach returns v with placeholders, and appends what they stand for to out.
func detach(v any, out *[][]byte) any {
	switch v := v.(type) {
	case []byte:
		*out = append(*out, v)
		return placeholder(len(*out) - 1)
	case []any:
		values := make([]any, len(v))
		for i := range v {
			values[i] = detach(v[i], out)
		}
		return values
	case map[string]any:
		values := make(map[string]any, len(v))
		for k := range v {
			values[k] = detach(v[k], out)
		}
		return values
	}
	return v
}

// attach puts attachments where the placeholders in v are.
func attach(v any, attachments [][]byte) error {
	put := func(inside any, set func([]byte)) error {
		m, _ := inside.(map[string]any)
		if m["_placeholder"] != true {
			return attach(inside, attachments)
		}
		n, ok := m["num"].(float64)
		if !ok || n < 0 || int(n) >= len(attachments) {
			return errPacket
		}
		set(attachments[int(n)])
		return nil
	}
	switch v := v.(type) {
	case []any:
		for i := range v {
			if err := put(v[i], func(b []byte) { v[i] = b }); err != nil {
				return err
			}
		}
	case map[string]any:
		for k := range v {
			if err := put(v[k], func(b []byte) { v[k] = b }); err != nil {
				return err
			}
		}
	}
	return nil
}

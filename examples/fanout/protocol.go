package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wsstream/wsstream"
)

// Subprotocol is the name of the protocol in the WebSocket handshake. A client that offers no
// subprotocol gets the same protocol. Each message of a connection is one JSON object, in a text
// message. Its field type says which of the types below it is. Unknown fields are ignored.
//
// The token is in the handshake: in the header "Authorization: Bearer TOKEN", or in the parameter
// token of the URL, because pages cannot set a header. The gateway answers with 401 to a token that
// its hook refuses.
const Subprotocol = "fanout.v1.wsstream"

// The values of the field type.
const (
	typeSubscribe   = "subscribe"   // client to gateway
	typeUnsubscribe = "unsubscribe" // client to gateway
	typeAck         = "ack"         // client to gateway
	typePublish     = "publish"     // client to gateway

	typeSubscribed   = "subscribed"   // gateway to client
	typeUnsubscribed = "unsubscribed" // gateway to client
	typeMessage      = "message"      // gateway to client
	typeAcked        = "acked"        // gateway to client
	typePublished    = "published"    // gateway to client
	typeError        = "error"        // gateway to client
)

// A Subscribe asks for the messages of a topic. A connection has at most one subscription to each
// topic. The answer is a Subscribed, or an Error with the topic.
//
//	{"type":"subscribe","topic":"orders","after":41,"name":"till-3","keys":"eu.>"}
type Subscribe struct {
	Type  string `json:"type"`  // "subscribe"
	Topic string `json:"topic"` // a name of letters, digits, "_" and "-"

	// After is the number of the last message that the client has. The first message is the next
	// one. 0 asks for all messages that the topic keeps. Without After and Name the client gets
	// only new messages.
	After *uint64 `json:"after,omitempty"`

	// Name makes the gateway keep the acknowledged position under this name, for this user and this
	// topic, for all gateways. The first message is the one behind that position, or behind After
	// if that is higher. If the name has no position yet, and there is no After, the client gets
	// only new messages. One connection at a time should use a name.
	Name string `json:"name,omitempty"` // 1 to 64 letters, digits, "_" and "-"

	// Keys is a pattern of NATS over the keys: "*" is one token, and ">" at the end is one or more.
	// Without Keys the client gets all keys.
	Keys string `json:"keys,omitempty"`
}

// A Subscribed says that a subscription exists. Its messages follow.
//
//	{"type":"subscribed","topic":"orders","policy":"all","after":41}
type Subscribed struct {
	Type   string `json:"type"` // "subscribed"
	Topic  string `json:"topic"`
	Policy Policy `json:"policy"` // "all" or "latest"
	After  uint64 `json:"after"`  // the messages behind this number follow
}

// An Unsubscribe ends the subscription to a topic. The answer is an Unsubscribed.
//
//	{"type":"unsubscribe","topic":"orders"}
type Unsubscribe struct {
	Type  string `json:"type"` // "unsubscribe"
	Topic string `json:"topic"`
}

// An Unsubscribed says that a subscription has ended. No message of the topic follows.
//
//	{"type":"unsubscribed","topic":"orders"}
type Unsubscribed struct {
	Type  string `json:"type"` // "unsubscribed"
	Topic string `json:"topic"`
}

// A Message is a message of a topic. Within a topic the numbers rise. With the policy "all" and
// without Keys each number is one more than the last, unless an operator has deleted messages from
// the stream. With the policy "latest" the gateway leaves out messages that a newer message of the
// same key has replaced.
//
//	{"type":"message","topic":"orders","seq":42,"key":"eu.berlin","data":"two coffees"}
type Message struct {
	Type  string `json:"type"` // "message"
	Topic string `json:"topic"`
	Seq   uint64 `json:"seq"` // the sequence number of the stream in JetStream
	Key   string `json:"key"`

	// Data is the payload if it is UTF-8. Otherwise Data is missing, and Data64 is the payload in
	// base64 (RFC 4648, section 4). So one of them is missing.
	Data   *string `json:"data,omitempty"`
	Data64 *string `json:"data64,omitempty"`
}

// An Ack says that the client has all messages of a topic up to a number. It is for subscriptions
// with a Name. The gateway stores the position within a second, and then answers with Acked. Lower
// numbers than before are ignored.
//
//	{"type":"ack","topic":"orders","seq":42}
type Ack struct {
	Type  string `json:"type"` // "ack"
	Topic string `json:"topic"`
	Seq   uint64 `json:"seq"`
}

// An Acked says that a position is stored in the broker. It also covers all lower positions.
//
//	{"type":"acked","topic":"orders","seq":42}
type Acked struct {
	Type  string `json:"type"` // "acked"
	Topic string `json:"topic"`
	Seq   uint64 `json:"seq"`
}

// A Publish puts a message into a topic. The answer is a Published or an Error, with the same ID.
// The gateway has at most 64 messages of a connection without the broker's acknowledgement. Then it
// stops reading, so the client's Write waits.
//
//	{"type":"publish","topic":"orders","key":"eu.berlin","data":"two coffees","id":"till-3/17"}
type Publish struct {
	Type  string `json:"type"` // "publish"
	Topic string `json:"topic"`
	Key   string `json:"key"` // tokens of letters, digits, "_" and "-", with "." between them

	// Data or Data64 is the payload, as in Message. It has at most 256 KiB.
	Data   *string `json:"data,omitempty"`
	Data64 *string `json:"data64,omitempty"`

	// ID is the client's name for this message, of at most 128 bytes. A client repeats a Publish
	// whose answer was lost, with the same ID. The broker drops a message whose user, topic and ID
	// it has seen within the last two minutes.
	ID string `json:"id"`
}

// A Published says that the broker has stored a message, on as many servers as the stream has
// replicas.
//
//	{"type":"published","topic":"orders","id":"till-3/17","seq":43}
type Published struct {
	Type  string `json:"type"` // "published"
	Topic string `json:"topic"`
	ID    string `json:"id"`
	Seq   uint64 `json:"seq"`
}

// An Error says what the gateway does not do. The connection goes on, except after "bad-message":
// then it closes with 4003. An Error with the topic of a subscription ends that subscription, or
// says that there is none.
//
//	{"type":"error","code":"gone","topic":"orders","text":"…","first":100}
type Error struct {
	Type  string `json:"type"` // "error"
	Code  string `json:"code"` // one of the codes below
	Topic string `json:"topic,omitempty"`
	ID    string `json:"id,omitempty"`    // of the Publish that failed
	First uint64 `json:"first,omitempty"` // with "gone": the oldest message that the topic keeps
	Text  string `json:"text"`            // for people
}

// The codes of an Error.
const (
	codeUnknownTopic = "unknown-topic" // the gateway has no such topic
	codeNotAllowed   = "not-allowed"   // the token does not allow these subjects
	codeGone         = "gone"          // the topic no longer keeps the messages behind After
	codeSubscribed   = "subscribed"    // the connection has a subscription to that topic already
	codeNotPublished = "not-published" // the broker did not acknowledge; repeat with the same ID
	codeUnavailable  = "unavailable"   // the broker does not answer; try again
	codeBadMessage   = "bad-message"   // the client broke the protocol
)

// The close codes of a gateway, beside those of RFC 6455. 1001 says that the gateway drains:
// connect again, to any gateway.
const closeBadMessage = 4003

// Error makes an Error a Go error, for the client's side.
func (e *Error) Error() string {
	if e.Topic == "" {
		return e.Text
	}
	return e.Topic + ": " + e.Text
}

// A Policy says which messages a slow subscriber of a topic gets.
type Policy string

// The policies.
const (
	All    Policy = "all"    // all messages, in order
	Latest Policy = "latest" // in order, without those that a newer message of the same key replaced
)

// An incoming is any message from a client. Each type uses some of the fields.
type incoming struct {
	Type   string  `json:"type"`
	Topic  string  `json:"topic"`
	After  *uint64 `json:"after"`
	Name   string  `json:"name"`
	Keys   string  `json:"keys"`
	Seq    uint64  `json:"seq"`
	Key    string  `json:"key"`
	Data   *string `json:"data"`
	Data64 *string `json:"data64"`
	ID     string  `json:"id"`
}

const (
	longestID   = 128       // bytes
	longestKey  = 200       // bytes
	longestData = 256 << 10 // bytes of a payload that a client publishes

	// A byte of a payload has up to 6 bytes in JSON: \u0000. The other fields are short.
	longestMessage = 6*longestData + 4<<10
)

var (
	isName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString
	isKey  = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`).MatchString
	isKeys = regexp.MustCompile(`^(([A-Za-z0-9_-]+|\*)(\.([A-Za-z0-9_-]+|\*))*(\.>)?|>)$`).MatchString
)

// parse returns a client's message, or what is wrong with it.
func parse(m wsstream.Message) (*incoming, error) {
	if m.Type != wsstream.TypeText {
		return nil, errors.New("a message is JSON in a text message")
	}
	in := &incoming{}
	if err := json.Unmarshal(m.Data, in); err != nil {
		return nil, fmt.Errorf("not a message: %w", err)
	}
	return in, in.check()
}

// check returns what is wrong with the fields that the message's type uses.
func (in *incoming) check() error {
	known := []string{typeSubscribe, typeUnsubscribe, typeAck, typePublish}
	switch {
	case !slices.Contains(known, in.Type):
		return fmt.Errorf("unknown type %q", in.Type)
	case !isName(in.Topic):
		return fmt.Errorf("%q is no name of a topic", in.Topic)
	}
	switch in.Type {
	case typeSubscribe:
		if in.Keys == "" {
			in.Keys = ">"
		}
		switch {
		case in.Name != "" && !isName(in.Name):
			return fmt.Errorf("%q is no name of a position", in.Name)
		case len(in.Keys) > longestKey || !isKeys(in.Keys):
			return fmt.Errorf("%q is no pattern of keys", in.Keys)
		}
	case typePublish:
		switch {
		case len(in.Key) > longestKey || !isKey(in.Key):
			return fmt.Errorf("%q is no key", in.Key)
		case in.ID == "" || len(in.ID) > longestID:
			return fmt.Errorf("an id has 1 to %d bytes", longestID)
		case (in.Data == nil) == (in.Data64 == nil):
			return errors.New("a publish has either data or data64")
		}
	}
	return nil
}

// payload returns the bytes of data or data64.
func payload(data, data64 *string) ([]byte, error) {
	switch {
	case data64 != nil:
		return base64.StdEncoding.DecodeString(*data64)
	case data != nil:
		return []byte(*data), nil
	}
	return nil, errors.New("a message without data")
}

// encodePayload returns the fields data and data64 for a payload.
func encodePayload(b []byte) (data, data64 *string) {
	s := string(b)
	if utf8.ValidString(s) {
		return &s, nil
	}
	s = base64.StdEncoding.EncodeToString(b)
	return nil, &s
}

// frame returns v as a message of a connection. v is one of the types above.
func frame(v any) wsstream.Message {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types above have JSON
	}
	return wsstream.Text(string(b))
}

// messageFrame returns the frame of a stream's message.
func messageFrame(topic string, seq uint64, key string, payload []byte) wsstream.Message {
	data, data64 := encodePayload(payload)
	return frame(Message{Type: typeMessage, Topic: topic, Seq: seq, Key: key,
		Data: data, Data64: data64})
}

// The names in JetStream. A topic is a stream of its own: then a position is one sequence number,
// and a direct get needs no filter.
const (
	streamPrefix  = "FANOUT_"
	subjectPrefix = "fanout."
)

func streamOf(topic string) string       { return streamPrefix + topic }
func subjectOf(topic, key string) string { return subjectPrefix + topic + "." + key }

// keyOf returns the key of a subject.
func keyOf(topic, subject string) string {
	return strings.TrimPrefix(subject, subjectPrefix+topic+".")
}

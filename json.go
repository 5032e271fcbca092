package wsstream

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wsstream/wsstream/stream"
)

// JSON returns the codec of values of type T as JSON, one in each text message, by the rules of encoding/json: for
// stream.Decode over a Readable and stream.Encode over a Writable. Each call makes one of its own, which costs nothing.
//
// Decode wants a text message with one value and nothing behind it; a binary message is an error, whatever is in it.
// The error tells the message's type, its length and its first bytes, and wraps that of encoding/json where there is
// one. The value keeps nothing of the message's Data. Encode fails for what encoding/json cannot represent, with its
// error; nothing is written then.
//
// stream.Decode ends the stream with the first bad message, which the *stream.DecodeError holds, and closes the
// connection; with JSON[T]().SkipBad(report) bad messages are reported and dropped.
func JSON[T any]() stream.Codec[Message, T] {
	return stream.Codec[Message, T]{
		Encode: func(v T) (Message, error) {
			b, err := json.Marshal(v)
			if err != nil {
				return Message{}, fmt.Errorf("wsstream: %w", err)
			}
			return Message{Type: TypeText, Data: b}, nil
		},
		Decode: func(m Message) (v T, err error) {
			if err := decodeJSON(m, &v); err != nil {
				var none T
				return none, fmt.Errorf("wsstream: %v message of %d bytes, %.32q: %w", m.Type, len(m.Data), m.Data, err)
			}
			return v, nil
		},
	}
}

var errNotText = errors.New("JSON comes in text messages")

func decodeJSON(m Message, v any) error {
	if m.Type != TypeText {
		return errNotText
	}
	return json.Unmarshal(m.Data, v)
}

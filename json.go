package wsstream

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wsstream/wsstream/stream"
)

// JSON returns the codec of values of type T as JSON, one value in each text message, by the rules
// of encoding/json. It is for stream.Decode over a Readable and stream.Encode over a Writable. Each
// call makes a new codec, which costs nothing.
//
// Decode expects a text message with one value and nothing behind it. A binary message is an error,
// whatever its content. The error has the message's type, its length and its first bytes. It wraps
// the error of encoding/json, if there is one. The value keeps nothing of the message's Data.
// Encode fails for a value that encoding/json cannot represent, with its error. Nothing is written
// then.
//
// stream.Decode ends the stream with the first bad message, which is in the *stream.DecodeError,
// and closes the connection. With JSON[T]().SkipBad(report) bad messages are reported and dropped.
func JSON[T any]() stream.Codec[Message, T] {
	return stream.Codec[Message, T]{
		Borrows: true,
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
				return none, fmt.Errorf("wsstream: %v message of %d bytes, %.32q: %w",
					m.Type, len(m.Data), m.Data, err)
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

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/wsstream/wsstream"
)

// A row is a row as it is sent.
type row struct {
	Number int64           `json:"row"`
	Data   json.RawMessage `json:"data"`
}

// rows are sent a batch in a message.
var rows = wsstream.JSON[[]row]()

// transform returns the function that makes rows of raw ones. A CSV record becomes an object with a
// member for each column. Numbers and truth values in it are no longer strings. A line of JSON is
// checked, and has to be an object.
func transform(columns []string) func(context.Context, []raw) ([]row, error) {
	names := make([][]byte, len(columns))
	for i, c := range columns {
		names[i] = quoted(c)
	}
	return func(_ context.Context, batch []raw) ([]row, error) {
		out := make([]row, len(batch))
		for i, in := range batch {
			out[i] = row{Number: in.number}
			if in.fields != nil {
				out[i].Data = object(names, in.fields)
				continue
			}
			var members map[string]json.RawMessage
			if err := json.Unmarshal([]byte(in.json), &members); err != nil {
				return nil, fmt.Errorf("row %d is not a JSON object: %w", in.number, err)
			}
			data, err := json.Marshal(json.RawMessage(in.json)) // without its spaces, as it is sent
			if err != nil {
				return nil, fmt.Errorf("row %d: %w", in.number, err)
			}
			out[i].Data = data
		}
		return out, nil
	}
}

// object returns a JSON object.
func object(names [][]byte, values []string) []byte {
	b := []byte{'{'}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, names[i]...), ':')
		b = append(b, value(v)...)
	}
	return append(b, '}')
}

// value returns s as JSON: what it says, if that is a number or a truth value, else as a string.
func value(s string) []byte {
	if s == "true" || s == "false" {
		return []byte(s)
	}
	// which knows no 007, 1_0 or NaN
	if _, err := strconv.ParseFloat(s, 64); err == nil && json.Valid([]byte(s)) {
		return []byte(s)
	}
	return quoted(s)
}

func quoted(s string) []byte {
	b, _ := json.Marshal(s) // a string always can be
	return b
}

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"

	"github.com/wsstream/wsstream"
)

// A total is what one side has seen of the source. As a text message it follows the source's bytes,
// and answers them.
type total struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

func (t total) message() (wsstream.Message, error) {
	b, err := json.Marshal(t)
	return wsstream.Message{Type: wsstream.TypeText, Data: b}, err
}

func parseTotal(m wsstream.Message) (t total, err error) {
	if err := json.Unmarshal(m.Data, &t); err != nil {
		return t, fmt.Errorf("the other side's total is not one: %w", err)
	}
	return t, nil
}

// A tally is the transform: what is written to it is counted and hashed.
type tally struct {
	n int64
	h hash.Hash
}

func newTally() *tally { return &tally{h: sha256.New()} }

func (t *tally) Write(p []byte) (int, error) {
	t.n += int64(len(p))
	return t.h.Write(p)
}

func (t *tally) total() total {
	return total{Bytes: t.n, SHA256: hex.EncodeToString(t.h.Sum(nil))}
}

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"sync/atomic"
)

// A tally counts and hashes rows, and holds that they are in order.
type tally struct {
	n   atomic.Int64 // read by the meter
	h   hash.Hash
	buf []byte
}

func newTally() *tally { return &tally{h: sha256.New()} }

var errOrder = errors.New("rows are out of order")

func (t *tally) add(batch []row) error {
	n := t.n.Load()
	for _, r := range batch {
		if n++; r.Number != n {
			return fmt.Errorf("%w: row %d came where %d was due", errOrder, r.Number, n)
		}
		t.buf = append(strconv.AppendInt(t.buf[:0], r.Number, 10), ' ')
		t.buf = append(append(t.buf, r.Data...), '\n')
		_, _ = t.h.Write(t.buf) // a hash never fails
	}
	t.n.Store(n)
	return nil
}

func (t *tally) sum() string { return hex.EncodeToString(t.h.Sum(nil)) }

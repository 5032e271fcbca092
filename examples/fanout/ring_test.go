package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// fill appends messages, each of ten bytes. The key of a number is its last digit.
func fill(r *ring, seqs ...uint64) {
	for _, seq := range seqs {
		m := wsstream.Text(fmt.Sprintf("%010d", seq))
		r.append(entry{seq: seq, key: fmt.Sprint(seq % 10), message: m})
	}
}

// numbers returns what a subscriber whose next message is next gets, without what is stale.
func numbers(t *testing.T, r *ring, next uint64) (seqs []uint64) {
	t.Helper()
	entries, ok := r.read(next, make([]entry, 0, 100))
	require.True(t, ok)
	for _, e := range entries {
		if !e.stale {
			seqs = append(seqs, e.seq)
		}
	}
	return seqs
}

func TestARingGivesMessagesFromANumberOn(t *testing.T) {
	r := newRing(4, 1000, All, 1)
	require.Empty(t, numbers(t, r, 1), "nothing has come")
	fill(r, 1, 2, 3)
	require.Equal(t, []uint64{1, 2, 3}, numbers(t, r, 1))
	require.Equal(t, []uint64{3}, numbers(t, r, 3))
	require.Empty(t, numbers(t, r, 4), "all was read")
	require.Empty(t, numbers(t, r, 9), "a resume point that this gateway has not seen yet")
	entries, ok := r.read(1, make([]entry, 0, 2))
	require.True(t, ok)
	require.Len(t, entries, 2, "as far as the buffer goes")
}

func TestARingSaysThatItHasDroppedAMessage(t *testing.T) {
	r := newRing(4, 1000, All, 1)
	fill(r, 1, 2, 3, 4, 5)
	_, ok := r.read(1, nil)
	require.False(t, ok)
	require.Equal(t, []uint64{2, 3, 4, 5}, numbers(t, r, 2))
}

func TestARingThatStartsLateDoesNotHaveWhatWasBefore(t *testing.T) {
	r := newRing(4, 1000, All, 100)
	_, ok := r.read(99, nil)
	require.False(t, ok)
	require.Empty(t, numbers(t, r, 100))
	fill(r, 100)
	require.Equal(t, []uint64{100}, numbers(t, r, 100))
}

func TestARingIsLimitedInBytes(t *testing.T) {
	r := newRing(100, 35, All, 1)
	fill(r, 1, 2, 3, 4)
	require.Equal(t, []uint64{2, 3, 4}, numbers(t, r, 2))
	n, bytes, total, totalBytes := r.size()
	require.Equal(t, []int64{3, 30, 4, 40}, []int64{int64(n), int64(bytes), total, totalBytes})
}

func TestARingTakesAMessageOnce(t *testing.T) {
	r := newRing(4, 1000, All, 1)
	fill(r, 1, 2, 2, 1, 3)
	require.Equal(t, []uint64{1, 2, 3}, numbers(t, r, 1))
}

func TestARingBehindAHoleSendsSubscribersToTheStream(t *testing.T) {
	r := newRing(8, 1000, All, 1)
	fill(r, 1, 2, 5, 6)
	_, ok := r.read(3, nil)
	require.False(t, ok, "3 and 4 may have been lost, or deleted: the stream knows")
	require.Equal(t, []uint64{5, 6}, numbers(t, r, 5))
}

func TestARingOfTheLatestSkipsWhatWasReplaced(t *testing.T) {
	r := newRing(8, 1000, Latest, 1)
	fill(r, 1, 2, 3, 11, 12, 21)
	require.Equal(t, []uint64{3, 12, 21}, numbers(t, r, 1))
	require.Equal(t, []uint64{12, 21}, numbers(t, r, 4), "a hole is no loss")
	fill(r, 31, 32, 33, 34, 35, 36, 37, 38, 39)
	require.Len(t, r.byKey, 8, "a key whose message was dropped is forgotten")
}

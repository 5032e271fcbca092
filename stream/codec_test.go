package stream_test

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestDecodeEndsWithABadMessage(t *testing.T) {
	r := stream.Decode(stream.From("1", "x", "3"), number)
	require.Equal(t, 1, pull(t, r))
	_, err := r.Pull(t.Context())
	bad, ok := errors.AsType[*stream.DecodeError[string]](err)
	require.True(t, ok)
	require.Equal(t, "x", bad.Message)
	require.ErrorIs(t, err, strconv.ErrSyntax)
	require.EqualError(t, err, `stream: decode: strconv.Atoi: parsing "x": invalid syntax`)
	wantEnd(t, r, err)
}

func TestDecodeTakesNoEOFOfADecoderForAnEnd(t *testing.T) {
	empty := stream.Codec[string, int]{Decode: func(s string) (n int, err error) {
		return n, json.NewDecoder(strings.NewReader(s)).Decode(&n)
	}}
	_, err := stream.Decode(stream.From(""), empty).Pull(t.Context())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NotErrorIs(t, err, io.EOF)
}

func TestDecodeWithSkipBadDropsABadMessage(t *testing.T) {
	var bad []string
	c := number.SkipBad(func(m string, err error) {
		require.ErrorIs(t, err, strconv.ErrSyntax)
		bad = append(bad, m)
	})
	require.Equal(t, []int{1, 3}, collect(t, stream.Decode(stream.From("1", "x", "3"), c)))
	require.Equal(t, []string{"x"}, bad)
	require.Equal(t, []int{1},
		collect(t, stream.Decode(stream.From("y", "1"), number.SkipBad(nil))))
}

func TestEncodeFailsTheWriteOfABadValue(t *testing.T) {
	q := stream.NewQueue[string](9)
	w := stream.Encode(q, number)
	require.Equal(t, errBoom, w.Write(t.Context(), -1))
	require.NoError(t, w.Write(t.Context(), 2))
	require.NoError(t, w.Close(t.Context()))
	require.Equal(t, []string{"2"}, collect(t, q))
	require.Equal(t, stream.ErrClosed, w.Write(t.Context(), 3))

	q = stream.NewQueue[string](9)
	require.Equal(t, errBoom,
		stream.Pipe(t.Context(), stream.Encode(q, number), stream.From(1, -1), nil))
	wantEnd(t, q, errBoom)
}

func TestDecodeThatBorrowsIsCancelled(t *testing.T) {
	src := stream.FromReader(iterated("a", "b"), 8)
	r := stream.Decode(src, borrowing())
	require.Equal(t, "a", string(pull(t, r)))
	require.NoError(t, r.Cancel(nil))
	wantEnd(t, r, io.EOF)
	wantEnd(t, src, io.EOF)
}

package stream_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestToWriterWritesEachChunkAndClosesInTurn(t *testing.T) {
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	w := stream.ToWriter(out)
	require.NoError(t, w.Write(t.Context(), []byte("one ")))
	require.Equal(t, errBoom, w.Write(ended(t), []byte("none ")))
	require.NoError(t, w.Write(t.Context(), []byte("two")))
	require.Empty(t, b.String())
	require.NoError(t, w.Close(t.Context()))
	require.Equal(t, "one two", b.String(), "Close flushes")
	require.Equal(t, stream.ErrClosed, w.Write(t.Context(), nil))
	require.NoError(t, w.Close(t.Context()))
}

func TestToWriterEndsWithAnErrorOfItsWriter(t *testing.T) {
	for name, c := range map[string]struct {
		w    io.Writer
		want error
	}{
		"error":       {failing{0, errBoom}, errBoom},
		"short write": {failing{1, nil}, io.ErrShortWrite},
	} {
		t.Run(name, func(t *testing.T) {
			w := stream.ToWriter(c.w)
			require.Equal(t, c.want, w.Write(t.Context(), []byte("ab")))
			require.Equal(t, c.want, w.Write(t.Context(), []byte("cd")))
			require.Equal(t, c.want, w.Close(t.Context()))
		})
	}
}

type failing struct {
	n   int
	err error
}

func (f failing) Write([]byte) (int, error) { return f.n, f.err }

func TestToWriterEndsABlockedWriteByADeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		near, far := net.Pipe()
		w := stream.ToWriter(near)
		ctx, cancel := context.WithCancelCause(t.Context())
		write := goWrite(ctx, w, []byte("none"))
		write.waits(t, "there is no Read")
		cancel(errBoom)
		write.returns(t, errBoom)

		write = goWrite(t.Context(), w, []byte("hello"))
		buf := make([]byte, 5)
		_, err := io.ReadFull(far, buf)
		require.NoError(t, err)
		write.returns(t, nil)
		require.Equal(t, "hello", string(buf), "a Write that its context ended has written nothing")

		ctx, cancel = context.WithCancelCause(t.Context())
		write = goWrite(ctx, w, []byte("cut"))
		_, err = far.Read(buf[:1])
		require.NoError(t, err)
		write.waits(t, "there is no Read")
		cancel(errBoom)
		require.ErrorIs(t, write.wait(), errBoom)
		require.ErrorContains(t, w.Write(t.Context(), nil), "cut after 1 of 3 bytes")
		require.NoError(t, w.Abort(nil))
		_, err = far.Read(buf)
		require.Equal(t, io.EOF, err, "Abort closes")
	})
}

func TestToWriterEndsABlockedWriteByClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		w := stream.ToWriter(pw)
		ctx, cancel := context.WithCancelCause(t.Context())
		write := goWrite(ctx, w, []byte("cut"))
		_, err := pr.Read(make([]byte, 1))
		require.NoError(t, err)
		write.waits(t, "there is no other Read")
		cancel(errBoom)
		require.ErrorIs(t, write.wait(), errBoom)
		err = w.Write(t.Context(), nil)
		require.ErrorIs(t, err, errBoom)
		require.ErrorContains(t, err, "cut after 1 of 3 bytes")
	})
}

func TestToWriterAbortEndsABlockedWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		w := stream.ToWriter(pw)
		write := goWrite(t.Context(), w, []byte("x"))
		write.waits(t, "there is no Read")
		behind := goWrite(t.Context(), w, []byte("y"))
		behind.waits(t, "its turn is after the write")
		require.NoError(t, w.Abort(errBoom))
		write.returns(t, errBoom)
		behind.returns(t, errBoom)
		_, err := pr.Read(make([]byte, 1))
		require.Equal(t, errBoom, err)
	})
}

func TestAsWriterWritesEachWriteAsAChunk(t *testing.T) {
	q := stream.NewQueue[[]byte](9)
	w := stream.AsWriter(t.Context(), q)
	buf := []byte("ab")
	n, err := w.Write(buf)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	buf[0] = 'x'
	_, err = w.Write(nil)
	require.NoError(t, err)
	m, err := io.Copy(w, struct{ io.Reader }{iotest.OneByteReader(strings.NewReader("cd"))})
	require.NoError(t, err)
	require.EqualValues(t, 2, m)
	require.NoError(t, w.Close())
	require.Equal(t, [][]byte{[]byte("ab"), []byte("c"), []byte("d")}, collect(t, q))
	_, err = w.Write([]byte("e"))
	require.Equal(t, stream.ErrClosed, err)
	_, err = io.Copy(w, struct{ io.Reader }{strings.NewReader("cd")})
	require.Equal(t, stream.ErrClosed, err)
	_, err = io.Copy(w, struct{ io.Reader }{iotest.ErrReader(errBoom)})
	require.Equal(t, errBoom, err)
}

func TestAsWriterCopiesNothingForABorrower(t *testing.T) {
	var b bytes.Buffer
	w := stream.AsWriter(t.Context(), stream.ToWriter(&b))
	p := []byte("abc")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b.Reset()
		_, _ = w.Write(p)
	}))
	_, err := io.Copy(w, struct{ io.Reader }{strings.NewReader("def")})
	require.NoError(t, err)
	require.Equal(t, "abcdef", b.String())
}

var number = stream.Codec[string, int]{
	Encode: func(n int) (string, error) {
		if n < 0 {
			return "", errBoom
		}
		return strconv.Itoa(n), nil
	},
	Decode: strconv.Atoi,
}

func TestAsWriterTryWriteOfNoBytesWritesNoChunk(t *testing.T) {
	q := stream.NewQueue[[]byte](1)
	w := stream.AsWriter(t.Context(), q).(stream.TryWriter[[]byte])
	for range 2 {
		ok, err := w.TryWrite(nil)
		require.True(t, ok)
		require.NoError(t, err)
	}
	require.Equal(t, 1, q.DesiredSize())
}

func TestAsWriterReadFromReturnsTheErrorOfTheDestination(t *testing.T) {
	q := stream.NewQueue[[]byte](1)
	require.NoError(t, q.Abort(errBoom))
	n, err := io.Copy(stream.AsWriter(t.Context(), q), iterated("a"))
	require.Equal(t, errBoom, err)
	require.Zero(t, n)
}

func TestToWriterFailsWithTheCauseOfAContextThatEndedAsItsWriteReturned(t *testing.T) {
	ctx, c := newClosing(t)
	w := stream.ToWriter(c)
	require.NoError(t, w.Write(ctx, []byte("a")))
	err := w.Write(t.Context(), []byte("b"))
	require.ErrorIs(t, err, errBoom)
	require.Equal(t, err, w.Write(t.Context(), []byte("c")))
}

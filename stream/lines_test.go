package stream_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestLinesAreCutWhateverTheChunks(t *testing.T) {
	text := "one\ntwo\r\n\nfour\rx\nlast"
	want := []string{"one", "two", "", "four\rx", "last"}
	for size := 1; size <= len(text); size++ {
		r := stream.Lines(stream.FromReader(strings.NewReader(text), size), 6)
		require.Equal(t, want, collect(t, r), size)
	}
}

func TestLinesFailForALineThatIsTooLong(t *testing.T) {
	for size := 1; size <= 12; size++ {
		r := stream.Lines(stream.FromReader(strings.NewReader("123456\r\n1234567\n"), size), 6)
		require.Equal(t, "123456", pull(t, r))
		_, err := r.Pull(t.Context())
		require.ErrorIs(t, err, bufio.ErrTooLong)
	}
	long := strings.Repeat("x", 100<<10)
	_, err := stream.Lines(stream.From([]byte(long)), 0).Pull(t.Context())
	require.ErrorIs(t, err, bufio.ErrTooLong)
	require.Equal(t, long, pull(t, stream.Lines(stream.From([]byte(long)), -1)))
}

func TestLinesGatherNoLineThatIsTooLong(t *testing.T) {
	pulled := 0
	src := stream.Map(stream.FromSeq(func(yield func([]byte) bool) {
		for yield([]byte("xxxx")) {
		}
	}), func(b []byte) ([]byte, error) {
		if pulled++; pulled > 10 {
			return nil, errBoom
		}
		return b, nil
	})
	_, err := stream.Lines(src, 10).Pull(t.Context())
	require.ErrorIs(t, err, bufio.ErrTooLong)
	require.Equal(t, 3, pulled)
}

func TestLinesDropTheStartOfALineWhenTheSourceFails(t *testing.T) {
	src := stream.FromSeq2(func(yield func([]byte, error) bool) {
		_ = yield([]byte("a\nb"), nil) && yield(nil, errBoom)
	})
	r := stream.Lines(src, 0)
	require.Equal(t, "a", pull(t, r))
	wantEnd(t, r, errBoom)
}

// A pace is a limiter that lets one through each second.
type pace struct{ err error }

func (p pace) Wait(ctx context.Context) error {
	if _, dated := ctx.Deadline(); dated {
		return errors.New("pace: would exceed context deadline")
	}
	select {
	case <-time.After(time.Second):
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestLinesCancelDropsTheLineThatHasBegun(t *testing.T) {
	src := stream.NewQueue[[]byte](1)
	r := stream.Lines(src, 0)
	require.NoError(t, src.Write(t.Context(), []byte("a\nb")))
	require.Equal(t, "a", pull(t, r))
	require.NoError(t, r.Cancel(errBoom))
	wantEnd(t, r, io.EOF)
	require.Equal(t, errBoom, src.Write(t.Context(), nil))
}

package stream_test

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestFromReaderCutsBytesIntoChunks(t *testing.T) {
	text := strings.Repeat("0123456789", 10)
	for _, r := range []io.Reader{
		strings.NewReader(text),
		iotest.OneByteReader(strings.NewReader(text)),
		iotest.HalfReader(strings.NewReader(text)),
		iotest.DataErrReader(strings.NewReader(text)),
	} {
		chunks := collect(t, stream.FromReader(r, 7))
		require.Equal(t, text, string(slices.Concat(chunks...)),
			"each chunk is the puller's to keep")
		for _, c := range chunks {
			require.NotEmpty(t, c)
			require.LessOrEqual(t, len(c), 7)
		}
	}
}

func TestFromReaderFailsBehindTheBytesBefore(t *testing.T) {
	r := stream.FromReader(io.MultiReader(strings.NewReader("a"), iotest.ErrReader(errBoom)), 0)
	require.Equal(t, "a", string(pull(t, r)))
	wantEnd(t, r, errBoom)
	_, err := stream.FromReader(nothing{}, 0).Pull(t.Context())
	require.Equal(t, io.ErrNoProgress, err)
	_, err = stream.FromReader(liar{}, 0).Pull(t.Context())
	require.ErrorContains(t, err, "impossible count")
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

type liar struct{}

func (liar) Read(p []byte) (int, error) { return len(p) + 1, nil }

func TestFromReaderPullIntoReusesTheChunk(t *testing.T) {
	r := stream.FromReader(strings.NewReader("abcdef"), 4).(stream.PullerInto[[]byte])
	buf := make([]byte, 4)
	v := buf
	require.NoError(t, r.PullInto(t.Context(), &v))
	require.Equal(t, "abcd", string(v))
	require.Same(t, &buf[0], &v[0])
	require.NoError(t, r.PullInto(t.Context(), &v))
	require.Equal(t, "ef", string(v))
	require.Equal(t, io.EOF, r.PullInto(t.Context(), &v))
	require.Empty(t, v)
	require.Equal(t, errBoom, r.PullInto(ended(t), &v))
}

func TestFromReaderEndsABlockedReadByADeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		near, far := net.Pipe()
		r := stream.FromReader(near, 0)
		for range 3 {
			ctx, cancel := context.WithCancelCause(t.Context())
			p := goPull(ctx, r)
			p.waits(t, "nothing was written")
			cancel(errBoom)
			p.returns(t, errBoom)
		}
		p := goPull(t.Context(), r)
		p.waits(t, "nothing was written")
		_, err := far.Write([]byte("hi"))
		require.NoError(t, err)
		require.Equal(t, "hi", string(p.returns(t, nil)))
		p = goPull(t.Context(), r)
		p.waits(t, "nothing was written")
		require.NoError(t, r.Cancel(nil))
		p.returns(t, io.EOF)
		_, err = far.Write([]byte("x"))
		require.Equal(t, io.ErrClosedPipe, err, "Cancel closes")
	})
}

// A deadlined has the deadlines of a net.Conn, and no Close.
type deadlined struct{ conn net.Conn }

func (d deadlined) Read(p []byte) (int, error)         { return d.conn.Read(p) }
func (d deadlined) SetReadDeadline(at time.Time) error { return d.conn.SetReadDeadline(at) }

func TestFromReaderLeavesAReaderWithoutACloseAsItWas(t *testing.T) {
	bubble(t, func(t *testing.T) {
		near, far := net.Pipe()
		r := stream.FromReader(deadlined{near}, 0)
		ctx, cancel := context.WithCancelCause(t.Context())
		p := goPull(ctx, r)
		p.waits(t, "nothing was written")
		cancel(errBoom)
		p.returns(t, errBoom)
		p = goPull(t.Context(), r)
		p.waits(t, "the deadline is over")
		require.NoError(t, r.Cancel(nil))
		p.returns(t, io.EOF)
		go func() { _, _ = far.Write([]byte("x")) }() // ends with the Read
		_, err := near.Read(make([]byte, 1))
		require.NoError(t, err, "no deadline is left")
	})
}

// A once returns its error only with its bytes, and then none.
type once struct{ reads int }

func (o *once) Read(p []byte) (int, error) {
	if o.reads++; o.reads > 1 {
		return copy(p, "more"), nil
	}
	return copy(p, "a"), errBoom
}

func TestFromReaderKeepsAnErrorThatCameWithBytes(t *testing.T) {
	r := stream.FromReader(&once{}, 0)
	require.Equal(t, "a", string(pull(t, r)))
	wantEnd(t, r, errBoom)
}

func TestFromReaderEndsABlockedReadByClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		r := stream.FromReader(pr, 0)
		ctx, cancel := context.WithCancelCause(t.Context())
		p := goPull(ctx, r)
		p.waits(t, "nothing was written")
		cancel(errBoom)
		p.returns(t, errBoom)
		wantEnd(t, r, errBoom)
		_, err := pw.Write([]byte("x"))
		require.Error(t, err)
	})
	bubble(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		r := stream.FromReader(pr, 0)
		p := goPull(t.Context(), r)
		p.waits(t, "nothing was written")
		require.NoError(t, r.Cancel(errOther))
		p.returns(t, io.EOF)
		_, err := pw.Write([]byte("x"))
		require.Equal(t, errOther, err, "the cause is passed on")
	})
}

func TestAsReaderReadsChunksAsBytes(t *testing.T) {
	chunks := func() stream.Readable[[]byte] {
		return stream.From([]byte("ab"), nil, []byte("cde"), []byte("f"))
	}
	require.NoError(t, iotest.TestReader(stream.AsReader(t.Context(), chunks()), []byte("abcdef")))
	var calls []string
	n, err := io.Copy(writes(func(p []byte) { calls = append(calls, string(p)) }),
		stream.AsReader(t.Context(), chunks()))
	require.NoError(t, err)
	require.EqualValues(t, 6, n)
	require.Equal(t, []string{"ab", "cde", "f"}, calls, "each chunk as it is")
	_, err = io.Copy(failing{1, nil}, stream.AsReader(t.Context(), chunks()))
	require.Equal(t, io.ErrShortWrite, err)
	_, err = stream.AsReader(ended(t), chunks()).Read(make([]byte, 1))
	require.Equal(t, errBoom, err)
}

type writes func([]byte)

func (w writes) Write(p []byte) (int, error) { w(p); return len(p), nil }

// An endedPipe is an end of a net.Pipe whose other end is closed: it takes no deadlines. Its Read
// has a chunk once it may return.
type endedPipe struct {
	release chan struct{}
	reads   int
	closed  bool
}

func (p *endedPipe) Read(b []byte) (int, error) {
	<-p.release
	if p.reads++; p.reads > 1 || p.closed {
		return 0, io.EOF
	}
	return copy(b, "x"), nil
}

func (p *endedPipe) SetReadDeadline(time.Time) error { return io.ErrClosedPipe }

func (p *endedPipe) Close() error {
	p.closed = true
	return nil
}

func TestFromReaderDoesNotCloseAPipeThatHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &endedPipe{release: make(chan struct{})}
		src := stream.FromReader(r, 8)
		ctx, cancel := context.WithCancelCause(t.Context())
		p := goPull(ctx, src)
		p.waits(t, "the Read is in progress")
		cancel(errBoom)
		synctest.Wait()
		require.False(t, r.closed)
		close(r.release)
		require.Equal(t, []byte("x"), p.returns(t, nil))
		wantEnd(t, src, io.EOF)
	})
}

// A closing is a reader and a writer that has no deadlines. Its first call has data, but its
// context ends before it returns.
type closing struct {
	cancel context.CancelCauseFunc
	closed chan struct{}
	called bool
}

func newClosing(t *testing.T) (context.Context, *closing) {
	ctx, cancel := context.WithCancelCause(t.Context())
	return ctx, &closing{cancel: cancel, closed: make(chan struct{})}
}

func (c *closing) Read(p []byte) (int, error) {
	if c.called {
		return 0, io.ErrClosedPipe
	}
	c.called = true
	c.cancel(errBoom)
	<-c.closed
	return len(p), nil
}

func (c *closing) Write(p []byte) (int, error) { return c.Read(p) }

func (c *closing) Close() error {
	close(c.closed)
	return nil
}

func TestFromReaderFailsWithTheCauseOfAContextThatEndedAsItsReadReturned(t *testing.T) {
	ctx, c := newClosing(t)
	r := stream.FromReader(c, 1)
	_, err := r.Pull(ctx)
	require.NoError(t, err)
	wantEnd(t, r, errBoom)
}

package wsstream_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// A countingReader counts what is read. It hides a WriteTo of its Reader, which io.Copy would prefer.
type countingReader struct {
	io.Reader
	reads, bytes int
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.reads++
	r.bytes += n
	return n, err
}

func TestMessageWriterReadFromSendsWhatTheReaderGives(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789"), 20_000)
	for name, c := range map[string]config{
		"default windows": {},
		"small window":    {WriteWindow: 256},
		"no window":       {WriteWindow: -1},
		"small frames":    {MaxFrameSize: 100},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, c, func(t *testing.T, e *end) {
				w := e.newMessage(t, t.Context())
				sent := goDo(func() (m wsstream.Message, err error) {
					n, err := io.Copy(w, &countingReader{Reader: bytes.NewReader(payload)})
					if err == nil && n != int64(len(payload)) {
						err = errors.New("io.Copy has lost count")
					}
					return m, errors.Join(err, w.Close())
				})
				require.Equal(t, payload, readMessage(t, e))
				require.NoError(t, (<-sent).err)
				require.EqualValues(t, 1, e.conn.Stats().Sent.Messages)
			})
		})
	}
}

func TestMessageWriterReadFromCompresses(t *testing.T) {
	payload := strings.Repeat("the same again, ", 10_000)
	onEveryPath(t, packing, func(t *testing.T, e *end) {
		w, err := e.conn.Writable().NewMessage(t.Context(), wsstream.TypeText)
		require.NoError(t, err)
		sent := goDo(func() (m wsstream.Message, err error) {
			_, err = io.Copy(w, &countingReader{Reader: strings.NewReader(payload)})
			return m, errors.Join(err, w.Close())
		})
		require.Equal(t, payload, newUnpacker().unpack(t, readMessage(t, e), len(payload)))
		require.NoError(t, (<-sent).err)
	})
}

func TestMessageWriterReadFromReadsOnlyWhenTheWindowHasRoom(t *testing.T) {
	const window, limit = 256, 1 << 10
	inBubble(t, config{WriteWindow: window, Limit: limit}, func(t *testing.T, e *end) {
		w := e.newMessage(t, t.Context())
		src := &countingReader{Reader: strings.NewReader(strings.Repeat("x", 64<<10))}
		copied := goDo(func() (m wsstream.Message, err error) {
			_, err = w.ReadFrom(src)
			return m, errors.Join(err, w.Close())
		})
		e.quiet() // the transport and the window are full
		require.Less(t, src.bytes, window+limit, "no more is read than is sent and the window holds")
		require.Len(t, readMessage(t, e), 64<<10)
		require.NoError(t, (<-copied).err)
	})
}

func TestMessageWriterReadFromReturnsTheErrorOfTheReaderBehindItsBytes(t *testing.T) {
	boom := errors.New("boom")
	abc := func() io.Reader { return strings.NewReader("abc") }
	for name, tc := range map[string]struct {
		src  func() io.Reader
		want error
		n    int64
	}{
		"an error": {
			src:  func() io.Reader { return iotest.DataErrReader(io.MultiReader(abc(), iotest.ErrReader(boom))) },
			want: boom,
			n:    3,
		},
		"EOF with the last bytes": {
			src: func() io.Reader { return iotest.DataErrReader(abc()) },
			n:   3,
		},
		"no progress": {
			src:  func() io.Reader { return io.MultiReader(abc(), silentReader{}) },
			want: io.ErrNoProgress,
			n:    3,
		},
		"nothing": {
			src: func() io.Reader { return strings.NewReader("") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				w := e.newMessage(t, t.Context())
				n, err := w.ReadFrom(tc.src())
				require.Equal(t, tc.want, err)
				require.Equal(t, tc.n, n)
				_, err = io.WriteString(w, "!")
				require.NoError(t, err, "the message goes on")
				require.NoError(t, w.Close())
				require.Equal(t, strings.Repeat("abc", int(tc.n/3))+"!", string(readMessage(t, e)))
			})
		})
	}
}

// A silentReader never has a byte.
type silentReader struct{}

func (silentReader) Read([]byte) (int, error) { return 0, nil }

func TestMessageWriterReadFromAfterCloseReadsNothing(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		w := e.newMessage(t, t.Context())
		require.NoError(t, w.Close())
		src := &countingReader{Reader: strings.NewReader("x")}
		n, err := w.ReadFrom(src)
		require.Equal(t, wsstream.ErrClosed, err)
		require.Zero(t, n)
		require.Zero(t, src.reads)
		e.peer.Want("an empty message", wstest.Text(""))
	})
}

func TestMessageWriterReadFromEndsWithItsContext(t *testing.T) {
	inBubble(t, config{WriteWindow: 256, Limit: 1 << 10}, func(t *testing.T, e *end) {
		boom := errors.New("boom")
		ctx, cancel := context.WithCancelCause(t.Context())
		w := e.newMessage(t, ctx)
		var n int64
		copied := goDo(func() (m wsstream.Message, err error) {
			n, err = w.ReadFrom(strings.NewReader(strings.Repeat("x", 64<<10)))
			return m, err
		})
		e.quiet()
		cancel(boom)
		require.Equal(t, boom, (<-copied).err)
		require.NoError(t, w.Close())
		require.Len(t, readMessage(t, e), int(n), "what was sent is counted")
	})
}

func TestMessageWriterReadFromRefusesWhatIsNotUTF8(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		w, err := e.conn.Writable().NewMessage(t.Context(), wsstream.TypeText)
		require.NoError(t, err)
		n, err := w.ReadFrom(io.MultiReader(strings.NewReader("\xce"), strings.NewReader("\xba"), strings.NewReader("\xff")))
		require.ErrorContains(t, err, "UTF-8")
		require.EqualValues(t, 2, n)
		require.NoError(t, w.Close())
		require.Equal(t, "κ", string(readMessage(t, e)))
	})
}

// A repeatingReader gives n bytes, and can be used again.
type repeatingReader struct{ n, left int }

func (r *repeatingReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		r.left = r.n
		return 0, io.EOF
	}
	n := min(len(p), r.left)
	r.left -= n
	return n, nil
}

func TestMessageWriterReadFromAllocatesNothing(t *testing.T) {
	conn, far := rawServer(t)
	rawSwallow(t, far)
	w, err := conn.Writable().NewMessage(t.Context(), wsstream.TypeBinary)
	require.NoError(t, err)
	src := &repeatingReader{n: allocSize, left: allocSize}
	requireAllocs(t, 0, func() {
		if n, err := io.Copy(w, src); n != allocSize || err != nil {
			t.Fatal(n, err)
		}
	})
}

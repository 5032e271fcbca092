package wire

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestWriterEndsItsMessageInTheLastFrame(t *testing.T) {
	for _, test := range []struct {
		name string
		left bool // the last frame has left before Close
		ends []string
	}{
		{
			name: "that has not left",
			ends: []string{"abc", "def"},
		},
		{
			name: "or in an empty one",
			left: true,
			ends: []string{"abc", "def", ""},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, v := valved(t, Config{})
				v.let(all)
				c.mu.Lock()
				c.send.flusher = true // a flusher was started, and does not run yet
				c.mu.Unlock()
				w, err := c.NewWriter(t.Context(), ws.OpText)
				require.NoError(t, err)
				for _, part := range []string{"abc", "def"} {
					n, err := w.Write([]byte(part))
					require.NoError(t, err)
					require.Equal(t, len(part), n)
				}
				if test.left {
					c.flush()
				}
				require.NoError(t, w.Close(CloseInfo{}, errClosed))
				c.flush()
				got := frames(t, v.let(0))
				require.Len(t, got, len(test.ends))
				for i, f := range got {
					require.Equal(t, test.ends[i], string(f.Payload))
					require.Equal(t, i == len(got)-1, f.Header.Fin)
				}
				require.EqualValues(t, 6, w.Written())
				_, sent := c.Stats()
				require.EqualValues(t, 1, sent.Messages)
				require.EqualValues(t, 6, sent.Bytes)
			})
		})
	}
}

func TestWriterRefusesInvalidText(t *testing.T) {
	broken := errors.New("the text ends inside a character")
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		w, err := c.NewWriter(t.Context(), ws.OpText)
		require.NoError(t, err)
		n, err := w.Write([]byte("abc\xff"))
		require.Equal(t, ErrText, err)
		require.Zero(t, n)
		_, err = w.Write([]byte("abc\xe2\x82")) // the start of a character
		require.NoError(t, err)
		require.Equal(t, broken, w.Close(CloseInfo{Code: CodeInternal, Reason: "cut"}, broken))
		got := frames(t, v.let(all))
		require.Len(t, got, 2)
		require.False(t, got[0].Header.Fin, "the message has an end")
		require.Equal(t, "\x03\xf3cut", string(got[1].Payload))
		require.Equal(t, broken, c.Write(t.Context(), ws.OpText, nil, false))
	})
}

// parts returns one string in each Read, and then io.EOF.
type parts []string

func (r *parts) Read(p []byte) (int, error) {
	if len(*r) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*r)[0])
	*r = (*r)[1:]
	return n, nil
}

func TestWriterReadFromSendsAFrameForEachRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		v.let(all)
		w, err := c.NewWriter(t.Context(), ws.OpBinary)
		require.NoError(t, err)
		source := append(parts{"ab"}, make(parts, maxEmptyReads-1)...)
		source = append(append(source, "cde"), make(parts, maxEmptyReads-1)...)
		n, err := w.ReadFrom(&source)
		require.NoError(t, err)
		require.EqualValues(t, 5, n)
		synctest.Wait()
		require.NoError(t, w.Close(CloseInfo{}, nil))
		got := frames(t, v.let(0))
		require.Len(t, got, 3)
		require.Equal(t, "ab", string(got[0].Payload))
		require.Equal(t, "cde", string(got[1].Payload))
	})
}

func TestWriterReadFromEndsWithoutProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := valved(t, Config{})
		w, err := c.NewWriter(t.Context(), ws.OpBinary)
		require.NoError(t, err)
		empty := make(parts, 10*maxEmptyReads)
		n, err := w.ReadFrom(&empty)
		require.Equal(t, io.ErrNoProgress, err)
		require.Zero(t, n)
		require.Len(t, empty, 9*maxEmptyReads)
	})
}

// zeroes counts the bytes that it returns.
type zeroes struct{ n int }

func (z *zeroes) Read(p []byte) (int, error) {
	clear(p)
	z.n += len(p)
	return len(p), nil
}

func TestWriterReadFromReadsNoMoreThanTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		w, err := c.NewWriter(t.Context(), ws.OpBinary)
		require.NoError(t, err)
		var source zeroes
		failed := make(chan error, 1)
		go func() { // ends with Abort
			_, err := w.ReadFrom(&source)
			failed <- err
		}()
		v.let(30 << 10)
		require.Equal(t, 64<<10-maxHeader, source.n, "less than half of the window is free")
		v.let(3 << 10)
		require.Greater(t, source.n, 64<<10-maxHeader+30<<10)
		require.LessOrEqual(t, source.n, 64<<10+33<<10)
		c.Abort(CloseInfo{}, errClosed)
		require.Equal(t, errClosed, <-failed)
	})
}

func TestWriterReadFromReadsForManyShortFramesInOneStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		c.send.framer.limit = 100
		w, err := c.NewWriter(t.Context(), ws.OpBinary)
		require.NoError(t, err)
		var source zeroes
		failed := make(chan error, 1)
		go func() { // ends with Abort
			_, err := w.ReadFrom(&source)
			failed <- err
		}()
		v.let(0)
		require.Equal(t, 574*100+86, source.n, "575 frames of 114 bytes fill the window, the last short")
		require.Positive(t, c.writeWindow.Credit(), "what was read has credit")
		c.Abort(CloseInfo{}, errClosed)
		require.Equal(t, errClosed, <-failed)
	})
}

func TestWriterSendsAWriteInOneFrameIfNothingLimitsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		c := newConn(near, Config{})
		defer cut(c)
		c.Start(nil)
		w, err := c.NewWriter(t.Context(), ws.OpBinary)
		require.NoError(t, err)
		_, err = w.Write(make([]byte, 1000))
		require.NoError(t, err)
		require.Len(t, readFrame(t, far).Payload, 1000)
		require.NoError(t, w.Close(CloseInfo{}, nil))
	})
}

func TestWriterSendsAllOfAWriteThoughItIsCompressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := deflating()
		defer cut(client)
		defer cut(server)
		w, err := client.NewWriter(t.Context(), ws.OpText)
		require.NoError(t, err)
		r := new(Reader)
		for i, text := range []string{"hello", "world"} {
			_, err = w.Write([]byte(text))
			require.NoError(t, err)
			if i == 0 {
				require.NoError(t, server.Next(t.Context(), r))
			}
			got := make([]byte, len(text))
			_, err = io.ReadFull(r, got) // before the message ends
			require.NoError(t, err)
			require.Equal(t, text, string(got))
		}
		require.NoError(t, w.Close(CloseInfo{}, nil))
	})
}

func TestWriterCompressesAStepWhenItsFrameFitsTheWindow(t *testing.T) {
	const step = 1000
	for missing, waits := range map[int]bool{0: false, 1: true} {
		synctest.Test(t, func(t *testing.T) {
			client, server := deflating()
			defer cut(client)
			defer cut(server)
			w, err := client.NewWriter(t.Context(), ws.OpBinary)
			require.NoError(t, err)
			taken := client.writeWindow.Credit() - (step + compressOverhead + maxHeader) + missing
			client.writeWindow.Force(taken)
			wrote := make(chan error, 1)
			go func() { // ends when there is credit
				_, err := w.Write(make([]byte, step))
				wrote <- err
			}()
			synctest.Wait()
			require.Equal(t, waits, len(wrote) == 0)
			client.writeWindow.Give(taken)
			require.NoError(t, <-wrote)
			require.NoError(t, w.Close(CloseInfo{}, nil))
		})
	}
}

func TestWriterCompressesInSteps(t *testing.T) {
	near, far := memnet.Pipe(0)
	c := started(t, Config{}, near, far)
	require.Equal(t, 64<<10-maxHeader, (&Writer{c: c}).limit())
	require.Equal(t, maxCompressStep-compressOverhead, (&Writer{c: c, compressed: true}).limit())
}

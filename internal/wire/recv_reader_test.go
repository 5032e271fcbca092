package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReadFreesWhatAPullAssembled(t *testing.T) {
	inBubble(t, []byte("\x81\x03ab"), func(t *testing.T, c *Conn, peer net.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		pulled := make(chan error, 1)
		go func() {
			_, _, err := c.Pull(ctx, nil)
			pulled <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-pulled, context.Canceled)
		require.Equal(t, "ab", string(c.recv.assembled))
		r := new(Reader)
		require.NoError(t, c.Next(t.Context(), r))
		_, err := io.ReadFull(r, make([]byte, 2))
		require.NoError(t, err)
		require.Nil(t, c.recv.assembled)
		_, err = peer.Write([]byte("c"))
		require.NoError(t, err)
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "c", string(rest))
	})
}

func TestReadOfACutMessageNeverReturnsEOF(t *testing.T) {
	inBubble(t, []byte("\x01\x03abc\x88\x00"), func(t *testing.T, c *Conn, peer net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, peer) }() // ends with the connection
		r := new(Reader)
		require.NoError(t, c.Next(lateContext{t.Context(), c}, r))
		n, err := r.Read(make([]byte, 3))
		require.NoError(t, err)
		require.Equal(t, 3, n)
		_, err = r.Read(make([]byte, 1))
		require.Error(t, err)
		require.NotEqual(t, io.EOF, err, "Read takes the message for a whole one")
	})
}

// A Read waited for more input, although the rest had come behind an empty frame.
func TestReadGoesOnBehindAnEmptyFrame(t *testing.T) {
	const input = "\x01\x00" + "\x00\x00" + "\x00\x03abc" + "\x00\x00" + "\x80\x00"
	inBubble(t, []byte(input), func(t *testing.T, c *Conn, _ net.Conn) {
		r := new(Reader)
		require.NoError(t, c.Next(t.Context(), r))
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "abc", string(got))
	})
}

func TestReadOfNothingKeepsWhatAPullAssembled(t *testing.T) {
	inBubble(t, []byte("\x01\x03abc"), func(t *testing.T, c *Conn, peer net.Conn) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := c.Pull(ctx, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = peer.Write([]byte("\x80\x00"))
		require.NoError(t, err)
		r := new(Reader)
		require.NoError(t, c.Next(t.Context(), r))
		n, err := r.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "abc", string(got))
	})
}

func TestReaderCloseSkipsEachMessageThatIsNotWanted(t *testing.T) {
	inBubble(t, []byte("\x82\x02ab\x82\x02cd\x82\x02ef"), func(t *testing.T, c *Conn, _ net.Conn) {
		for range 2 {
			r := new(Reader)
			require.NoError(t, c.Next(t.Context(), r))
			require.NoError(t, r.Close())
		}
		_, data, err := c.Pull(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, "ef", string(data))
	})
}

func TestReaderWriteToReturnsTheErrorOfEitherEnd(t *testing.T) {
	errFull := errors.New("full")
	for name, c := range map[string]struct {
		w    io.Writer
		n    int64
		want error
	}{
		"all is taken":  {new(bytes.Buffer), 5, nil},
		"an error":      {writerFunc(func(p []byte) (int, error) { return 2, errFull }), 2, errFull},
		"a short Write": {writerFunc(func(p []byte) (int, error) { return 2, nil }), 2, io.ErrShortWrite},
		"ctx has ended": {nil, 0, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, []byte("\x82\x05hello"), func(t *testing.T, conn *Conn, _ net.Conn) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r := new(Reader)
				require.NoError(t, conn.Next(ctx, r))
				if c.w == nil {
					cancel()
				}
				n, err := r.WriteTo(c.w)
				require.Equal(t, c.want, err)
				require.Equal(t, c.n, n)
			})
		})
	}
}

// A writerFunc is the Write of an io.Writer.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

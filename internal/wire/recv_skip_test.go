package wire

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestPullDuringAReaderCloseGetsTheNextMessage(t *testing.T) {
	inBubble(t, []byte("\x81\x03abc\x81\x01z"), func(t *testing.T, c *Conn, _ net.Conn) {
		r := begun(t, c)
		r.closed.Store(true) // this much of Close has run
		c.reads.skipped.Store(r.nth)
		_, data, err := c.Pull(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, "z", string(data))
	})
}

func TestReaderCloseAtTheEndOfItsMessageSkipsNoOther(t *testing.T) {
	inBubble(t, []byte("\x81\x01a\x81\x01y\x81\x01z"), func(t *testing.T, c *Conn, _ net.Conn) {
		r := begun(t, c)
		require.NoError(t, c.lockRead(t.Context()))
		_, whole := r.take(make([]byte, 1)) // this much of Read has run
		require.True(t, whole)
		require.NoError(t, r.Close())
		c.unlockRead()
		_, data, err := c.Pull(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, "y", string(data))
	})
}

func TestReaderCloseEndsAReadThatIsAboutToWait(t *testing.T) {
	inBubble(t, []byte("\x81\x03a"), func(t *testing.T, c *Conn, _ net.Conn) {
		r := begun(t, c)
		require.NoError(t, c.lockRead(t.Context()))
		n, whole := r.take(make([]byte, 1)) // this much of Read has run
		require.Zero(t, n)
		require.False(t, whole)
		require.NoError(t, r.Close())
		back := make(chan error, 1)
		go func() {
			defer c.unlockRead()
			_, err := c.waitForInput(t.Context(), nil)
			back <- err
		}()
		synctest.Wait()
		require.Len(t, back, 1, "Read waits for the peer")
		require.NoError(t, <-back)
	})
}

func TestReaderCloseSkipsWhatAPullAssembled(t *testing.T) {
	for name, next := range map[string]func(c *Conn) (string, error){
		"Pull": func(c *Conn) (string, error) {
			_, data, err := c.Pull(context.Background(), nil)
			return string(data), err
		},
		"Next": func(c *Conn) (string, error) {
			r := new(Reader)
			if err := c.Next(context.Background(), r); err != nil {
				return "", err
			}
			data, err := io.ReadAll(r)
			return string(data), err
		},
	} {
		for _, last := range []string{"\x80\x00", "\x80\x03END"} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, []byte("\x02\x04SKIP\x00\x03PED"), func(t *testing.T, c *Conn, peer net.Conn) {
					for range 2 { // the second Pull assembles nothing more
						ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
						defer cancel()
						_, _, err := c.Pull(ctx, nil)
						require.ErrorIs(t, err, context.DeadlineExceeded)
						require.Equal(t, "SKIPPED", string(c.recv.assembled))
					}
					r := new(Reader)
					require.NoError(t, c.Next(t.Context(), r))
					r.closed.Store(true) // this much of Close has run when another call reads
					c.reads.skipped.Store(r.nth)
					var data string
					var err error
					go func() { data, err = next(c) }() // ends with the message
					synctest.Wait()
					_, werr := peer.Write([]byte(last + "\x02\x02ne\x80\x02xt"))
					require.NoError(t, werr)
					synctest.Wait()
					require.NoError(t, err)
					require.Equal(t, "next", data)
				})
			})
		}
	}
}

func TestReaderCloseSkipsPayloadOfADirectRead(t *testing.T) {
	frame := ws.MustCompileFrame(ws.NewBinaryFrame(make([]byte, 100_000)))
	inBubble(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
		r := new(Reader)
		go drip(peer, rand.New(rand.NewPCG(1, 2)), append(slices.Clip(frame), "\x81\x01z"...))
		require.NoError(t, c.Next(t.Context(), r))
		_, err := io.ReadFull(r, make([]byte, 60_000))
		require.NoError(t, err)
		require.NoError(t, r.Close())
		_, got, err := c.Pull(t.Context(), nil)
		require.NoError(t, err)
		require.Len(t, got, 1)
	})
}

package wire

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestDirectReadsReturnThePayloadAsSent(t *testing.T) {
	text := strings.Repeat("né€𝄞", 20_000) // characters of 1 to 4 bytes
	want := []byte(text + text)
	for seed := range uint64(20) {
		inBubble(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			var b bytes.Buffer
			for range 5 {
				f := ws.NewTextFrame([]byte(text))
				f.Header.Fin = false
				require.NoError(t, ws.WriteFrame(&b, f))
				require.NoError(t, ws.WriteFrame(&b, ws.NewFrame(ws.OpContinuation, true, []byte(text))))
			}
			go drip(peer, rnd, b.Bytes())
			var dst []byte
			for n := range 5 {
				if n == 2 { // with a Reader, and a buffer of any length
					r := new(Reader)
					require.NoError(t, c.Next(t.Context(), r))
					var got bytes.Buffer
					_, err := io.CopyBuffer(
						struct{ io.Writer }{&got},
						struct{ io.Reader }{r},
						make([]byte, 1+rnd.IntN(100_000)),
					)
					require.NoError(t, err)
					require.True(t, bytes.Equal(want, got.Bytes()), "%d bytes", got.Len())
					continue
				}
				var err error
				_, dst, err = c.Pull(t.Context(), dst)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, dst), "%d bytes", len(dst))
			}
			require.Zero(t, c.recv.in.toSkip)
			received, _ := c.Stats()
			require.Zero(t, received.Held)
		})
	}
}

func TestPullCancelledInADirectReadKeepsWhatCame(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 10_000)
	frame := ws.MustCompileFrame(ws.NewBinaryFrame(data))
	inBubble(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		pulled := make(chan error, 1)
		go func() {
			_, _, err := c.Pull(ctx, nil)
			pulled <- err
		}()
		_, err := peer.Write(frame[:50_000])
		require.NoError(t, err)
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-pulled, context.Canceled)
		go drip(peer, rand.New(rand.NewPCG(1, 2)), frame[50_000:])
		_, got, err := c.Pull(t.Context(), nil)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got), "%d bytes", len(got))
	})
}

func TestPullChecksTextOfADirectRead(t *testing.T) {
	bad := []byte(strings.Repeat("x", 60_000) + "\xff" + strings.Repeat("x", 60_000))
	inBubble(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, peer) }()
		go drip(peer, rand.New(rand.NewPCG(1, 2)), ws.MustCompileFrame(ws.NewTextFrame(bad)))
		pulled := make(chan error, 1)
		go func() {
			_, _, err := c.Pull(t.Context(), nil)
			pulled <- err
		}()
		synctest.Wait()
		_ = peer.Close() // the peer has our Close
		require.ErrorContains(t, <-pulled, errText.Error())
	})
}

func TestReadReturnsNoInvalidText(t *testing.T) {
	bad := []byte(strings.Repeat("x", 40_000) + "\xff" + strings.Repeat("x", 60_000))
	inBubble(t, nil, func(t *testing.T, c *Conn, peer net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, peer) }()
		go func() {
			frame := ws.MustCompileFrame(ws.NewTextFrame(bad))
			for _, part := range [][]byte{frame[:10], frame[10:]} { // the header, then the text
				_, _ = peer.Write(part)
			}
			_ = peer.Close()
		}()
		r := new(Reader)
		require.NoError(t, c.Next(t.Context(), r))
		var got bytes.Buffer
		buf := make([]byte, 200_000) // long enough for direct reads
		_, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{r}, buf)
		require.ErrorContains(t, err, errText.Error())
		require.NotContains(t, got.String(), "\xff")
	})
}

func TestDirectReadsAreForLongFramesAndLargeMemory(t *testing.T) {
	for _, c := range []struct {
		left       int64
		size, room int // of the memory before
		grows      bool
	}{
		{directRead, 0, 0, true},
		{directRead, 0, smallChunk - 1, true},
		{directRead, 0, smallChunk, false},
		{directRead, smallChunk, smallChunk - 1, true},
		{directRead - 1, 0, 0, false},
	} {
		in := inbox{left: c.left}
		dst := make([]byte, c.size, c.size+c.room)
		got := in.grow(dst)
		require.Len(t, got, c.size)
		if c.grows {
			require.GreaterOrEqual(t, cap(got)-len(got), directRead, c)
		} else {
			require.Equal(t, cap(dst), cap(got), c)
		}
	}

	in := inbox{left: directRead}
	require.Len(t, in.directTarget(make([]byte, smallChunk)), smallChunk)
	require.Len(t, in.directTarget(make([]byte, 2*directRead)), directRead)
	require.Empty(t, in.directTarget(make([]byte, smallChunk-1)))
	for name, in := range map[string]inbox{
		"little is missing":           {left: directRead - 1},
		"bytes are in front":          {left: directRead, held: 1},
		"the payload is compressed":   {left: directRead, compressed: true},
		"no more input is looked for": {left: directRead, sealed: true},
	} {
		require.Empty(t, in.directTarget(make([]byte, 2*directRead)), name)
	}
}

func TestPayloadIsTakenFromBehindControlFrames(t *testing.T) {
	begin := ws.NewTextFrame([]byte("one "))
	begin.Header.Fin = false
	ping := ws.NewPingFrame([]byte("a ping that is not part of it"))
	end := ws.NewFrame(ws.OpContinuation, true, []byte("message"))
	for _, side := range sides {
		var input []byte
		for _, f := range []ws.Frame{begin, ping, ping, end} {
			input = append(input, framed(t, f, side.masked)...)
		}
		in := inbox{state: side.state}
		feed(t, &in, input, len(input))
		require.Equal(t, []string{"one message"}, drain(t, &in, 100))
	}
}

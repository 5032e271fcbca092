package wire

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestPullInflatesWhatWasUnreadAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := deflating()
		for range 3 {
			require.NoError(t, client.Write(t.Context(), ws.OpText, []byte("abcabcabcabc"), true))
		}
		client.Close(CloseInfo{})
		<-server.end.done.Done()
		for range 2 {
			_, got, err := server.Pull(t.Context(), nil)
			require.NoError(t, err)
			require.Equal(t, "abcabcabcabc", string(got))
		}
		var r Reader
		require.NoError(t, server.Next(t.Context(), &r))
		b, err := io.ReadAll(&oneByte{&r})
		require.NoError(t, err)
		require.Equal(t, "abcabcabcabc", string(b))
	})
}

// A Read with little room once waited for the next bytes of a compressed message, while the
// inflater had more of those that had come.
func TestReadDoesNotWaitWhileInflatedBytesAreLeft(t *testing.T) {
	s := deflate.Sender{Bits: 12}
	data := bytes.Repeat([]byte("abc"), 500)
	message := deflate.NewDeflater(deflate.DefaultLevel, s).Deflate(nil, data, true)
	for n := range len(message) + 1 {
		want, _, err := deflate.NewInflater(s).Inflate(nil, message[:n], len(data), false)
		require.NoError(t, err)
		for _, missing := range []int{0, 1} { // of the frame
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				c := started(t, Config{Client: true, Deflate: &Deflate{Ours: s, Peer: s}}, near, far)
				h := ws.Header{OpCode: ws.OpText, Rsv: rsv1, Length: int64(n + missing)}
				require.NoError(t, ws.WriteHeader(far, h))
				_, err := far.Write(message[:n])
				require.NoError(t, err)
				if len(want) == 0 {
					return
				}
				var r Reader
				require.NoError(t, c.Next(t.Context(), &r))
				got := make([]byte, len(want))
				_, err = io.ReadFull(&oneByte{&r}, got)
				require.NoError(t, err)
				require.Equal(t, want, got)
			})
		}
	}
}

// A few bytes of a compressed message kept the memory that another Conn, with a larger limit, had
// grown.
func TestScratchOfALargerLimitIsNotBorrowed(t *testing.T) {
	const small, large = 100_000, 1 << 20
	kept := make([]byte, 0, large)
	scratches.Put(&kept)
	z := &compression{}
	require.LessOrEqual(t, cap(z.borrowScratch(small)), 2*small)
	require.True(t, z.returnScratch(make([]byte, 0, small)))
}

func TestScratchIsOversizedFromTwiceTheLimitOn(t *testing.T) {
	const limit = 100_000
	require.False(t, oversized(limit+1, limit))
	require.False(t, oversized(2*limit, limit))
	require.True(t, oversized(2*limit+2, limit))
	require.False(t, oversized(2*smallChunk, 1), "memory of two small chunks")
	require.True(t, oversized(2*smallChunk+2, 1))
	require.False(t, oversized(2*limit, math.MaxInt), "no message is too long")
	for _, none := range []int{0, -1} {
		require.False(t, oversized(1<<30, none), "there is no limit")
	}
}

func TestFeedUnmasksAFrameThatLiesInTwoChunks(t *testing.T) {
	payload := pattern(2*smallChunk, 0)
	in := inbox{state: ws.StateServerSide}
	front := framed(t, ws.NewBinaryFrame([]byte("in front")), true)
	input := slices.Concat(front, framed(t, ws.NewBinaryFrame(payload), true))
	for len(input) > 0 {
		n := copy(in.space(smallChunk, smallChunk), input)
		in.arrived(n)
		input = input[n:]
	}
	_, err := in.scan()
	require.NoError(t, err)
	var got []byte
	for range 2 {
		require.True(t, in.toPayload())
		in.compressed, got = true, nil
		require.NoError(t, in.feed(func(src []byte, _ bool) (used int, err error) {
			got = append(got, src...)
			return len(src), nil
		}))
		_, err = in.endMessage()
		require.NoError(t, err)
	}
	require.Equal(t, payload, got)
}

func TestReadOfACompressedMessageReturnsNoMoreThanThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := deflating()
		defer cut(client)
		defer cut(server)
		data := make([]byte, 5*smallChunk)
		_, _ = rand.NewChaCha8([32]byte{}).Read(data)
		require.NoError(t, client.Write(t.Context(), ws.OpBinary, data, true))
		r := new(Reader)
		require.NoError(t, server.Next(t.Context(), r))
		<-time.After(2 * idleWait) // the background reader reads the rest
		p := make([]byte, smallChunk+smallChunk/2, 3*smallChunk)
		var got []byte
		for {
			n, err := r.Read(p)
			require.LessOrEqual(t, n, len(p))
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
		}
		require.Equal(t, data, got)
	})
}

// storedSize is how many bytes stored inflates to.
const storedSize = 10_000

// stored is a compressed block.
var stored = slices.Concat(
	[]byte{0, storedSize & 0xff, storedSize >> 8, ^byte(storedSize & 0xff), ^byte(storedSize >> 8)},
	make([]byte, storedSize),
)

// storedAndEmpty returns a client's Conn that has received a compressed message in two frames. The
// first has stored. The second has so many blocks that inflate to nothing.
func storedAndEmpty(t *testing.T, blocks, maxMessage int) *Conn {
	near, far := net.Pipe()
	c := newConn(near, Config{
		Client:       true,
		ReadWindow:   1 << 20,
		MaxMessage:   maxMessage,
		CloseTimeout: time.Millisecond,
		Deflate:      &Deflate{Peer: deflate.Sender{Bits: 15}},
	})
	t.Cleanup(func() {
		cut(c)
		_ = far.Close()
	})
	go func() { _, _ = io.Copy(io.Discard, far) }() // ends with the connection
	first := ws.NewFrame(ws.OpBinary, false, stored)
	first.Header.Rsv = rsv1
	rest := append(bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, blocks), 0)
	last := ws.NewFrame(ws.OpContinuation, true, rest)
	c.Start(slices.Concat(framed(t, first, false), framed(t, last, false)))
	return c
}

func TestPullRefusesManyBlocksThatInflateToNothing(t *testing.T) {
	for _, blocks := range []int{1, maxEmpty - 2} {
		_, data, err := storedAndEmpty(t, blocks, 0).Pull(t.Context(), nil)
		require.NoError(t, err, "%d blocks", blocks)
		require.Equal(t, make([]byte, storedSize), data)
	}
	c := storedAndEmpty(t, maxEmpty+1, 0)
	_, _, err := c.Pull(t.Context(), nil)
	require.ErrorIs(t, err, errBlocks)

	c = storedAndEmpty(t, maxEmpty+1, 0)
	r := new(Reader)
	require.NoError(t, c.Next(t.Context(), r))
	require.NoError(t, r.Close())
	_, _, err = c.Pull(t.Context(), nil)
	require.ErrorIs(t, err, errBlocks, "of a message that is skipped")
}

func TestPullSaysHowLongACompressedMessageIsAtLeast(t *testing.T) {
	_, data, err := storedAndEmpty(t, 1, storedSize).Pull(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, data, storedSize)
	_, _, err = storedAndEmpty(t, 1, storedSize-1).Pull(t.Context(), nil)
	require.ErrorContains(t, err, "of 10000 bytes or more; our MaxMessageSize is 9999")
}

func TestScratchThatGrewTooLargeIsNotKept(t *testing.T) {
	for size, kept := range map[int]bool{maxKeptMessage: true, maxKeptMessage + 1: false} {
		z := &compression{}
		scratch := new([]byte)
		z.scratch = scratch
		require.True(t, z.returnScratch(make([]byte, 10, size)))
		require.Equal(t, kept, cap(*scratch) == size, "%d bytes", size)
	}
}

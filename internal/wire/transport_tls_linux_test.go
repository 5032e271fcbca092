//go:build amd64 || arm64

package wire

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTransportTLSNeverBlocksAWrite(t *testing.T) {
	for _, limit := range []int{0, 1, 8 << 10, 100 << 10, 1 << 20} {
		for _, size := range []int{1, 500, 1500, 4 << 10, 16 << 10, 50 << 10, largeChunk} {
			t.Run(fmt.Sprint(limit, " ", size), func(t *testing.T) {
				near, far := tlsPair(t, limit)
				p := newNonblocking(near)
				require.NotNil(t, p)
				c := &chunk{buf: make([]byte, size)}
				sent := 0
				for range 3 { // the peer reads now and then
					for {
						n, err := p.write(c, c, false) // if it blocks, it does so for ever
						require.NoError(t, err)
						if sent += n; n == 0 {
							break
						}
					}
					_, err := io.CopyN(io.Discard, far, int64(sent))
					require.NoError(t, err)
					sent = 0
				}
			})
		}
	}
}

func TestTransportTLSWithALimitOnUnsentBytesIsNotNonblocking(t *testing.T) {
	near, _ := tlsPair(t, 0)
	raw, err := near.NetConn().(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		require.NoError(t, syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, 25, 16<<10))
	}))
	require.Nil(t, newNonblocking(near))
}

func TestTransportTLSKnowsItsRoom(t *testing.T) {
	near, _ := tcpPair(t)
	raw, err := near.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		const notSentLowat = 25                                                     // TCP_NOTSENT_LOWAT
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, notSentLowat, -1) // no limit
	}))
	require.NoError(t, err)
	s, ok := newNonblocking(tls.Client(near, &tls.Config{})).(*tlsSocket)
	require.True(t, ok)
	require.NoError(t, s.raw.Control(s.freeF))
	require.Positive(t, s.free)
	require.Nil(t, newNonblocking(near), "not TLS")
}

func TestTransportTLSHasLessRoomWhileBytesAreQueued(t *testing.T) {
	near, far := tlsPair(t, 1<<20)
	require.NoError(t, far.NetConn().(*net.TCPConn).SetReadBuffer(4<<10))
	s, ok := newNonblocking(near).(*tlsSocket)
	require.True(t, ok)
	require.NoError(t, s.raw.Control(s.freeF))
	before := s.free
	require.NoError(t, s.raw.Write(func(fd uintptr) bool { // more than the peer's kernel takes
		for err := error(nil); err == nil; {
			_, err = syscall.Write(int(fd), make([]byte, 64<<10))
		}
		return true
	}))
	require.NoError(t, s.raw.Control(s.freeF))
	require.Less(t, s.free, before)
}

func TestTransportTLSKnowsALimitOnUnsentBytes(t *testing.T) {
	require.False(t, isLimit([]byte("4294967295\n"), nil))
	require.True(t, isLimit([]byte("16384\n"), nil))
	require.False(t, isLimit(nil, os.ErrNotExist), "an old kernel")
	for _, all := range []bool{true, false} {
		require.True(t, limitsUnsent(1, all))
		require.Equal(t, all, limitsUnsent(0, all))
		require.False(t, limitsUnsent(-1, all))
	}
}

func TestTransportTLSWritesWhatThereIsRoomFor(t *testing.T) {
	near, far := tlsPair(t, 0)
	s, ok := newNonblocking(near).(*tlsSocket)
	require.True(t, ok)
	third := &chunk{buf: make([]byte, 300)}
	second := &chunk{buf: make([]byte, 200), next: third}
	first := &chunk{buf: make([]byte, 100), next: second}
	n, err := s.write(first, second, false)
	require.NoError(t, err)
	require.Equal(t, 300, n)
	_, err = io.ReadFull(far, make([]byte, n))
	require.NoError(t, err)

	require.Equal(t, tlsMargin+2*100, cost(100))
	for room, want := range map[int]int{cost(100): 100, cost(100) - 1: 0, cost(100) + cost(200): 300} {
		s.freeF = func(uintptr) { s.free = room }
		n, err := s.write(first, third, false)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
}

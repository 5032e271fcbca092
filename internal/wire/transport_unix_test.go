//go:build unix && (amd64 || arm64)

package wire

import (
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTransportGivesASystemCallLessThan2GiB(t *testing.T) {
	// Addresses without memory.
	huge, err := syscall.Mmap(-1, 0, 1<<31, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Munmap(huge)) }()
	require.Len(t, clip(huge), maxSyscall)
	require.Len(t, clip(huge[:10]), 10)
}

// tcpPair returns the two ends of a TCP connection over loopback.
func tcpPair(t *testing.T) (near, far *net.TCPConn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	accepted, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = dialed.Close()
		_ = accepted.Close()
	})
	return accepted.(*net.TCPConn), dialed.(*net.TCPConn)
}

func TestTransportGivesSeveralChunksInOneSystemCall(t *testing.T) {
	near, far := tcpPair(t)
	third := &chunk{buf: []byte("third")}
	second := &chunk{buf: []byte("second"), next: third}
	first := &chunk{buf: []byte("first"), next: second}
	s := newPollable(&Conn{nc: near})
	n, err := s.write(first, second, true)
	require.NoError(t, err)
	require.Equal(t, len("firstsecond"), n)
	got := make([]byte, n)
	_, err = io.ReadFull(far, got)
	require.NoError(t, err)
	require.Equal(t, "firstsecond", string(got))
}

func TestTransportErrorIsWhatTheKernelHasNoted(t *testing.T) {
	near, far := tcpPair(t)
	require.NoError(t, socketError(near))
	require.NoError(t, far.SetLinger(0))
	require.NoError(t, far.Close()) // resets the connection
	var err error
	until(t, func() bool {
		err = socketError(near)
		return err != nil
	})
	require.ErrorIs(t, err, syscall.ECONNRESET)

	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	require.NoError(t, socketError(pipe), "a transport without a kernel")
}

func TestTransportIsDrainedBeforeItIsClosed(t *testing.T) {
	near, far := tcpPair(t)
	_, err := far.Write(make([]byte, 100))
	require.NoError(t, err)
	require.NoError(t, far.CloseWrite())
	_, err = io.ReadFull(near, make([]byte, 1)) // the rest has come, too
	require.NoError(t, err)
	drainReceived(near)
	n, err := near.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err, "%d bytes are left", n)
	drainReceived(near)
}

func TestTransportEndsWithThePeersFIN(t *testing.T) {
	c, far := socketPair(t, Config{}, 0)
	require.NoError(t, far.Close())
	_, _, err := c.Pull(t.Context(), nil)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

//go:build linux && amd64 && !race

package wsstream_test

import (
	"context"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// Of these bytes of the heap net and the runtime hold 770, and the context of each Pull 520. The
// least stack is 2 KiB; that of a goroutine which called too deep before it waits is 4 KiB or 8.
func TestMemoryOfAConnAtRest(t *testing.T) {
	tests := []struct {
		name string
		heap int // bytes a connection
		rest func(c *wsstream.Conn)
	}{
		{
			name: "no call pulls",
			heap: 1700,
			rest: func(*wsstream.Conn) {},
		},
		{
			name: "a handler waits",
			heap: 1700,
			rest: func(c *wsstream.Conn) {
				_ = c.Readable().Handle(func(wsstream.Message) error { return nil }, nil)
			},
		},
		{
			name: "a Pull waits, on the goroutine that accepted",
			heap: 2700,
			rest: func(c *wsstream.Conn) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				for m := (wsstream.Message{}); c.Readable().PullInto(ctx, &m) == nil; {
				}
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			heap, stack := atRest(t, test.rest)
			t.Logf("%d bytes of heap, %d of stack", heap, stack)
			require.Less(t, heap, test.heap)
			require.Less(t, stack, 3<<10, "of many a connection the stack has grown")
		})
	}
}

// atRest returns the bytes of heap and of stack that a connection holds once rest was called on it
// by the goroutine that accepted it.
func atRest(t *testing.T, rest func(c *wsstream.Conn)) (heap, stack int) {
	const first, n = 100, 1000
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accepted := make(chan *wsstream.Conn)
	var before, after runtime.MemStats
	conns := make([]*wsstream.Conn, 0, first+n)
	peers := make([]int, 0, first+n)
	t.Cleanup(func() {
		_ = l.Close()
		for i, c := range conns {
			c.CloseNow()
			<-c.Closed().Done()
			_ = syscall.Close(peers[i])
		}
	})
	for i := range first + n {
		if i == first { // the runtime begins a stack as large as those that it has seen
			settle(&before)
		}
		peers = append(peers, rawPeer(t, l.Addr().(*net.TCPAddr).Port))
		nc, err := l.Accept()
		require.NoError(t, err)
		go func() { // ends with its Pull
			c, err := wsstream.AcceptConn(context.Background(), nc, nil)
			accepted <- c
			if err == nil {
				rest(c)
			}
		}()
		c := <-accepted
		require.NotNil(t, c)
		conns = append(conns, c)
	}
	settle(&after)
	return int(after.HeapAlloc-before.HeapAlloc) / n, int(after.StackInuse-before.StackInuse) / n
}

// settle lets the connections come to rest, for many times as long as a background reader takes to
// begin, and reads what is held.
func settle(m *runtime.MemStats) {
	<-time.After(200 * time.Millisecond)
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(m)
}

// rawPeer returns the socket of a client that has sent its request, of which this process holds
// nothing but a number.
func rawPeer(t *testing.T, port int) int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t,
		syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}))
	_, err = syscall.Write(
		fd,
		[]byte("GET / HTTP/1.1\r\nHost: example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
	)
	require.NoError(t, err)
	return fd
}

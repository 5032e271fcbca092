package wsstream_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// golang.org/x/net/nettest runs over NetConn in examples/adapters. What it does not know stands
// here.

var soon = 50 * time.Millisecond

// TestNetConnReadDeadline: the connection goes on, and nothing is lost.
func TestNetConnReadDeadline(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		nc := wsstream.NetConn(e.conn, wsstream.TypeBinary)
		b := make([]byte, 4)
		for range 3 {
			require.NoError(t, nc.SetReadDeadline(time.Now().Add(soon)))
			_, err := nc.Read(b)
			require.Equal(t, os.ErrDeadlineExceeded, err)
		}
		e.peer.Send(wstest.Binary([]byte("ab")).Part())
		require.NoError(t, nc.SetReadDeadline(time.Time{}))
		_, err := io.ReadFull(nc, b[:2])
		require.NoError(t, err)

		require.NoError(t, nc.SetReadDeadline(time.Now().Add(soon)))
		_, err = nc.Read(b)
		require.Equal(t, os.ErrDeadlineExceeded, err, "half way through a message")
		_, err = nc.Read(b)
		require.Equal(t, os.ErrDeadlineExceeded, err, "until it is moved")

		e.peer.Send(wstest.Cont([]byte("cd"), true))
		_, err = nc.Read(b)
		require.Equal(t, os.ErrDeadlineExceeded, err, "even if there is something to read")
		require.NoError(t, nc.SetReadDeadline(time.Now().Add(time.Hour)))
		n, err := io.ReadFull(nc, b[:2])
		require.NoError(t, err)
		require.Equal(t, "cd", string(b[:n]), "nothing was lost")
	})
}

func TestNetConnDeadlineThatIsMovedAppliesToAWaitingRead(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		nc := wsstream.NetConn(e.conn, wsstream.TypeBinary)
		start := time.Now()
		require.NoError(t, nc.SetDeadline(start.Add(time.Second)))
		read := goErr(func() error { _, err := nc.Read(make([]byte, 1)); return err })
		synctest.Wait()
		require.NoError(t, nc.SetDeadline(start.Add(time.Minute)))
		require.Equal(t, os.ErrDeadlineExceeded, (<-read).err)
		require.Equal(t, time.Minute, time.Since(start), "put off")

		require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
		read = goErr(func() error { _, err := nc.Read(make([]byte, 1)); return err })
		synctest.Wait()
		start = time.Now()
		require.NoError(t, nc.SetDeadline(time.Now().Add(-time.Second)))
		require.Equal(t, os.ErrDeadlineExceeded, (<-read).err)
		require.Zero(t, time.Since(start), "brought forward")
	})
}

// TestNetConnWriteDeadlineSendsNothing: the Write whose deadline passes has sent nothing of its
// message.
func TestNetConnWriteDeadlineSendsNothing(t *testing.T) {
	inBubble(t, config{WriteWindow: 256, Limit: 256}, func(t *testing.T, e *end) {
		nc := wsstream.NetConn(e.conn, wsstream.TypeBinary)
		require.NoError(t, nc.SetWriteDeadline(time.Now().Add(time.Second)))
		written := 0
		var err error
		for err == nil {
			if _, err = nc.Write(make([]byte, 100)); err == nil {
				written++
			}
		}
		require.Equal(t, os.ErrDeadlineExceeded, err)
		require.Greater(t, written, 1)
		for range written {
			e.peer.Want("what was accepted", wstest.Binary(make([]byte, 100)))
		}
		e.peer.WantIdle("the last Write has sent nothing")
		require.NoError(t, nc.SetWriteDeadline(time.Time{}))
		_, err = nc.Write([]byte("on"))
		require.NoError(t, err)
		e.peer.Want("the connection goes on", wstest.Binary([]byte("on")))
	})
}

func TestNetConnWritesMessagesAndReadsBytes(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		nc := wsstream.NetConn(e.conn, wsstream.TypeText)
		for _, s := range []string{"one", "", "zwölf"} {
			n, err := nc.Write([]byte(s))
			require.NoError(t, err)
			require.Equal(t, len(s), n)
			e.peer.Want("a message", wstest.Text(s))
		}
		_, err := nc.Write([]byte("zw\xc3"))
		require.ErrorContains(t, err, "not UTF-8")
		e.peer.Send(wstest.Text("ab"), wstest.Text(""), wstest.Text("c").Part(),
			wstest.Cont([]byte("d"), true), wstest.Close(1000, "done"))
		b, err := io.ReadAll(iotest.OneByteReader(nc))
		require.NoError(t, err, "a clean close is the end")
		require.Equal(t, "abcd", string(b))
		_, err = nc.Write([]byte("late"))
		require.Equal(t, wsstream.ErrClosed, err)
	})
}

func TestNetConnRefusesTheOtherTypeWith1003(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		nc := wsstream.NetConn(e.conn, wsstream.TypeBinary)
		e.peer.Send(wstest.Binary([]byte("good")), wstest.Text("bad"), wstest.Binary([]byte("late")))
		b, err := io.ReadAll(nc)
		require.Equal(t, "good", string(b))
		require.ErrorIs(t, err, wsstream.ErrMessageType)
		require.ErrorContains(t, err, "text, not binary")
		_, again := nc.Read(make([]byte, 1))
		require.Equal(t, err, again)
		require.Equal(t, "only binary messages are read here", e.peer.WantClose("the refusal", 1003))
	})
}

// TestNetConnReadsMessagesLargerThanMaxMessageSize: what is held stays within ReadWindow.
func TestNetConnReadsMessagesLargerThanMaxMessageSize(t *testing.T) {
	const size = 4 << 20
	onEveryPath(t, config{ReadWindow: 4096, MaxMessageSize: 1000}, func(t *testing.T, e *end) {
		nc := wsstream.NetConn(e.conn, wsstream.TypeBinary)
		go e.peer.Write(wstest.Binary(make([]byte, size)), wstest.Close(1000, ""))
		n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{nc}, make([]byte, 1<<10))
		require.NoError(t, err)
		require.EqualValues(t, size, n)
		require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(4096))
	})
}

func TestNetConnCloseEndsWaitingCalls(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		nc := wsstream.NetConn(e.conn, wsstream.TypeBinary)
		read := goErr(func() error { _, err := nc.Read(make([]byte, 1)); return err })
		second := goErr(func() error { _, err := nc.Read(make([]byte, 1)); return err })
		_, err := nc.Write([]byte("last words"))
		require.NoError(t, err)
		closed := goErr(func() error { return nc.Close() })
		e.peer.Want("what was accepted, and the Close", wstest.Binary([]byte("last words")),
			wstest.Close(1000, ""))
		require.Empty(t, closed, "it waits for the answer")
		e.peer.Send(wstest.Close(1000, ""))
		if e.client {
			e.peer.Close()
		}
		require.NoError(t, (<-closed).err)
		require.Equal(t, net.ErrClosed, (<-read).err)
		require.Equal(t, net.ErrClosed, (<-second).err)
		_, err = nc.Write([]byte("late"))
		require.Equal(t, net.ErrClosed, err)
		require.Equal(t, net.ErrClosed, nc.SetDeadline(time.Now().Add(time.Hour)))
		require.NoError(t, nc.Close(), "as the first")
	})
}

func TestNetConnCloseIsLimitedByCloseTimeout(t *testing.T) {
	inBubble(t, config{CloseTimeout: 3 * time.Second}, func(t *testing.T, e *end) {
		nc := wsstream.NetConn(e.conn, wsstream.TypeBinary)
		start := time.Now()
		err := nc.Close()
		require.Equal(t, 3*time.Second, time.Since(start))
		unclean, ok := errors.AsType[*wsstream.Error](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, 1006, unclean.Code)
	})
}

func TestNetConnFailsAsItsConn(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		nc := wsstream.NetConn(e.conn, wsstream.TypeBinary)
		e.peer.Send(wstest.Binary([]byte("half")).Part())
		e.peer.Close()
		b, err := io.ReadAll(nc)
		require.Equal(t, "half", string(b))
		_, end := e.closed(t)
		require.Error(t, end)
		require.Equal(t, end, err)
	})
}

// TestNetConnAddresses: before opening, the remote address is the URL.
func TestNetConnAddresses(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, nil)
		require.Equal(t, "websocket", conn.LocalAddr().Network())
		require.Equal(t, conn.URL(), conn.RemoteAddr().String())
		wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake()
		_, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
		nc := wsstream.NetConn(conn, wsstream.TypeBinary)
		require.Equal(t, near.LocalAddr(), nc.LocalAddr())
		require.Equal(t, near.RemoteAddr(), nc.RemoteAddr())
	})
}

func TestNetConnOfNoTypePanics(t *testing.T) {
	conn := wsstream.Dial(t.Context(), "relative", nil)
	require.Panics(t, func() { wsstream.NetConn(conn, 0) })
	nc := wsstream.NetConn(conn, wsstream.TypeText)
	_, err := nc.Read(make([]byte, 1))
	require.ErrorContains(t, err, "relative")
	_, err = nc.Write([]byte("x"))
	require.ErrorContains(t, err, "relative")
}

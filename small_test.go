package wsstream_test

import (
	"context"
	"crypto/tls"
	"io"
	"math"
	"net"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestTextThatIsNotUTF8IsAnErrorOfTheCallAndNothingIsSent(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		w := e.conn.Writable()
		require.ErrorContains(t, w.Write(t.Context(), wsstream.Text("\xff")), "UTF-8")
		ok, err := w.TryWrite(wsstream.Text("cut \xc3"))
		require.False(t, ok)
		require.ErrorContains(t, err, "UTF-8")
		require.Error(t, w.Write(t.Context(), wsstream.Message{Type: 8}), "a type that there is not")

		m := e.newMessage(t, t.Context())
		n, err := m.Write([]byte("a\xff"))
		require.Zero(t, n)
		require.ErrorContains(t, err, "UTF-8")
		_, err = m.Write([]byte("\xc3")) // half a character
		require.NoError(t, err)
		_, err = m.Write([]byte("\xbc"))
		require.NoError(t, err)
		require.NoError(t, m.Close())
		require.NoError(t, w.Write(t.Context(), wsstream.Binary([]byte("\xff"))))
		require.Equal(t, "\xc3\xbc", string(readMessage(t, e)), "what was right, and no more")
		e.peer.Want("what followed", wstest.Binary([]byte("\xff")))
	})
}

func TestDesiredSizeIsTheWindowBeforeOpeningAndZeroAfterTheEnd(t *testing.T) {
	for window, want := range map[int]int{0: wsstream.DefaultWriteWindow, 300: 300, -1: math.MaxInt} {
		f := failure{opts: wsstream.DialOptions{WriteWindow: window}, fail: func(*dialling) {}}
		whileDialling(t, f, func(d *dialling) {
			require.Equal(t, want, d.conn.Writable().DesiredSize())
			ok, err := d.conn.Writable().TryWrite(wsstream.Text("x"))
			require.False(t, ok)
			require.NoError(t, err)
			d.conn.CloseNow()
			require.Zero(t, d.conn.Writable().DesiredSize())
		})
		onEveryPath(t, config{WriteWindow: window}, func(t *testing.T, e *end) {
			require.Equal(t, want, e.conn.Writable().DesiredSize())
			require.NoError(t, e.conn.Close(wsstream.CloseInfo{}))
			require.Zero(t, e.conn.Writable().DesiredSize())
			e.conn.CloseNow()
			require.Zero(t, e.conn.Writable().DesiredSize())
		})
	}
}

func TestPullIntoStartsAtTheFrontAndAnErrorLeavesDataEmpty(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		buf := []byte("0123456789")
		m := wsstream.Message{Data: buf[:5]}
		e.peer.Send(wstest.Text("abc"), wstest.Binary([]byte("longer than it was")), wstest.Text("half").Part())
		require.NoError(t, e.conn.Readable().PullInto(patient(t), &m))
		require.Equal(t, wsstream.Text("abc"), m)
		require.Same(t, &buf[0], &m.Data[0])
		require.NoError(t, e.conn.Readable().PullInto(patient(t), &m))
		require.Equal(t, wsstream.Binary([]byte("longer than it was")), m)

		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		room := cap(m.Data)
		go func() { ended <- e.conn.Readable().PullInto(ctx, &m) }()
		e.quiet()
		cancel(errWhy)
		require.Equal(t, errWhy, <-ended)
		require.Empty(t, m.Data)
		require.Equal(t, room, cap(m.Data))
		e.peer.Send(wstest.Cont([]byte(" and half"), true), wstest.CloseEmpty())
		require.Equal(t, "half and half", e.pull(t), "nothing was consumed")
		require.Equal(t, io.EOF, e.conn.Readable().PullInto(patient(t), &m))
		require.Empty(t, m.Data)
		require.Equal(t, room, cap(m.Data))
	})
}

func TestPullIntoOfAHandshakeThatFailedLeavesDataEmpty(t *testing.T) {
	conn := wsstream.Dial(t.Context(), "nowhere", nil)
	m := wsstream.Binary([]byte("old"))
	require.Error(t, conn.Readable().PullInto(t.Context(), &m))
	require.Empty(t, m.Data)
	require.Equal(t, 3, cap(m.Data))
}

func TestPullIntoAPreparedMessageForgetsItsEncodings(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		m := wsstream.Text("old").Prepare()
		require.NoError(t, e.conn.Writable().Write(patient(t), m))
		e.peer.Want("what was prepared", wstest.Text("old"))
		e.peer.Send(wstest.Text("new"))
		require.NoError(t, e.conn.Readable().PullInto(patient(t), &m))
		require.NoError(t, e.conn.Writable().Write(patient(t), m))
		e.peer.Want("what was pulled", wstest.Text("new"))
	})
}

func TestEOFComesWhenOurCloseIsInTheKernel(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Close(1000, ""))
		_, err := e.conn.Readable().Pull(patient(t))
		require.Equal(t, io.EOF, err)
		e.conn.CloseNow()
		e.peer.Want("a deferred CloseNow cuts nothing that is owed", wstest.Close(1000, ""))
		e.peer.WantEOF("the end")
		_, err = e.closed(t)
		require.NoError(t, err)
	})
	inBubble(t, config{WriteWindow: 256}, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		e.peer.Send(wstest.Close(1000, ""))
		end := goPull(t, e)
		<-time.After(time.Second)
		select {
		case got := <-end:
			require.Fail(t, "the answer is not in the kernel", "%v", got.err)
		default:
		}
		require.Equal(t, size, e.wantData(t))
		require.Equal(t, io.EOF, (<-end).err)
		e.peer.Want("the answer", wstest.Close(1000, ""))
	})
}

func TestFlushWaitsForWhatWasAcceptedBeforeIt(t *testing.T) {
	inBubble(t, config{WriteWindow: -1, MaxFrameSize: 1 << 10, Limit: 4 << 10}, func(t *testing.T, e *end) {
		flush := func(ctx context.Context) <-chan result {
			return goDo(func() (m wsstream.Message, err error) { return m, e.conn.Writable().Flush(ctx) })
		}
		require.NoError(t, (<-flush(t.Context())).err, "nothing was accepted")
		size := e.stuff(t, true)
		first := flush(t.Context())
		ctx, cancel := context.WithCancelCause(t.Context())
		second := flush(ctx)
		synctest.Wait()
		require.Empty(t, first)
		cancel(errWhy)
		require.Equal(t, errWhy, (<-second).err, "only the wait has ended")
		e.stuff(t, true)
		require.Equal(t, size, e.wantData(t))
		for range 64 { // frames of the next message that may share a write with the last
			_, err := e.peer.Next()
			require.NoError(t, err)
		}
		require.NoError(t, (<-first).err, "what was accepted after it is not waited for")

		third := flush(t.Context())
		synctest.Wait()
		require.Empty(t, third)
		e.conn.CloseNow()
		theEnd(t, e, (<-third).err)
	})
}

// A closeCounter counts how often a transport is closed.
type closeCounter struct {
	net.Conn
	closes atomic.Int32
}

func (c *closeCounter) Close() error {
	c.closes.Add(1)
	return c.Conn.Close()
}

func TestTheTransportIsClosedOnceItsDeadlinesAreClearedAndWhatWasBufferedIsReadFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		nc := &closeCounter{Conn: near}
		peer := wstest.NewPeer(t, far, false)
		conn := wsstream.Dial(t.Context(), "ws://example.test/", config{}.dial(nc))
		req := peer.ReadRequest()
		require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
		early := append(wstest.SwitchingProtocols(req), peer.Encode(wstest.Text("early"))...)
		peer.SendRaw(early) // in one packet
		m, err := conn.Readable().Pull(patient(t))
		require.NoError(t, err)
		require.Equal(t, wsstream.Text("early"), m)

		<-time.After(time.Hour)
		peer.Send(wstest.Text("late"))
		m, err = conn.Readable().Pull(patient(t))
		require.NoError(t, err)
		require.Equal(t, wsstream.Text("late"), m)
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("here")))
		peer.Want("no deadline is left", wstest.Text("here"))

		peer.Send(wstest.CloseEmpty())
		peer.Want("the answer", wstest.CloseEmpty())
		peer.Close()
		_, err = conn.Closed().Wait(patient(t))
		require.NoError(t, err)
		conn.CloseNow()
		require.NoError(t, conn.Close(wsstream.CloseInfo{}))
		require.EqualValues(t, 1, nc.closes.Load())
	})
}

func TestA101AndACloseInOnePacketOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		peer := wstest.NewPeer(t, far, false)
		conn := wsstream.Dial(t.Context(), "ws://example.test/", config{}.dial(near))
		req := peer.ReadRequest()
		peer.SendRaw(append(wstest.SwitchingProtocols(req), peer.Encode(wstest.Close(3001, "no"))...))
		_, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
		info, err := conn.Closed().Wait(patient(t))
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 3001, Reason: "no"}, info)
	})
}

func TestACutClosesTheBareSocketUnderTLS(t *testing.T) {
	certs := httptest.NewTLSServer(nil)
	certs.Close()
	synctest.Test(t, func(t *testing.T) {
		const limit = 4 << 10
		near, far := memnet.Pipe(limit)
		server := tls.Server(near, &tls.Config{Certificates: certs.TLS.Certificates, DynamicRecordSizingDisabled: true})
		peer := wstest.NewPeer(t, tls.Client(far, &tls.Config{InsecureSkipVerify: true}), true)
		accepted := make(chan *wsstream.Conn, 1)
		go func() {
			c, _ := wsstream.AcceptConn(t.Context(), server, nil)
			accepted <- c
		}()
		peer.DialHandshake("/")
		conn := <-accepted
		require.NotNil(t, conn)
		const overhead = 4 + 5 + 1 + 16 // the frame's header, and the TLS record's
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, limit-overhead))))
		synctest.Wait()
		require.Equal(t, limit, far.Buffered(), "no room for the alert that tls.Conn.Close writes")
		start := time.Now()
		conn.CloseNow()
		_, err := conn.Closed().Wait(patient(t))
		require.IsType(t, &wsstream.Error{}, err)
		require.True(t, near.Closed())
		require.Zero(t, time.Since(start))
	})
}

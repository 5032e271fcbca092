package wsstream_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// TestFailureReachesAPeerThatIsStillWriting fails 1,000 connections: each peer gets the Close, and
// the end of the stream behind it, never a reset.
func TestFailureReachesAPeerThatIsStillWriting(t *testing.T) {
	const each, atOnce = 334, 2
	big := wstest.Binary(make([]byte, 200))
	for _, tc := range []struct {
		code   uint16
		breaks wstest.Frame
	}{
		{code: 1002, breaks: wstest.Cont(nil, true)},
		{code: 1007, breaks: wstest.Text("\xff")},
		{code: 1009, breaks: big},
	} {
		t.Run(fmt.Sprint(tc.code), func(t *testing.T) {
			failed := make(chan error)
			for i := range atOnce {
				go func() {
					var err error
					for n := i; n < each && err == nil; n += atOnce {
						err = failsWhileThePeerWrites(t, n%2 == 0, tc.code, tc.breaks)
					}
					failed <- err
				}()
			}
			for range atOnce {
				require.NoError(t, <-failed)
			}
		})
	}
}

// failsWhileThePeerWrites breaks a rule in the middle of a flood.
func failsWhileThePeerWrites(t *testing.T, client bool, code uint16, breaks wstest.Frame) error {
	near, far, err := tcpEnds()
	if err != nil {
		return err
	}
	defer far.Close()
	c := config{MaxMessageSize: 100, CloseTimeout: 20 * time.Second}
	conn, peer, err := quickly(t, c, client, near, far)
	if err != nil {
		return err
	}
	defer func() {
		conn.CloseNow()
		<-conn.Closed().Done()
	}()

	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		flood := peer.Encode(wstest.Binary(make([]byte, 16<<10)))
		_, err := far.Write(append(peer.Encode(wstest.Text("first")), peer.Encode(breaks)...))
		for n := 0; n < 32 && err == nil; n++ {
			_, err = far.Write(flood)
		}
		if err == nil {
			<-stop
			stopped <- far.CloseWrite()
			return
		}
		stopped <- fmt.Errorf("the peer's write: %w", err)
	}()

	m, err := conn.Readable().Pull(t.Context())
	if err != nil || string(m.Data) != "first" {
		return fmt.Errorf("before the rule was broken: %q, %w", m.Data, err)
	}
	pulled := make(chan error, 1)
	go func() {
		_, err := conn.Readable().Pull(t.Context())
		pulled <- err
	}()
	f, err := peer.Next()
	if err != nil || f.Op != wstest.OpClose || binary.BigEndian.Uint16(f.Payload) != code {
		return fmt.Errorf("instead of the Close: %v, %w", f, err)
	}
	if _, err := peer.Next(); err != io.EOF {
		return fmt.Errorf("behind the Close: %w", err)
	}
	close(stop)
	if err := <-stopped; err != nil {
		return err
	}
	if err := <-pulled; err == nil || err == io.EOF {
		return fmt.Errorf("the pull: %w", err)
	}
	_, err = conn.Closed().Wait(t.Context())
	if err == nil {
		return fmt.Errorf("the end was clean")
	}
	return nil
}

func TestFailedWriteOfAClientDoesNotHideThePeersClose(t *testing.T) {
	for range 50 {
		e := overTCP(t, config{CloseTimeout: 20 * time.Second}, true)
		e.peer.Send(wstest.Text("last words"), wstest.Close(1013, "try again later"))
		// A peer that closes with input unread resets the connection: our writes will fail.
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("unread")))
		e.peer.CloseWrite()
		m, err := e.conn.Readable().Pull(patient(t))
		require.NoError(t, err)
		require.Equal(t, "last words", string(m.Data))
		info, _ := e.conn.Closed().Wait(patient(t))
		require.Equal(t, wsstream.CloseInfo{Code: 1013, Reason: "try again later"}, info)
	}
}

func TestFailedWriteLeavesTheEndToThePeersClose(t *testing.T) {
	// The transport takes nothing more while the peer's Close is still on its way.
	for name, client := range map[string]bool{"client": true, "server": false} {
		t.Run(name, func(t *testing.T) {
			near, far := pipes.TCP(t, 0)
			nc := &brokenConn{Conn: near, failed: make(chan struct{}, 1)}
			e := open(t, config{}, client, nc, far)
			nc.now.Store(true)
			writing := goWrite(t, e, wsstream.Text("lost"))
			<-nc.failed
			e.peer.Send(wstest.Text("last words"), wstest.Close(1013, "try again later"))
			require.Equal(t, "last words", e.pull(t))
			info, end := e.closed(t)
			theError, ok := end.(*wsstream.Error)
			require.True(t, ok, "what was accepted is lost: %v", end)
			require.Equal(t, wsstream.CloseInfo{Code: 1013, Reason: "try again later"}, theError.CloseInfo)
			require.Equal(t, info, theError.CloseInfo)
			require.ErrorIs(t, end, errBroken)
			if r := <-writing; r.err != nil {
				require.Equal(t, end, r.err)
			}
		})
	}
}

// A brokenConn fails Writes from now on.
type brokenConn struct {
	net.Conn
	now    atomic.Bool
	failed chan struct{}
}

var errBroken = errors.New("the transport takes no more")

func (b *brokenConn) Write(p []byte) (int, error) {
	if !b.now.Load() {
		return b.Conn.Write(p)
	}
	select {
	case b.failed <- struct{}{}:
	default:
	}
	return 0, errBroken
}

func TestFailureOverTLSDoesNotWaitForCloseNotify(t *testing.T) {
	for role, client := range map[string]bool{"client": true, "server": false} {
		t.Run(role, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := memnet.Pipe(0)
				under := &fullConn{closed: make(chan struct{})}
				var near, far net.Conn
				if under.left.Store(1 << 40); client {
					under.Conn = a
					near, far = pipes.OverTLS(t, under, b)
				} else {
					under.Conn = b
					far, near = pipes.OverTLS(t, a, under)
				}
				conn, peer, err := quickly(t, config{CloseTimeout: time.Second}, client, near, far)
				require.NoError(t, err)
				under.left.Store(1)
				start := time.Now()
				pulled := goDo(func() (wsstream.Message, error) { return conn.Readable().Pull(t.Context()) })
				peer.Send(wstest.Frame{Fin: true, Op: 3})
				peer.WantClose("our Close takes the last room", 1002)
				_, err = conn.Closed().Wait(t.Context())
				require.ErrorContains(t, err, "1002")
				require.Equal(t, err, (<-pulled).err)
				require.Equal(t, time.Second, time.Since(start)) // CloseTimeout
			})
		})
	}
}

// A fullConn has room for so many more Writes; later ones wait until it is closed.
type fullConn struct {
	net.Conn
	left   atomic.Int64
	once   sync.Once
	closed chan struct{}
}

func (f *fullConn) Write(p []byte) (int, error) {
	if f.left.Add(-1) < 0 {
		<-f.closed
		return 0, net.ErrClosed
	}
	return f.Conn.Write(p)
}

func (f *fullConn) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

// tcpEnds is pipes.TCP for any goroutine.
func tcpEnds() (near, far *net.TCPConn, err error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	near, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr)) // the backlog takes it
	if err != nil {
		return nil, nil, err
	}
	far, err = l.AcceptTCP()
	return near, far, err
}

// TestPullDeliversWholeMessagesBeforeAnUncleanEnd: behind them every pull returns the error of
// Closed.
func TestPullDeliversWholeMessagesBeforeAnUncleanEnd(t *testing.T) {
	for name, lose := range map[string]func(p *wstest.Peer){
		"closed": func(p *wstest.Peer) { p.Close() },
		"cut":    func(p *wstest.Peer) { p.Cut() },
	} {
		t.Run(name, func(t *testing.T) {
			inEveryWay(t, config{}, func(t *testing.T, e *end, w receiving) {
				e.peer.Send(wstest.Text("one"), wstest.Text("two"), wstest.Ping("read"),
					wstest.Text("half").Part())
				e.peer.Want("all was read", wstest.Pong("read"))
				lose(e.peer)
				_, end := e.closed(t)
				var unclean *wsstream.Error
				require.ErrorAs(t, end, &unclean)
				require.Equal(t, 1006, unclean.Code)
				next := w.receive(t, e)
				require.Equal(t, "one", next.text(t))
				require.Equal(t, "two", next.text(t))
				for range 2 {
					require.Same(t, unclean, next.end(t))
					_, err := e.conn.Readable().NextMessage(patient(t))
					require.Same(t, unclean, err)
				}
			})
		})
	}
}

func TestPullKeepsItsEOFAfterAnUncleanEnd(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Readable().Cancel(nil))
		e.peer.WantClose("the Close of Cancel", 1005)
		e.peer.Close()
		_, err := e.closed(t)
		require.Error(t, err)
		_, err = e.conn.Readable().Pull(patient(t))
		require.Equal(t, io.EOF, err)
	})
}

func TestCloseIsUncleanIfAcceptedDataIsUnsent(t *testing.T) {
	for name, lost := range map[string]bool{
		"the transport is lost": true, "CloseTimeout passes": false,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, config{Limit: 1000}, func(t *testing.T, e *end) {
				require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, 9000))))
				synctest.Wait()
				e.peer.Send(wstest.Close(3003, "had enough"))
				if lost {
					e.peer.Close()
				}
				wantUnsent(t, e, 3003)
			})
		})
	}
}

func TestCloseIsUncleanIfAcceptedDataIsUnsentOverTCP(t *testing.T) {
	for _, client := range []bool{true, false} {
		e := overTCP(t, config{WriteWindow: -1, CloseTimeout: 200 * time.Millisecond, Limit: 16 << 10},
			client)
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, 32<<20))))
		e.peer.Send(wstest.Close(3003, "had enough"))
		wantUnsent(t, e, 3003)
	}
}

func TestWriteFailsWithTheErrorOfClosedAfterAnUncleanEnd(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Cut()
		_, end := e.closed(t)
		var unclean *wsstream.Error
		require.ErrorAs(t, end, &unclean)
		w := e.conn.Writable()
		for range 2 {
			require.Same(t, unclean, w.Write(patient(t), wsstream.Text("x")))
			_, err := w.TryWrite(wsstream.Text("x"))
			require.Same(t, unclean, err)
			require.Same(t, unclean, w.Ready(patient(t)))
			_, err = w.NewMessage(patient(t), wsstream.TypeText)
			require.Same(t, unclean, err)
			require.Same(t, unclean, w.Close(patient(t)))
		}
	})
}

func TestWriteKeepsTheErrorOfAbortAfterAnUncleanEnd(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Abort(errReason))
		e.peer.WantClose("Abort's Close", 1011)
		e.peer.Cut()
		_, err := e.closed(t)
		require.Equal(t, 1006, wsstream.CloseCode(err))
		require.Equal(t, errReason, e.conn.Writable().Write(patient(t), wsstream.Text("x")))
	})
}

func TestClosedIs1006WithoutAPeersClose(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000, Reason: "ours"}))
		e.peer.Want("our Close", wstest.Close(1000, "ours"))
		e.peer.Close()
		want1006(t, e)
	})
}

func TestFailureReadsOnSoThatThePeerIsNotReset(t *testing.T) {
	onEveryPath(t, config{ReadWindow: 256, Limit: 64 << 10}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Frame{Fin: true, Op: 3})
		for range 32 { // far more than the transport and the window hold
			e.peer.Send(wstest.Binary(make([]byte, 64<<10)))
		}
		e.wantFailure(t, 1002)
		require.False(t, ended(e))
		e.peer.Close()
		_, err := e.closed(t)
		unclean(1006, "1002")(t, e, err)
	})
}

func TestFailureWaitsForThePeerForCloseTimeout(t *testing.T) {
	inBubble(t, config{CloseTimeout: 7 * time.Second}, func(t *testing.T, e *end) {
		pull := goPull(t, e)
		start := time.Now()
		e.peer.Send(wstest.Frame{Fin: true, Op: 3})
		e.wantFailure(t, 1002)
		theEnd(t, e, (<-pull).err)
		require.Equal(t, 7*time.Second, time.Since(start))
	})
}

func TestFailedWriteDoesNotHideWhatCameBefore(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("last"), wstest.Close(3001, "bye"))
		e.peer.Close() // what we write fails from here on
		err := e.conn.Writable().Write(t.Context(), wsstream.Text("x"))
		if err == nil { // accepted before the error was there
			<-e.conn.Writable().Done()
			err = e.conn.Writable().Write(t.Context(), wsstream.Text("y"))
		}
		theEnd(t, e, err)
		unclean(3001, "could not be sent", "broken pipe")(t, e, err)
		require.Equal(t, "last", e.pull(t))
		_, err = e.conn.Readable().Pull(t.Context())
		theEnd(t, e, err)
	})
}

func TestFailedWriteWaitsForThePeersCloseForCloseTimeout(t *testing.T) {
	inBubble(t, config{CloseTimeout: 7 * time.Second, ReadWindow: 256}, func(t *testing.T, e *end) {
		// The input's end is not seen.
		e.peer.Send(wstest.Binary(make([]byte, 200)), wstest.Binary(make([]byte, 200)))
		<-time.After(time.Second)
		e.peer.Close()
		start := time.Now()
		// It is accepted before the error is there, or fails with it.
		_ = e.conn.Writable().Write(t.Context(), wsstream.Text("x"))
		_, err := e.closed(t)
		require.Equal(t, 7*time.Second, time.Since(start))
		unclean(1006, "broken pipe")(t, e, err)
		require.Len(t, e.pull(t), 200)
	})
}

func TestFailureDropsAcceptedDataToTellThePeerSoon(t *testing.T) {
	c := config{MaxFrameSize: 1 << 10, WriteWindow: 256, Limit: 4 << 10}
	inBubble(t, c, func(t *testing.T, e *end) {
		size, got := e.stuff(t, true), 0
		e.peer.Send(wstest.Frame{Fin: true, Op: 3})
		e.notice()
		f, err := e.peer.Next()
		for ; err == nil && f.Op != wstest.OpClose; f, err = e.peer.Next() {
			got += len(f.Payload)
		}
		require.NoError(t, err)
		code, _ := ws.ParseCloseFrameData(f.Payload)
		require.EqualValues(t, 1002, code)
		require.Less(t, got, size/2)
		e.peer.Close()
		_, err = e.closed(t)
		require.ErrorContains(t, err, "1002")
	})
}

// TestFailureFoundBehindTheEndKeepsThePeersCode: A message is found bad after the peer's Close
// was answered. The Pull fails with the peer's code.
func TestFailureFoundBehindTheEndKeepsThePeersCode(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("\xff"), wstest.Close(3001, "bye"))
		e.peer.Want("the answer", wstest.Close(3001, ""))
		// The streams have ended; a client still waits for the server to drop the transport.
		<-time.After(time.Second / 2)
		var bad *wsstream.Error
		_, err := e.conn.Readable().Pull(t.Context())
		require.ErrorAs(t, err, &bad)
		require.Equal(t, wsstream.CloseInfo{Code: 3001, Reason: "bye"}, bad.CloseInfo)
		require.ErrorContains(t, err, "UTF-8")
		_, err = e.conn.Readable().Pull(t.Context())
		require.Same(t, bad, err)
		info, err := e.closed(t)
		require.NoError(t, err, "the handshake itself was clean")
		require.Equal(t, bad.CloseInfo, info)
	})
}

func TestFailureIsToldToAPeerThatHasHalfClosed(t *testing.T) {
	inBubble(t, config{Limit: 1000}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 4000))))
		e.peer.Send(wstest.Frame{Fin: true, Op: 3})
		e.peer.CloseWrite()
		e.notice() // while our Close is still behind what has begun to leave
		e.wantFailure(t, 1002)
		_, err := e.closed(t)
		unclean(1006, "1002")(t, e, err)
	})
}

func TestFailureNamesALengthBeyondAnInt64(t *testing.T) {
	onEveryPath(t, config{MaxMessageSize: 1000}, func(t *testing.T, e *end) {
		pull := goPull(t, e)
		e.peer.Send(wstest.Text("a").Part())
		e.peer.SendRaw(e.peer.EncodeHeader(wstest.Cont(nil, true), math.MaxInt64))
		require.Contains(t, e.peer.WantClose("too large", 1009),
			"a message of 9223372036854775808 bytes or more")
		e.peer.Close()
		theEnd(t, e, (<-pull).err)
	})
}

func TestFailureHoldsNothingToBeSent(t *testing.T) {
	onEveryPath(t, config{WriteWindow: -1, Limit: 16 << 10}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, 8<<20))))
		require.Positive(t, e.conn.Stats().Sent.Held)
		e.conn.CloseNow()
		_, err := e.closed(t)
		theEnd(t, e, err)
		require.Zero(t, e.conn.Stats().Sent.Held)
	})
}

// TestPullDeliversWhatCameBeforeARandomCut: the end is settled once, and the same for all.
func TestPullDeliversWhatCameBeforeARandomCut(t *testing.T) {
	const n, size = 20, 100
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			e := inMemory(t, config{ReadWindow: 256 + r.IntN(4000)}, seed%2 == 0)
			far := e.far.(*memnet.Conn)
			var stream []byte
			for i := range n {
				stream = append(stream, e.peer.Encode(wstest.Text(fmt.Sprintf("%0*d", size, i)))...)
			}
			at := r.IntN(len(stream))
			half := r.IntN(2) == 0
			if half {
				e.peer.SendRaw(stream[:at])
				far.CloseWrite() // ends half-way
			} else {
				far.CutAfter(int64(at))
				_, _ = far.Write(stream)
			}
			if r.IntN(2) == 0 {
				<-time.After(time.Minute) // no call pulls for a while
			}
			if r.IntN(2) == 0 {
				goWrite(t, e, wsstream.Text("x")) // its failure costs no message that is pulled in time
			}
			next := ways[r.IntN(len(ways))].receive(t, e)
			whole := at / (len(stream) / n)
			for i := range whole {
				require.Equal(t, fmt.Sprintf("%0*d", size, i), next.text(t))
			}
			err := next.end(t)
			require.ErrorContains(t, err, "1006")
			for range 3 {
				require.Same(t, err, next.end(t))
				_, closed := e.closed(t)
				require.Same(t, err, closed)
				require.Same(t, err, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
				e.conn.CloseNow()
				_ = e.conn.Close(wsstream.CloseInfo{Code: 1000})
				_ = e.conn.Writable().Abort(io.ErrClosedPipe)
			}
		})
	}
}

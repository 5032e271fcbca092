package wsstream_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// Who reads next, and what is skipped.

func TestAPullIsBusyAtOnceWhileAReadOfTheMessageWaits(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("ab").Part())
		r, err := e.conn.Readable().NextMessage(t.Context())
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 2))
		require.NoError(t, err)
		reading := goDo(func() (m wsstream.Message, err error) { _, err = r.Read(make([]byte, 1)); return m, err })
		synctest.Wait()
		start := time.Now()
		wantBusy(t, e)
		require.Zero(t, time.Since(start))
		require.Empty(t, reading, "the Read waits on")
		e.peer.Send(wstest.Cont([]byte("c"), true))
		require.NoError(t, (<-reading).err)
	})
}

func TestPingsAreAnsweredForEverWhileNobodyPulls(t *testing.T) {
	inBubble(t, config{ReadWindow: 256}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("a"), wstest.Ping("behind it"))
		require.Equal(t, "a", e.pull(t))
		e.peer.Want("the answer", wstest.Pong("behind it"))
		for i := range 200 { // far more than the window holds
			e.peer.Send(wstest.Ping(fmt.Sprint(i)))
			e.peer.Want("an answer", wstest.Pong(fmt.Sprint(i)))
		}
		require.Zero(t, e.conn.Stats().Received.Held)
	})
}

func TestAPullThatItsContextEndedGivesTheReadingBackToTheBackground(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		for i := range 300 {
			<-time.After(time.Second) // the input is read in the background
			ctx, cancel := context.WithCancelCause(t.Context())
			pull := goDo(func() (wsstream.Message, error) { return e.conn.Readable().Pull(ctx) })
			for range i % 10 {
				runtime.Gosched()
			}
			cancel(errWhy)
			require.Equal(t, errWhy, (<-pull).err)
			e.peer.Send(wstest.Ping("who reads?"))
			e.peer.Want("an answer", wstest.Pong("who reads?"))
		}
	})
}

func TestOnceTheInputIsDroppedAnOpenMessageReaderIsNotInTheWayOfTheEnd(t *testing.T) {
	for what, c := range map[string]struct {
		drop func(e *end)
		err  func(*testing.T, *end, error)
	}{
		"Cancel":   {func(e *end) { _ = e.conn.Readable().Cancel(nil) }, is(io.EOF)},
		"CloseNow": {func(e *end) { e.conn.CloseNow() }, theEnd},
	} {
		t.Run(what, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(wstest.Text("half").Part())
				_, err := e.conn.Readable().NextMessage(patient(t))
				require.NoError(t, err)
				c.drop(e)
				_, err = e.conn.Readable().Pull(patient(t))
				c.err(t, e, err)
				_, err = e.conn.Readable().NextMessage(patient(t))
				c.err(t, e, err)
			})
		})
	}
}

func TestLeavingALoopOverMessagesSkipsTheRestOfTheMessage(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("half").Part())
		var left *wsstream.MessageReader
		for m, err := range e.conn.Readable().Messages(patient(t)) {
			require.NoError(t, err)
			left = m
			break
		}
		_, err := left.Read(make([]byte, 1))
		require.Equal(t, wsstream.ErrClosed, err)
		e.peer.Send(wstest.Cont([]byte(" and half"), true), wstest.Text("next"))
		require.Equal(t, "next", e.pull(t))
	})
}

func TestPullsInALoopAfterTheEndDoNotHoldUpTheClosingHandshake(t *testing.T) {
	for role, client := range map[string]bool{"client": true, "server": false} {
		t.Run(role, func(t *testing.T) {
			e := overTCP(t, config{CloseTimeout: 20 * time.Second}, client)
			require.NoError(t, e.conn.Readable().Cancel(nil))
			stop := make(chan struct{})
			var loops sync.WaitGroup
			for range 4 {
				loops.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							_, _ = e.conn.Readable().Pull(t.Context())
						}
					}
				})
			}
			e.peer.Want("our Close", wstest.CloseEmpty())
			e.peer.Send(wstest.Close(1000, ""))
			if client {
				e.peer.Close()
			}
			_, err := e.closed(t)
			close(stop)
			loops.Wait()
			require.NoError(t, err, "CloseTimeout ended it")
		})
	}
}

func TestDiscardDropsWhatComesAnswersPingsAndSeesTheClose(t *testing.T) {
	for name, before := range map[string]bool{"before opening": true, "after opening": false} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, &wsstream.DialOptions{ReadWindow: 1 << 10})
				peer := wstest.NewPeer(t, far, false)
				if before {
					conn.Readable().Discard()
				}
				peer.ServeHandshake()
				_, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				if !before {
					peer.Send(wstest.Text("unread"))
					conn.Readable().Discard()
				}
				pulled := goDo(func() (wsstream.Message, error) { return conn.Readable().Pull(patient(t)) })
				for range 50 {
					peer.Send(wstest.Binary(make([]byte, 10<<10)))
				}
				peer.Send(wstest.Ping("behind it all"))
				peer.Want("no window is full", wstest.Pong("behind it all"))
				require.NoError(t, conn.Writable().Write(patient(t), wsstream.Text("goes on")))
				peer.Want("the Writable goes on", wstest.Text("goes on"))
				require.Empty(t, pulled, "a Pull waits for the end")
				peer.Send(wstest.Close(1000, ""))
				peer.WantClose("it is seen", 1000)
				peer.Close()
				require.Equal(t, io.EOF, (<-pulled).err)
				require.Zero(t, conn.Stats().Received.Messages)
				require.Zero(t, conn.Stats().Received.Held)
			})
		})
	}
}

func TestAPullBehindANextMessageIsBusyWhenThatGetsItsMessage(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		opened := make(chan *wsstream.MessageReader, 1)
		go func() {
			m, err := e.conn.Readable().NextMessage(t.Context())
			if err == nil {
				opened <- m
			}
			close(opened)
		}()
		synctest.Wait()
		pulled := goPull(t, e) // waits its turn
		synctest.Wait()
		e.peer.Send(wstest.Text("one"), wstest.Text("two"))
		m := <-opened
		require.NotNil(t, m)
		require.Equal(t, wsstream.ErrBusy, (<-pulled).err)
		got, err := io.ReadAll(m)
		require.NoError(t, err)
		require.Equal(t, "one", string(got))
		require.Equal(t, "two", e.pull(t))
	})
}

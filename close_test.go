package wsstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

var unsendable = []wsstream.CloseInfo{
	{Code: -1},
	{Code: 1},
	{Code: 999},
	{Code: 1004},
	{Code: 1005},
	{Code: 1006},
	{Code: 1015},
	{Code: 1016},
	{Code: 2999},
	{Code: 5000},
	{Code: 1<<16 + 1000},
	{Code: 1000, Reason: strings.Repeat("x", 124)},
	{Reason: strings.Repeat("x", 124)},
	{Code: 1000, Reason: "\xff"},
	{Reason: "\xff"},
}

func TestACloseThatMayNotBeSentIsAnErrorInEveryStateAndChangesNothing(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		refused := func(state string) {
			for _, info := range unsendable {
				require.Error(t, e.conn.Close(info), "%s: %v", state, info)
				require.Error(t, e.conn.Shutdown(t.Context(), info), "%s: %v", state, info)
			}
		}
		refused("open")
		e.peer.Send(wstest.Text("hello"), wstest.Ping("alive?"))
		require.Equal(t, "hello", e.pull(t))
		e.peer.Want("nothing was sent", wstest.Pong("alive?"))
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("here")))
		e.peer.Want("the message", wstest.Text("here"))

		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		refused("closing")
		e.peer.Want("the Close", wstest.Close(1000, ""))
		e.peer.Send(wstest.Close(1000, ""))
		e.drop(t)
		_, err := e.closed(t)
		require.NoError(t, err)
		refused("closed")
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
	})
}

func TestCloseSendsWhatItIsGiven(t *testing.T) {
	type sent struct {
		info  wsstream.CloseInfo
		frame wstest.Frame
	}
	full := strings.Repeat("ü", 61) + "x" // 123 bytes
	cases := []sent{
		{wsstream.CloseInfo{}, wstest.CloseEmpty()},
		{wsstream.CloseInfo{Reason: "why"}, wstest.Close(1000, "why")},
		{wsstream.CloseInfo{Code: 1000, Reason: full}, wstest.Close(1000, full)},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999} {
		cases = append(cases, sent{wsstream.CloseInfo{Code: code}, wstest.Close(uint16(code), "")})
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%d %.3s", c.info.Code, c.info.Reason), func(t *testing.T) {
			inBubble(t, config{}, func(t *testing.T, e *end) {
				require.NoError(t, e.conn.Close(c.info))
				e.peer.Want("the Close", c.frame)
			})
		})
	}
}

// decisions are the ways to decide on a close, each with the code it is given.
var decisions = map[string]func(e *end, code int) error{
	"Close":  func(e *end, code int) error { return e.conn.Close(wsstream.CloseInfo{Code: code}) },
	"Cancel": func(e *end, code int) error { return e.conn.Readable().Cancel(withCode(code)) },
	"Abort":  func(e *end, code int) error { return e.conn.Writable().Abort(withCode(code)) },
}

func withCode(code int) error { return &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: code}} }

func TestTheFirstDecisionToCloseCountsAndLaterOnesSucceed(t *testing.T) {
	for first, decide := range decisions {
		for later, again := range decisions {
			t.Run(first+" then "+later, func(t *testing.T) {
				onEveryPath(t, config{}, func(t *testing.T, e *end) {
					require.NoError(t, decide(e, 3001))
					require.NoError(t, again(e, 3002))
					e.peer.Want("the first one's code", wstest.Close(3001, ""))
					require.NoError(t, again(e, 3003))
					e.peer.Send(wstest.CloseEmpty())
					e.drop(t)
					info, err := e.closed(t)
					require.NoError(t, err)
					require.Equal(t, 1005, info.Code)
					require.NoError(t, again(e, 3004))
				})
			})
		}
	}
}

func TestOfClosesAtOnceOneIsSent(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		var all []<-chan result
		for code := 3000; code < 3008; code++ {
			all = append(all, goDo(func() (wsstream.Message, error) {
				return wsstream.Message{}, e.conn.Close(wsstream.CloseInfo{Code: code})
			}))
		}
		for _, r := range all {
			require.NoError(t, (<-r).err)
		}
		f := e.nextClose(t)
		e.peer.Send(f)
		e.drop(t)
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, f, wstest.Close(uint16(info.Code), ""))
	})
}

func TestBothSidesClosingAtOnceIsClean(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 3001, Reason: "ours"}))
		e.peer.Send(wstest.Close(3002, "theirs"))
		e.peer.Want("our own Close and no answer", wstest.Close(3001, "ours"))
		e.drop(t)
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 3002, Reason: "theirs"}, info)
	})
}

// TestTheCodeOfACloseSaysWhatItsCauseWas is the table of codeFor, through all that sends its code.
func TestTheCodeOfACloseSaysWhatItsCauseWas(t *testing.T) {
	unclean, torn := lostEnd(t), &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1000}, Err: io.ErrUnexpectedEOF}
	long := strings.Repeat("x", 122) + "é"
	reason := func(code int, reason string) error {
		return &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: code, Reason: reason}}
	}
	done := wstest.CloseEmpty() // of Abort and Cancel; 1000 of Fail
	for _, c := range []struct {
		what  string
		cause error
		frame wstest.Frame
	}{
		{"nil", nil, done},
		{"io.EOF", io.EOF, done},
		{"ErrClosed", wsstream.ErrClosed, done},
		{"stream.ErrClosed", fmt.Errorf("here: %w", stream.ErrClosed), done},
		{"the cause of an end in order", &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1000}, Err: wsstream.ErrClosed}, done},
		{"no code", withCode(1005), done},
		{"plain", errWhy, wstest.Close(1011, "")},
		{"an error that cannot be compared", strange{[]int{1}}, wstest.Close(1011, "")},
		{"a deadline", context.DeadlineExceeded, wstest.Close(1011, "")},
		{"context.Canceled", context.Canceled, wstest.Close(1001, "")},
		{"context.Canceled inside", fmt.Errorf("here: %w", context.Canceled), wstest.Close(1001, "")},
		{"io.EOF inside", fmt.Errorf("here: %w", io.EOF), wstest.Close(1011, "")},
		{"Error", reason(1011, "oops"), wstest.Close(1011, "oops")},
		{"1000", reason(1000, "done"), wstest.Close(1000, "done")},
		{"the peer's", reason(4001, "enough"), wstest.Close(4001, "enough")},
		{"wrapped", fmt.Errorf("here: %w", withCode(3001)), wstest.Close(3001, "")},
		{"joined", errors.Join(errWhy, withCode(3001)), wstest.Close(3001, "")},
		{"beside context.Canceled", errors.Join(context.Canceled, withCode(3001)), wstest.Close(3001, "")},
		{"code 0", reason(0, "so"), wstest.Close(1011, "so")},
		{"1006", reason(1006, "so"), wstest.Close(1011, "")},
		{"1015", reason(1015, "so"), wstest.Close(1011, "")},
		{"an unclean end", unclean, wstest.Close(1011, "")},
		{"a message cut short", torn, wstest.Close(1011, "")},
		{"a message cut short without a code", &wsstream.Error{
			CloseInfo: wsstream.CloseInfo{Code: 1005}, Err: io.ErrUnexpectedEOF,
		}, wstest.Close(1011, "")},
		{"no *Error in an error", (*wsstream.Error)(nil), wstest.Close(1011, "")},
		{"a reason that fits", reason(3001, long[:122]+"y"), wstest.Close(3001, long[:122]+"y")},
		{"a reason that is too long", reason(3001, long), wstest.Close(3001, long[:122])},
		{"a reason that is not UTF-8", reason(3001, "\xff"), wstest.Close(3001, "")},
	} {
		t.Run(c.what, func(t *testing.T) {
			want := c.cause
			if want == nil {
				want = wsstream.ErrClosed
			}
			inBubble(t, config{}, func(t *testing.T, e *end) {
				require.NoError(t, e.conn.Writable().Abort(c.cause))
				e.peer.Want("Abort's Close", c.frame)
				require.Equal(t, want, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
				require.Equal(t, want, e.conn.Writable().Close(t.Context()))
			})
			inBubble(t, config{}, func(t *testing.T, e *end) {
				require.NoError(t, e.conn.Readable().Cancel(c.cause))
				e.peer.Want("Cancel's Close", c.frame)
				require.Equal(t, wsstream.ErrClosed, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
			})
			inBubble(t, config{}, func(t *testing.T, e *end) {
				failed := goDo(func() (m wsstream.Message, err error) {
					return m, e.conn.Writable().Fail(patient(t), c.cause)
				})
				frame := c.frame
				if len(frame.Payload) == 0 {
					frame = wstest.Close(1000, "")
				}
				e.peer.Want("Fail's Close", frame)
				require.Equal(t, want, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
				e.peer.Send(frame)
				e.drop(t)
				require.NoError(t, (<-failed).err, "the peer agreed")
			})
		})
	}
}

// A strange error cannot be compared with ==.
type strange struct{ what []int }

func (strange) Error() string { return "strange" }

// lostEnd returns the error of an end without a Close frame.
func lostEnd(t *testing.T) (err error) {
	synctest.Test(t, func(t *testing.T) {
		e := inMemory(t, config{}, true)
		e.peer.Close()
		_, err = e.closed(t)
	})
	return err
}

// TestFailTakesItsTurnAndDropsNothing is Fail as Close is, with a cause.
func TestFailTakesItsTurnAndDropsNothing(t *testing.T) {
	inBubble(t, config{WriteWindow: 1000, Limit: 1}, func(t *testing.T, e *end) {
		e.net.(*memnet.Conn).Stall(true)
		first := goWrite(t, e, wsstream.Binary(make([]byte, 2000)))
		synctest.Wait()
		second := goWrite(t, e, wsstream.Text("waits its turn"))
		synctest.Wait()

		ctx, cancel := withCause(t)
		early := goDo(func() (m wsstream.Message, err error) { return m, e.conn.Writable().Fail(ctx, errReason) })
		synctest.Wait()
		cancel(errWhy)
		require.Equal(t, errWhy, (<-early).err, "before its turn nothing has happened")

		ctx, cancel = withCause(t)
		failed := goDo(func() (m wsstream.Message, err error) { return m, e.conn.Writable().Fail(ctx, withCode(4002)) })
		synctest.Wait()
		third := goWrite(t, e, wsstream.Text("behind it"))
		synctest.Wait()
		e.net.(*memnet.Conn).Stall(false)
		require.Len(t, readMessage(t, e), 2000)
		e.peer.Want("all that was accepted before, then the Close", wstest.Text("waits its turn"), wstest.Close(4002, ""))
		require.NoError(t, (<-first).err)
		require.NoError(t, (<-second).err)
		require.Equal(t, 4002, wsstream.CloseCode((<-third).err), "Writes behind it fail with the cause")
		cancel(errWhy)
		require.Equal(t, errWhy, (<-failed).err, "the end of its context ends the wait, and the decision stands")
		require.Equal(t, 4002, wsstream.CloseCode(e.conn.Writable().Write(t.Context(), wsstream.Text("x"))))
		e.peer.Send(wstest.Close(4002, ""))
		e.drop(t)
		require.NoError(t, e.conn.Shutdown(t.Context(), wsstream.CloseInfo{}))
	})
}

func TestAnAbortBehindAFailDropsWhatIsUnsentAndChangesNeitherCodeNorError(t *testing.T) {
	inBubble(t, config{MaxFrameSize: 16 << 10, Limit: 4 << 10}, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		failed := goDo(func() (m wsstream.Message, err error) { return m, e.conn.Writable().Fail(patient(t), withCode(4002)) })
		synctest.Wait()
		require.NoError(t, e.conn.Writable().Abort(errWhy))
		require.Equal(t, 4002, wsstream.CloseCode(e.conn.Writable().Write(t.Context(), wsstream.Text("x"))))
		sent := 0
		for {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if f.Op == ws.OpClose {
				require.Equal(t, wstest.Close(4002, "").Payload, f.Payload)
				break
			}
			sent += len(f.Payload)
		}
		require.Less(t, sent, size/4)
		e.peer.Send(wstest.Close(4002, ""))
		e.drop(t)
		require.NoError(t, (<-failed).err)
	})
}

func TestAFailBehindAStalledPeerIsCutAfterCloseTimeoutFromItsTurnOn(t *testing.T) {
	inBubble(t, config{CloseTimeout: 3 * time.Second, Limit: 100}, func(t *testing.T, e *end) {
		e.stuff(t, true)
		start := time.Now()
		theEnd(t, e, e.conn.Writable().Fail(patient(t), errWhy))
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, errWhy, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
		require.Equal(t, errWhy, e.conn.Writable().Close(t.Context()), "what ended the Writable stays")
	})
}

func TestCloseEndsWritesAtOnceAndSendsWhatWasAccepted(t *testing.T) {
	for what, decide := range map[string]func(e *end, code int) error{"Close": decisions["Close"], "Cancel": decisions["Cancel"]} {
		t.Run(what, func(t *testing.T) {
			onEveryPath(t, config{WriteWindow: 256, Limit: 64 << 10}, func(t *testing.T, e *end) {
				size := e.stuff(t, true)
				waiting := goWrite(t, e, wsstream.Text("waits"))
				ready := goDo(func() (wsstream.Message, error) { return wsstream.Message{}, e.conn.Writable().Ready(patient(t)) })
				e.quiet()
				require.NoError(t, decide(e, 3001))
				require.Equal(t, wsstream.ErrClosed, (<-waiting).err)
				require.Equal(t, wsstream.ErrClosed, (<-ready).err)
				require.Equal(t, wsstream.ErrClosed, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
				require.Zero(t, e.conn.Writable().DesiredSize())

				require.Equal(t, size, e.wantData(t))
				e.peer.Want("the Close behind what was accepted", wstest.Close(3001, ""))
			})
		})
	}
}

func TestCloseWaitsForAWriteThatWasAdmitted(t *testing.T) {
	inBubble(t, config{WriteWindow: 256, MaxFrameSize: 1 << 10, Limit: 4 << 10}, func(t *testing.T, e *end) {
		const size = 64 << 10
		written := goWrite(t, e, wsstream.Binary(make([]byte, size)))
		e.quiet()
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 3001}))
		require.Equal(t, size, e.wantData(t))
		e.peer.Want("the Close behind it", wstest.Close(3001, ""))
		require.NoError(t, (<-written).err)
	})
}

func TestNothingIsAcceptedBehindThePeersClose(t *testing.T) {
	inBubble(t, config{Limit: 4 << 10}, func(t *testing.T, e *end) {
		const size = 16 << 10
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, size))))
		e.peer.Send(wstest.Close(3001, ""))
		e.notice()
		require.Positive(t, e.conn.Writable().DesiredSize(), "it is not for want of credit")
		write := goWrite(t, e, wsstream.Text("beyond"))
		ready := goDo(func() (wsstream.Message, error) { return wsstream.Message{}, e.conn.Writable().Ready(patient(t)) })
		ok, _ := e.conn.Writable().TryWrite(wsstream.Text("beyond"))
		require.False(t, ok)
		e.quiet()

		require.Equal(t, size, e.wantData(t))
		e.wantClose(t, wstest.Close(3001, ""))
		e.drop(t)
		told(3001, "")(t, e, (<-write).err)
		told(3001, "")(t, e, (<-ready).err)
		_, err := e.closed(t)
		require.NoError(t, err)
	})
}

func TestAbortDropsWhatWasAcceptedAndFailsAWriteThatIsBlocked(t *testing.T) {
	onEveryPath(t, config{WriteWindow: 256, MaxFrameSize: 16 << 10, Limit: 64 << 10}, func(t *testing.T, e *end) {
		const size = 4 << 20
		blocked := goWrite(t, e, wsstream.Binary(make([]byte, size)))
		f, err := e.peer.Next()
		require.NoError(t, err)
		require.False(t, f.Fin)
		e.quiet()
		waiting := goWrite(t, e, wsstream.Text("waits"))
		e.quiet()
		require.NoError(t, e.conn.Writable().Abort(errWhy))
		require.Equal(t, errWhy, (<-blocked).err)
		require.Equal(t, errWhy, (<-waiting).err)

		e.wantClose(t, wstest.Close(1011, "")) // Next sees to it that only whole frames stand before it
		e.peer.Send(wstest.Close(3001, ""))
		e.drop(t)
		info, err := e.closed(t)
		require.NoError(t, err, "what was dropped on purpose does not make the end unclean")
		require.Equal(t, 3001, info.Code)
	})
}

func TestAbortDropsWhatWasAcceptedAndThatIsNotUnclean(t *testing.T) {
	c := config{WriteWindow: 256, MaxFrameSize: 16 << 10, Limit: 4 << 10}
	inBubble(t, c, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		synctest.Wait()
		require.NoError(t, e.conn.Writable().Abort(nil))
		require.Zero(t, e.conn.Writable().DesiredSize())
		sent := 0
		for {
			f, err := e.peer.Next()
			require.NoError(t, err)
			if f.Op == ws.OpClose {
				break
			}
			require.False(t, f.Fin)
			sent += len(f.Payload)
		}
		require.Less(t, sent, size/4)
	})
	inBubble(t, c, func(t *testing.T, e *end) { // nor is the end, when not even our Close got out
		e.stuff(t, true)
		synctest.Wait()
		require.NoError(t, e.conn.Writable().Abort(errWhy))
		e.peer.Send(wstest.Close(3001, ""))
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, 3001, info.Code)
	})
}

func TestCancelEndsPullsAtOnceAndDiscardsWhatComes(t *testing.T) {
	onEveryPath(t, config{ReadWindow: 256}, func(t *testing.T, e *end) {
		first, second := goPull(t, e), goPull(t, e)
		e.quiet()
		require.NoError(t, e.conn.Readable().Cancel(nil))
		require.Equal(t, io.EOF, (<-first).err)
		require.Equal(t, io.EOF, (<-second).err)
		e.peer.Want("the Close", wstest.CloseEmpty())
		e.peer.Send(wstest.Binary(make([]byte, 512<<10)), wstest.Close(3001, "")) // behind far more than the window
		e.drop(t)
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, 3001, info.Code)
		_, err = e.conn.Readable().Pull(t.Context())
		require.Equal(t, io.EOF, err)
	})
}

func TestCloseNowEndsEveryCall(t *testing.T) {
	full := config{WriteWindow: 256, Limit: 64 << 10}
	calls := map[string]func(context.Context, *end) error{
		"Pull":           func(ctx context.Context, e *end) error { _, err := e.conn.Readable().Pull(ctx); return err },
		"NextMessage":    func(ctx context.Context, e *end) error { _, err := e.conn.Readable().NextMessage(ctx); return err },
		"Write":          func(ctx context.Context, e *end) error { return e.conn.Writable().Write(ctx, wsstream.Text("x")) },
		"Ready":          func(ctx context.Context, e *end) error { return e.conn.Writable().Ready(ctx) },
		"Flush":          func(ctx context.Context, e *end) error { return e.conn.Writable().Flush(ctx) },
		"Writable.Close": func(ctx context.Context, e *end) error { return e.conn.Writable().Close(ctx) },
		"NewMessage": func(ctx context.Context, e *end) error {
			w, err := e.conn.Writable().NewMessage(ctx, wsstream.TypeText)
			if err == nil {
				_, err = w.Write([]byte("x"))
			}
			return err
		},
		"All": func(ctx context.Context, e *end) (err error) {
			for _, err = range e.conn.Readable().All(ctx) {
			}
			return err
		},
	}
	for what, call := range calls {
		t.Run(what, func(t *testing.T) {
			onEveryPath(t, full, func(t *testing.T, e *end) {
				e.stuff(t, true)
				got := goDo(func() (wsstream.Message, error) { return wsstream.Message{}, call(patient(t), e) })
				e.quiet()
				e.conn.CloseNow()
				theEnd(t, e, (<-got).err)
				e.conn.CloseNow()
			})
		})
	}
}

func TestCloseNowBehindBothCloseFramesLeavesTheEndAsItIs(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("unread"), wstest.Close(3001, "bye"))
		e.wantClose(t, wstest.Close(3001, "")) // a client waits for the server to drop the transport
		<-e.conn.Readable().Done()
		e.conn.CloseNow()
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 3001, Reason: "bye"}, info)
		_, err = e.conn.Readable().Pull(patient(t))
		told(3001, "bye")(t, e, err) // what is unread is dropped
		require.Equal(t, err, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
	})
}

func TestShutdownSaysHowItEnded(t *testing.T) {
	onEveryPath(t, config{ReadWindow: 256, Limit: 64 << 10}, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		ended := goDo(func() (wsstream.Message, error) {
			return wsstream.Message{}, e.conn.Shutdown(patient(t), wsstream.CloseInfo{Code: 1001})
		})
		require.Equal(t, size, e.wantData(t))
		e.peer.Want("the Close behind what was accepted", wstest.Close(1001, ""))
		e.peer.Send(wstest.Binary(make([]byte, 64<<10)), wstest.Close(1001, "")) // nobody pulls
		e.drop(t)
		require.NoError(t, (<-ended).err)
	})
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := goDo(func() (wsstream.Message, error) {
			return wsstream.Message{}, e.conn.Shutdown(ctx, wsstream.CloseInfo{})
		})
		e.peer.Want("the Close", wstest.CloseEmpty())
		cancel(errWhy)
		require.Equal(t, errWhy, (<-ended).err)
		_, err := e.closed(t)
		unclean(1006, "cut")(t, e, err)
	})
	onEveryPath(t, config{}, func(t *testing.T, e *end) { // the context ends when all has ended
		e.peer.Send(wstest.Close(1000, ""))
		e.wantClose(t, wstest.Close(1000, ""))
		e.drop(t)
		_, err := e.closed(t)
		require.NoError(t, err)
		ctx, cancel := withCause(t)
		cancel(errWhy)
		require.NoError(t, e.conn.Shutdown(ctx, wsstream.CloseInfo{}))
	})
}

// onSockets runs f with a server's Conn on each transport that takes without waiting, and with the peer's end of it.
func onSockets(t *testing.T, c config, f func(t *testing.T, e *end)) {
	for name, pipe := range map[string]func(t *testing.T, limit int) (near, far net.Conn){
		"tcp":  func(t *testing.T, limit int) (near, far net.Conn) { return tcpPipe(t, limit) },
		"unix": func(t *testing.T, _ int) (near, far net.Conn) { return unixPipe(t) },
		"tls":  tlsPipe,
	} {
		t.Run(name, func(t *testing.T) {
			near, far := pipe(t, c.Limit)
			f(t, open(t, c, false, near, far))
		})
	}
}

// TestCloseNowGivesTheKernelWhatWasAccepted: a handler that writes, has its Writes return nil, and returns, with a CloseNow
// in a defer, lost messages for every client.
func TestCloseNowGivesTheKernelWhatWasAccepted(t *testing.T) {
	for _, n := range []int{1, 10, 1000} {
		for range 20 {
			onSockets(t, config{}, func(t *testing.T, e *end) {
				for i := range n {
					require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text(fmt.Sprint(i))))
				}
				e.conn.CloseNow()
				for i := range n {
					e.peer.Want("what was accepted", wstest.Text(fmt.Sprint(i)))
				}
				_, err := e.closed(t)
				unclean(1006, "cut")(t, e, err)
			})
		}
	}
}

// TestCloseNowResetsNoConnectionOverUnreadInput: a socket that is closed over unread bytes is reset, and the kernel throws
// away what it had taken to send.
func TestCloseNowResetsNoConnectionOverUnreadInput(t *testing.T) {
	onSockets(t, config{ReadWindow: 256, WriteWindow: -1}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Binary(make([]byte, 32<<10)), wstest.Ping("never read"))
		for e.conn.Stats().Received.Held < 256 {
			runtime.Gosched()
		}
		for range 100 { // more than the kernel takes
			ok, err := e.conn.Writable().TryWrite(wsstream.Binary(make([]byte, 256<<10)))
			require.NoError(t, err)
			require.True(t, ok)
		}
		e.conn.CloseNow()
		sent := e.conn.Stats().Sent
		n, err := io.Copy(io.Discard, e.far)
		if err != io.ErrUnexpectedEOF { //nolint:errorlint // TLS without its own goodbye
			require.NoError(t, err, "after %d bytes", n)
		}
		require.Positive(t, sent.Messages)
		require.Greater(t, n, int64(64<<10), "the kernel had taken more than that")
	})
}

// TestCloseNowWaitsForNoPeer: a stalled peer and a Write that waits for it hold up no cut.
func TestCloseNowWaitsForNoPeer(t *testing.T) {
	onSockets(t, config{Limit: 16 << 10}, func(t *testing.T, e *end) {
		written := goWrite(t, e, wsstream.Binary(make([]byte, 32<<20)))
		for e.conn.Stats().Sent.Held == 0 {
			runtime.Gosched()
		}
		message := goDo(func() (m wsstream.Message, err error) {
			_, err = e.conn.Writable().NewMessage(patient(t), wsstream.TypeText)
			return m, err
		})
		e.conn.CloseNow()
		_, _, settled := e.conn.Closed().Peek()
		require.True(t, settled)
		theEnd(t, e, (<-written).err)
		theEnd(t, e, (<-message).err)
	})
}

func TestAFlushWhoseContextEndsWhileItsBytesLeaveGivesTheCause(t *testing.T) {
	inBubble(t, config{CloseTimeout: time.Minute, Limit: 1 << 10}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 16<<10))))
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errWhy)
		defer cancel()
		require.Equal(t, errWhy, e.conn.Writable().Flush(ctx), "they may still leave")
	})
}

func TestTheCloseOfAMessageWaitsForTheEndNoLongerThanItsContext(t *testing.T) {
	inBubble(t, config{CloseTimeout: time.Minute}, func(t *testing.T, e *end) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, errWhy)
		defer cancel()
		w := e.newMessage(t, ctx)
		_, err := io.WriteString(w, "x")
		require.NoError(t, err)
		e.peer.Send(wstest.Frame{Fin: true, Op: 3}) // we close, and wait for the peer
		e.notice()
		start := time.Now()
		require.Error(t, w.Close())
		require.LessOrEqual(t, time.Since(start), 2*time.Second)
	})
}

package wsstream_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

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

// TestCloseRefusesWhatMayNotBeSent: that is an error before, during and after the close, and
// changes nothing.
func TestCloseRefusesWhatMayNotBeSent(t *testing.T) {
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

func TestCloseSendsItsCodeAndReason(t *testing.T) {
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
	for _, code := range []int{
		1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999,
	} {
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

// TestCloseKeepsTheFirstDecision: later decisions succeed and change nothing.
func TestCloseKeepsTheFirstDecision(t *testing.T) {
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

func TestCloseCalledConcurrentlySendsOneFrame(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		var all []<-chan result
		for code := 3000; code < 3008; code++ {
			all = append(all, goErr(func() error {
				return e.conn.Close(wsstream.CloseInfo{Code: code})
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

// TestCloseCodeFollowsFromTheCause is the table of codeFor, through all that sends its code.
func TestCloseCodeFollowsFromTheCause(t *testing.T) {
	unclean := lostEnd(t)
	torn := &wsstream.Error{
		CloseInfo: wsstream.CloseInfo{Code: 1000},
		Err:       io.ErrUnexpectedEOF,
	}
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
		{
			"the cause of an end in order",
			&wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1000}, Err: wsstream.ErrClosed},
			done,
		},
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
		{
			"beside context.Canceled",
			errors.Join(context.Canceled, withCode(3001)),
			wstest.Close(3001, ""),
		},
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
				failed := goErr(func() error {
					return e.conn.Writable().Fail(patient(t), c.cause)
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

func TestCloseEndsWritesAndSendsWhatWasAccepted(t *testing.T) {
	for what, decide := range map[string]func(e *end, code int) error{
		"Close": decisions["Close"], "Cancel": decisions["Cancel"],
	} {
		t.Run(what, func(t *testing.T) {
			onEveryPath(t, config{WriteWindow: 256, Limit: 64 << 10}, func(t *testing.T, e *end) {
				size := e.stuff(t, true)
				waiting := goWrite(t, e, wsstream.Text("waits"))
				ready := goErr(func() error { return e.conn.Writable().Ready(patient(t)) })
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

func TestCloseWaitsForAnAdmittedWrite(t *testing.T) {
	c := config{WriteWindow: 256, MaxFrameSize: 1 << 10, Limit: 4 << 10}
	inBubble(t, c, func(t *testing.T, e *end) {
		const size = 64 << 10
		written := goWrite(t, e, wsstream.Binary(make([]byte, size)))
		e.quiet()
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 3001}))
		require.Equal(t, size, e.wantData(t))
		e.peer.Want("the Close behind it", wstest.Close(3001, ""))
		require.NoError(t, (<-written).err)
	})
}

func TestWriteIsRefusedBehindThePeersClose(t *testing.T) {
	inBubble(t, config{Limit: 4 << 10}, func(t *testing.T, e *end) {
		const size = 16 << 10
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, size))))
		e.peer.Send(wstest.Close(3001, ""))
		e.notice()
		require.Positive(t, e.conn.Writable().DesiredSize(), "it is not for want of credit")
		write := goWrite(t, e, wsstream.Text("beyond"))
		ready := goErr(func() error { return e.conn.Writable().Ready(patient(t)) })
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

func TestShutdownOfAConnReturnsHowItEnded(t *testing.T) {
	onEveryPath(t, config{ReadWindow: 256, Limit: 64 << 10}, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		ended := goErr(func() error {
			return e.conn.Shutdown(patient(t), wsstream.CloseInfo{Code: 1001})
		})
		require.Equal(t, size, e.wantData(t))
		e.peer.Want("the Close behind what was accepted", wstest.Close(1001, ""))
		e.peer.Send(wstest.Binary(make([]byte, 64<<10)), wstest.Close(1001, "")) // no call pulls
		e.drop(t)
		require.NoError(t, (<-ended).err)
	})
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := goErr(func() error {
			return e.conn.Shutdown(ctx, wsstream.CloseInfo{})
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

func TestClosedReportsThePeersCode(t *testing.T) {
	for _, tc := range []struct {
		name  string
		frame wstest.Frame
		want  wsstream.CloseInfo
	}{
		{"1000", wstest.Close(1000, ""), wsstream.CloseInfo{Code: 1000}},
		{"1012", wstest.Close(1012, "restart"), wsstream.CloseInfo{Code: 1012, Reason: "restart"}},
		{"1013", wstest.Close(1013, ""), wsstream.CloseInfo{Code: 1013}},
		{"1014", wstest.Close(1014, ""), wsstream.CloseInfo{Code: 1014}},
		{"3000", wstest.Close(3000, "λόγος"), wsstream.CloseInfo{Code: 3000, Reason: "λόγος"}},
		{"4999", wstest.Close(4999, ""), wsstream.CloseInfo{Code: 4999}},
		{"none", wstest.CloseEmpty(), wsstream.CloseInfo{Code: 1005}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 4001, Reason: "ours"}))
				e.peer.Want("our Close", wstest.Close(4001, "ours"))
				e.peer.Send(tc.frame)
				e.peer.Close()
				info, err := e.closed(t)
				require.NoError(t, err)
				require.Equal(t, tc.want, info)
			})
		})
	}
}

// TestCloseFromBothSidesIsClean has each side close first, and both before either has seen the
// other's.
func TestCloseFromBothSidesIsClean(t *testing.T) {
	ours := wsstream.CloseInfo{Code: 3002, Reason: "ours"}
	clean := func(t *testing.T, e *end) {
		if e.client {
			e.peer.Close()
		} else {
			e.peer.WantEOF("there is no second Close, and the server drops the transport")
		}
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 3001, Reason: "theirs"}, info)
	}
	t.Run("ours is first", func(t *testing.T) {
		onEveryPath(t, config{}, func(t *testing.T, e *end) {
			require.NoError(t, e.conn.Close(ours))
			e.peer.Send(wstest.Close(3001, "theirs"))
			e.peer.Want("our Close, which is no answer", wstest.Close(3002, "ours"))
			clean(t, e)
		})
	})
	t.Run("theirs is first", func(t *testing.T) {
		onEveryPath(t, config{}, func(t *testing.T, e *end) {
			e.peer.Send(wstest.Close(3001, "theirs"))
			require.NoError(t, e.conn.Close(ours))
			f, err := e.peer.Next()
			require.NoError(t, err)
			require.Equal(t, wstest.OpClose, f.Op) // ours, or the answer to theirs
			clean(t, e)
		})
	})
	t.Run("they cross", func(t *testing.T) {
		inBubble(t, config{}, func(t *testing.T, e *end) {
			e.far.(*memnet.Conn).Stall(true)
			e.peer.Send(wstest.Close(3001, "theirs"))
			require.NoError(t, e.conn.Close(ours))
			e.peer.Want("our Close, although theirs is on its way", wstest.Close(3002, "ours"))
			e.far.(*memnet.Conn).Stall(false)
			if e.client {
				e.peer.WantIdle("there is no second Close")
			}
			clean(t, e)
		})
	})
}

func TestCloseIsAnsweredWithTheSameCode(t *testing.T) {
	for _, frame := range []wstest.Frame{
		wstest.Close(1000, "bye"), wstest.Close(1014, ""), wstest.Close(4321, ""), wstest.CloseEmpty(),
	} {
		t.Run(frame.String(), func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(frame)
				e.peer.Want(
					"the same code, without the reason",
					wstest.Frame{
						Fin:     true,
						Op:      wstest.OpClose,
						Payload: frame.Payload[:min(2, len(frame.Payload))],
					},
				)
			})
		})
	}
}

func TestCloseThatBreaksARuleIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		body []byte
		code uint16
	}{
		{"a reason that is not UTF-8", []byte("\x03\xe8a\xff"), 1007},
		{"a reason cut in a character", []byte("\x03\xe8\xcf"), 1007},
		{"one byte", []byte{3}, 1002},
		{"0", wstest.Close(0, "").Payload, 1002},
		{"999", wstest.Close(999, "").Payload, 1002},
		{"1004", wstest.Close(1004, "").Payload, 1002},
		{"1005", wstest.Close(1005, "").Payload, 1002},
		{"1006", wstest.Close(1006, "").Payload, 1002},
		{"1015", wstest.Close(1015, "").Payload, 1002},
		{"2999", wstest.Close(2999, "").Payload, 1002},
		{"5000", wstest.Close(5000, "").Payload, 1002},
		{"65535", wstest.Close(65535, "").Payload, 1002},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onEveryPath(t, config{CloseTimeout: -1}, func(t *testing.T, e *end) {
				e.peer.Send(wstest.Text("before"),
					wstest.Frame{Fin: true, Op: wstest.OpClose, Payload: tc.body})
				e.peer.WantClose("the answer", tc.code)
				e.peer.WantEOF("and half-closes")
				e.peer.Close()
				want1006(t, e)
				require.Equal(t, "before", e.pull(t))
			})
		})
	}
}

func TestClosedSettlesAfterBothStreams(t *testing.T) {
	for name, finish := range map[string]func(e *end){
		"clean":   func(e *end) { _ = e.peer.Write(wstest.Close(1000, "")); e.peer.Close() },
		"lost":    func(e *end) { e.peer.Close() },
		"ours":    func(e *end) { e.conn.CloseNow() },
		"broken":  func(e *end) { _ = e.peer.Write(wstest.Frame{Op: wstest.OpPing}); e.peer.Close() },
		"cancel":  func(e *end) { _ = e.conn.Readable().Cancel(nil); e.peer.Close() },
		"aborted": func(e *end) { _ = e.conn.Writable().Abort(nil); e.peer.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inEveryWay(t, config{}, func(t *testing.T, e *end, w receiving) {
				all := w.receive(t, e).all(t)
				finish(e)
				<-e.conn.Closed().Done()
				for what, done := range map[string]<-chan struct{}{
					"readable": e.conn.Readable().Done(), "writable": e.conn.Writable().Done(),
				} {
					select {
					case <-done:
					default:
						require.FailNow(t, "not final: "+what)
					}
				}
				require.Error(t, (<-all).err)
				ok, err := e.conn.Writable().TryWrite(wsstream.Text("x"))
				require.False(t, ok)
				require.Error(t, err)
			})
		})
	}
}

func TestCallsAfterTheEndReturnTheSameErrorEachTime(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Close()
		_, end := e.closed(t)
		require.Error(t, end)
		for range 5000 { // gorilla panics at the 1,000th read
			_, err := e.conn.Readable().Pull(t.Context())
			require.Equal(t, end, err)
			require.Equal(t, end, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
		}
	})
}

func TestCloseCodeOfAFailureIsThePeersAnswerOr1006(t *testing.T) {
	for name, option := range map[string]config{
		"PongTimeout":       {PingInterval: time.Second, PongTimeout: time.Second},
		"WriteStallTimeout": {WriteStallTimeout: time.Second, Limit: 4 << 10, WriteWindow: 4 << 10},
		"MaxMessageSize":    {MaxMessageSize: 10},
		"frames in a row":   {},
	} {
		for _, answered := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", answered: ", answered), func(t *testing.T) {
				inBubble(t, option, func(t *testing.T, e *end) {
					code := 1008
					pull, write := goPull(t, e), (<-chan result)(nil)
					switch name {
					case "WriteStallTimeout":
						write = goWrite(t, e, wsstream.Binary(make([]byte, 64<<10)))
						<-time.After(1500 * time.Millisecond)
					case "MaxMessageSize":
						code = 1009
						e.peer.Send(wstest.Binary(make([]byte, 11)))
					case "frames in a row":
						e.peer.Send(slices.Repeat([]wstest.Frame{wstest.Pong("")}, maxRow+1)...)
					}
					f := wstest.Frame{}
					for f.Op != wstest.OpClose {
						var err error
						f, err = e.peer.Next()
						require.NoError(t, err)
					}
					require.EqualValues(t, code, binary.BigEndian.Uint16(f.Payload), "on the wire")
					want := 1006
					if answered {
						if name != "frames in a row" { // behind which nothing is parsed
							want = code
						}
						e.peer.Send(wstest.Close(uint16(code), ""))
					}
					e.peer.Close()
					for _, call := range []<-chan result{pull, write} {
						if call == nil {
							continue
						}
						err := (<-call).err
						require.Equal(t, want, wsstream.CloseCode(err), err)
						require.ErrorContains(t, err, name)
						require.ErrorContains(t, err, fmt.Sprint("we closed with ", code))
					}
				})
			})
		}
	}
}

func TestEOFComesOnceOurCloseHasLeft(t *testing.T) {
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

// TestCloseStopsPongsAndStillDeliversMessages: behind our Close nothing may be sent, and the
// peer may still send.
func TestCloseStopsPongsAndStillDeliversMessages(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		e.peer.Want("the Close", wstest.Close(1000, ""))
		e.peer.Send(wstest.Ping("late?"), wstest.Text("late"), wstest.Ping("later?"))
		require.Equal(t, "late", e.pull(t))
		e.peer.Send(wstest.Text("later"), wstest.Close(1000, ""))
		require.Equal(t, "later", e.pull(t))
		_, err := e.conn.Readable().Pull(patient(t))
		require.Equal(t, io.EOF, err)
		if e.client {
			e.peer.CloseWrite()
		}
		e.peer.WantEOF("nothing but the end of the transport")
		_, err = e.closed(t)
		require.NoError(t, err)
	})
}

func TestCloseThatIsQueuedStopsPongs(t *testing.T) {
	c := config{WriteWindow: 256, MaxFrameSize: 1 << 10, Limit: 4 << 10}
	inBubble(t, c, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{}))
		e.peer.Send(wstest.Ping("late?"))
		e.notice()
		require.Equal(t, size, e.wantData(t)) // fails on a pong
		e.peer.Want("the Close", wstest.CloseEmpty())
	})
}

func TestCloseOfThePeerEndsItsInput(t *testing.T) {
	onEveryPath(t, config{Limit: 64 << 10, WriteWindow: 256}, func(t *testing.T, e *end) {
		size := e.stuff(t, true) // keeps the connection from ending
		e.peer.Send(wstest.Text("last"), wstest.Close(1000, ""), wstest.Text("beyond"),
			wstest.Frame{Fin: true, Op: 3})
		require.Equal(t, "last", e.pull(t))
		e.peer.Send(wstest.Binary(make([]byte, 512<<10))) // and it is taken
		require.Equal(t, size, e.wantData(t))
		e.peer.Want("the answer", wstest.Close(1000, ""))
		_, err := e.conn.Readable().Pull(patient(t))
		require.Equal(t, io.EOF, err)
	})
}

func TestPullDeliversMessagesBetweenTheTwoCloseFrames(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		e.peer.WantClose("our Close", 1000)
		e.peer.Send(wstest.Text("still"), wstest.Text(strings.Repeat("y", 1000)), wstest.Text("here"))
		require.Equal(t, "still", e.pull(t))
		e.peer.Send(wstest.Close(1000, ""))
		e.peer.Close()
		_, err := e.closed(t)
		require.NoError(t, err)
		require.Len(t, e.pull(t), 1000)
		require.Equal(t, "here", e.pull(t))
		_, err = e.conn.Readable().Pull(patient(t))
		require.Equal(t, io.EOF, err)
	})
}

func TestPullIgnoresWhatComesAfterThePeersClose(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("before"), wstest.Close(1000, ""), wstest.Text("after"),
			wstest.Ping("after"), wstest.Close(1002, "second"),
			wstest.Frame{Fin: true, Op: 0xb, Payload: []byte("not a frame")})
		e.peer.WantClose("the first Close is answered, and no ping", 1000)
		e.peer.Close()
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 1000}, info)
		require.Equal(t, "before", e.pull(t))
		_, err = e.conn.Readable().Pull(patient(t))
		require.Equal(t, io.EOF, err)
	})
}

func TestErrClosedIsStreamsErrClosed(t *testing.T) {
	require.EqualError(t, wsstream.ErrClosed, "wsstream: connection closed")
	require.ErrorIs(t, wsstream.ErrClosed, stream.ErrClosed)
	require.ErrorIs(t, stream.ErrClosed, wsstream.ErrClosed)
	require.ErrorIs(t, fmt.Errorf("write: %w", wsstream.ErrClosed), stream.ErrClosed)
	q := stream.NewQueue[int](0)
	require.NoError(t, q.Cancel(wsstream.ErrClosed))
	require.NoError(t, q.Close(t.Context()), "package stream takes it for its own")
}

func TestCloseCode(t *testing.T) {
	one := &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 4001}}
	for _, tc := range []struct {
		err  error
		code int
	}{
		{nil, -1},
		{io.EOF, -1},
		{wsstream.ErrClosed, -1},
		{context.Canceled, -1},
		{&wsstream.HandshakeError{Status: 503, Err: errReason}, -1},
		{one, 4001},
		{fmt.Errorf("reading: %w", one), 4001},
		{errors.Join(errReason, one), 4001},
		{&wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1006}, Err: io.ErrUnexpectedEOF}, 1006},
		{&wsstream.Error{}, 0},
	} {
		require.Equal(t, tc.code, wsstream.CloseCode(tc.err), "%v", tc.err)
	}
}

// TestShutdownOfAConnNeedsNoReader: the window is full, and no call pulls.
func TestShutdownOfAConnNeedsNoReader(t *testing.T) {
	inBubble(t, config{ReadWindow: 256, CloseTimeout: time.Minute}, func(t *testing.T, e *end) {
		start := time.Now()
		flood := goErr(func() error {
			return e.peer.Write(wstest.Binary(make([]byte, 1<<20)))
		})
		down := goErr(func() error {
			return e.conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1001})
		})
		require.NoError(t, (<-flood).err)
		e.peer.Want("our Close", wstest.Close(1001, ""))
		e.peer.Send(wstest.Close(1001, ""))
		if e.client {
			e.peer.Close()
		}
		require.NoError(t, (<-down).err)
		require.Zero(t, time.Since(start))
	})
}

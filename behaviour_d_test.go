package wsstream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// Closing, line by line.

func TestD1_ClosedReportsThePeersCode(t *testing.T) {
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

func TestD1_WithoutAPeersCloseTheEndIs1006WhateverWeSent(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000, Reason: "ours"}))
		e.peer.Want("our Close", wstest.Close(1000, "ours"))
		e.peer.Close()
		want1006(t, e)
	})
}

func TestD1_WithoutAPeersCloseTheEndIs1006AfterCloseTimeout(t *testing.T) {
	inBubble(t, config{CloseTimeout: 7 * time.Second}, func(t *testing.T, e *end) {
		start := time.Now()
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
		e.peer.WantClose("our Close", 1000)
		want1006(t, e)
		require.Equal(t, 7*time.Second, time.Since(start))
	})
}

func want1006(t *testing.T, e *end) {
	t.Helper()
	info, err := e.closed(t)
	require.Zero(t, info.Reason)
	var unclean *wsstream.Error
	require.ErrorAs(t, err, &unclean)
	require.Equal(t, 1006, unclean.Code)
}

func TestD2_BothSidesClosingAtOnceIsCleanAndReportsThePeers(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Close(3001, "theirs"))
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 3002, Reason: "ours"}))
		f, err := e.peer.Next()
		require.NoError(t, err)
		require.Equal(t, ws.OpClose, f.Op) // ours, or the answer to theirs
		if e.client {
			e.peer.Close()
		} else {
			e.peer.WantEOF("only one Close, and the server drops the transport")
		}
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 3001, Reason: "theirs"}, info)
	})
}

func TestD2_ClosesThatCrossOnTheWireAreClean(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		e.far.(*memnet.Conn).Stall(true)
		e.peer.Send(wstest.Close(3001, "theirs"))
		require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 3002, Reason: "ours"}))
		e.peer.Want("ours, although theirs is on its way", wstest.Close(3002, "ours"))
		e.far.(*memnet.Conn).Stall(false)
		if e.client {
			e.peer.WantIdle("no second Close, and the server drops the transport")
			e.peer.Close()
		} else {
			e.peer.WantEOF("no second Close, and the server drops the transport")
		}
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 3001, Reason: "theirs"}, info)
	})
}

func TestD3_CloseIsAnsweredWithTheSameCode(t *testing.T) {
	for _, frame := range []wstest.Frame{wstest.Close(1000, "bye"), wstest.Close(1014, ""), wstest.Close(4321, ""), wstest.CloseEmpty()} {
		t.Run(frame.String(), func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(frame)
				e.peer.Want("the same code, without the reason", wstest.Frame{Fin: true, Op: ws.OpClose, Payload: frame.Payload[:min(2, len(frame.Payload))]})
			})
		})
	}
}

func TestD3_TheServerDropsTCPFirst(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Close(1000, ""))
		e.peer.WantClose("the answer", 1000)
		answered := time.Now()
		if e.client {
			e.peer.Send(wstest.Ping("the client has not dropped it"))
			e.peer.Close()
		} else {
			e.peer.WantEOF("the server has dropped it")
			if e.mem {
				require.Zero(t, time.Since(answered), "it does not wait for the client")
			}
		}
		_, err := e.closed(t)
		require.NoError(t, err)
	})
}

func TestD3_AClientWaitsASecondForThatAndTheEndIsClean(t *testing.T) {
	for _, closeTimeout := range []time.Duration{time.Minute, 300 * time.Millisecond} { // it bounds the way to the peer's Close
		t.Run(closeTimeout.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := inMemory(t, config{CloseTimeout: closeTimeout}, true)
				e.peer.Send(wstest.Close(1000, "bye"))
				e.peer.WantClose("the answer", 1000)
				start := time.Now()
				e.peer.WantIdle("the transport is up")
				info, err := e.closed(t)
				require.NoError(t, err)
				require.Equal(t, wsstream.CloseInfo{Code: 1000, Reason: "bye"}, info)
				require.Equal(t, time.Second, time.Since(start))
				e.peer.WantEOF("the client has dropped it")
			})
		})
	}
}

func TestD3_AClientWaitsASecondForThatOverTCP(t *testing.T) {
	e := overTCP(t, config{CloseTimeout: time.Minute}, true)
	start := time.Now()
	e.peer.Send(wstest.Close(1000, ""))
	e.peer.WantClose("the answer", 1000)
	e.peer.WantEOF("the client drops it")
	require.InDelta(t, 1, time.Since(start).Seconds(), 0.9)
	_, err := e.closed(t)
	require.NoError(t, err)
}

func TestD4_ACloseThatMayNotStandOnTheWireIsRefusedAndTheEndIsUnclean(t *testing.T) {
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
				e.peer.Send(wstest.Text("before"), wstest.Frame{Fin: true, Op: ws.OpClose, Payload: tc.body})
				e.peer.WantClose("the answer", tc.code)
				e.peer.WantEOF("and half-closes")
				e.peer.Close()
				want1006(t, e)
				require.Equal(t, "before", e.pull(t))
			})
		})
	}
}

func TestD5_ClosedSettlesAfterBothStreamsAreFinal(t *testing.T) {
	for name, finish := range map[string]func(e *end){
		"clean":   func(e *end) { _ = e.peer.Write(wstest.Close(1000, "")); e.peer.Close() },
		"lost":    func(e *end) { e.peer.Close() },
		"ours":    func(e *end) { e.conn.CloseNow() },
		"broken":  func(e *end) { _ = e.peer.Write(wstest.Frame{Op: ws.OpPing}); e.peer.Close() },
		"cancel":  func(e *end) { _ = e.conn.Readable().Cancel(nil); e.peer.Close() },
		"aborted": func(e *end) { _ = e.conn.Writable().Abort(nil); e.peer.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				pulled := goPull(t, e)
				finish(e)
				<-e.conn.Closed().Done()
				for what, done := range map[string]<-chan struct{}{"readable": e.conn.Readable().Done(), "writable": e.conn.Writable().Done()} {
					select {
					case <-done:
					default:
						require.FailNow(t, "not final: "+what)
					}
				}
				require.Error(t, (<-pulled).err)
				ok, err := e.conn.Writable().TryWrite(wsstream.Text("x"))
				require.False(t, ok)
				require.Error(t, err)
			})
		})
	}
}

package wsstream_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestCloseTimeoutLimitsEveryWayToClose(t *testing.T) {
	decisions := map[string]func(e *end){
		"Close":      func(e *end) { _ = e.conn.Close(wsstream.CloseInfo{Code: 1000}) },
		"Cancel":     func(e *end) { _ = e.conn.Readable().Cancel(nil) },
		"Abort":      func(e *end) { _ = e.conn.Writable().Abort(nil) },
		"peer":       func(e *end) { e.peer.Send(wstest.Close(1001, "")); synctest.Wait() },
		"protocol":   func(e *end) { e.peer.Send(wstest.Frame{Fin: true, Op: 3}); synctest.Wait() },
		"close call": func(e *end) { go func() { _ = e.conn.Writable().Close(context.Background()) }() },
	}
	stalls := map[string]func(e *end){
		"the peer reads nothing": func(*end) {},
		"the peer reads too slow": func(e *end) {
			e.net.(*memnet.Conn).Drip(1, time.Second)
			go drain(e)
		},
	}
	for what, decide := range decisions {
		for how, stall := range stalls {
			t.Run(what+"/"+how, func(t *testing.T) {
				c := config{WriteWindow: 256, CloseTimeout: 7 * time.Second}
				inBubble(t, c, func(t *testing.T, e *end) {
					// So that all is seen immediately.
					go func() { _, _ = e.conn.Readable().Pull(context.Background()) }()
					e.stuff(t, true)
					synctest.Wait()
					stall(e)
					start := time.Now()
					decide(e)
					_, err := e.closed(t)
					require.IsType(t, &wsstream.Error{}, err)
					require.Equal(t, 7*time.Second, time.Since(start))
				})
			})
		}
	}
}

func TestCloseTimeOfAClientIsASecondAfterBothCloseFrames(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Close(1000, ""))
		_, err := e.conn.Readable().Pull(t.Context())
		require.Equal(t, io.EOF, err, "the streams need not wait for that")
		start := time.Now()
		info, err := e.closed(t)
		require.NoError(t, err)
		require.Equal(t, 1000, info.Code)
		if e.client {
			require.Equal(t, time.Second, time.Since(start))
		} else {
			require.Zero(t, time.Since(start), "the server drops immediately")
		}
		require.True(t, e.net.(*memnet.Conn).Closed())
	})
	synctest.Test(t, func(t *testing.T) { // one that drops is not waited for
		e := inMemory(t, config{}, true)
		e.peer.Send(wstest.Close(1000, ""))
		e.wantClose(t, wstest.Close(1000, ""))
		start := time.Now()
		e.peer.Close()
		_, err := e.closed(t)
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
	})
	synctest.Test(t, func(t *testing.T) { // nor with a Close that was the last to fit the window
		e := inMemory(t, config{ReadWindow: 256}, true)
		e.peer.Send(wstest.Binary(make([]byte, 250)), wstest.CloseEmpty())
		e.wantClose(t, wstest.CloseEmpty())
		require.EqualValues(t, 256, e.conn.Stats().Received.Held)
		start := time.Now()
		e.peer.Close()
		_, err := e.closed(t)
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
	})
}

func TestCloseLetsTheServerDropTheTransportFirst(t *testing.T) {
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

func TestCloseOfAClientThatWaitedASecondIsClean(t *testing.T) {
	// It bounds the way to the peer's Close.
	for _, closeTimeout := range []time.Duration{time.Minute, 300 * time.Millisecond} {
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

func TestCloseOfAClientWaitsASecondOverTCP(t *testing.T) {
	e := overTCP(t, config{CloseTimeout: time.Minute}, true)
	start := time.Now()
	e.peer.Send(wstest.Close(1000, ""))
	e.peer.WantClose("the answer", 1000)
	e.peer.WantEOF("the client drops it")
	require.GreaterOrEqual(t, time.Since(start), time.Second)
	_, err := e.closed(t)
	require.NoError(t, err)
}

func TestCloseTimeoutDefaultAndNone(t *testing.T) {
	for name, tc := range map[string]struct{ timeout, want time.Duration }{
		"default":  {0, 5 * time.Second},
		"set":      {time.Minute, time.Minute},
		"negative": {-1, 24 * time.Hour}, // when the peer answers after all
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, config{CloseTimeout: tc.timeout}, func(t *testing.T, e *end) {
				start := time.Now()
				late := time.AfterFunc(24*time.Hour,
					func() { _ = e.peer.Write(wstest.Close(1000, "")); e.peer.Close() })
				defer late.Stop()
				require.NoError(t, e.conn.Close(wsstream.CloseInfo{Code: 1000}))
				info, err := e.conn.Closed().Wait(t.Context())
				require.Equal(t, tc.want, time.Since(start))
				if tc.timeout < 0 {
					require.NoError(t, err)
					require.Equal(t, 1000, info.Code)
				} else {
					unclean(1006, "CloseTimeout")(t, e, err)
				}
			})
		})
	}
}

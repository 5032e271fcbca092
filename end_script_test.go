package wsstream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// pulled is what could be pulled, and the error after it.
type pulled struct {
	messages []string
	err      error
}

// pullAll pulls to the end on a goroutine of its own.
func pullAll(t *testing.T, e *end) <-chan pulled {
	ctx := patient(t)
	all := make(chan pulled, 1)
	go func() {
		var p pulled
		for {
			var m wsstream.Message
			if m, p.err = e.conn.Readable().Pull(ctx); p.err != nil {
				break
			}
			p.messages = append(p.messages, string(m.Data))
		}
		all <- p
	}()
	return all
}

// quiet waits, where that can be known, until everybody waits.
func (e *end) quiet() {
	if e.mem {
		synctest.Wait()
	}
}

// notice lets the connection, where that can be known, take note of what the peer has sent.
func (e *end) notice() {
	if e.mem {
		<-time.After(time.Second)
		synctest.Wait()
	}
}

// stuff gives the connection, if on, more than the transport and the window hold, and returns how much.
func (e *end) stuff(t *testing.T, on bool) int {
	t.Helper()
	if !on {
		return 0
	}
	const size = 512 << 10
	ok, err := e.conn.Writable().TryWrite(wsstream.Binary(make([]byte, size)))
	require.NoError(t, err)
	require.True(t, ok)
	require.Positive(t, e.conn.Stats().Sent.Held, "the transport took it all")
	return size
}

// wantData reads one message of ours and returns its length.
func (e *end) wantData(t *testing.T) (size int) {
	t.Helper()
	for {
		f, err := e.peer.Next()
		require.NoError(t, err)
		require.True(t, f.Op.IsData(), "got %v", f)
		if size += len(f.Payload); f.Fin {
			return size
		}
	}
}

// wantClose reads on to our Close, which must be want.
func (e *end) wantClose(t *testing.T, want wstest.Frame) {
	t.Helper()
	require.Equal(t, want.String(), e.nextClose(t).String())
}

// wantFailure reads on to a Close of ours with code, and the half-close behind it.
func (e *end) wantFailure(t *testing.T, code uint16) {
	t.Helper()
	f := e.nextClose(t)
	got, reason := ws.ParseCloseFrameData(f.Payload)
	require.Equal(t, ws.StatusCode(code), got)
	require.NotEmpty(t, reason)
	e.peer.WantEOF("a half-close behind the Close")
}

func (e *end) nextClose(t *testing.T) wstest.Frame {
	t.Helper()
	for {
		f, err := e.peer.Next()
		require.NoError(t, err)
		if f.Op == ws.OpClose {
			return f
		}
	}
}

// drop ends the transport after both Close frames: the server first.
func (e *end) drop(t *testing.T) {
	t.Helper()
	if e.client {
		e.peer.Close()
	} else {
		e.peer.WantEOF("the server drops the transport first")
	}
}

package wsstream_test

import (
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

func TestASideThatFailsReadsOnSoThatThePeerIsNotReset(t *testing.T) {
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

func TestASideThatFailsWaitsNoLongerThanCloseTimeout(t *testing.T) {
	inBubble(t, config{CloseTimeout: 7 * time.Second}, func(t *testing.T, e *end) {
		pull := goPull(t, e)
		start := time.Now()
		e.peer.Send(wstest.Frame{Fin: true, Op: 3})
		e.wantFailure(t, 1002)
		theEnd(t, e, (<-pull).err)
		require.Equal(t, 7*time.Second, time.Since(start))
	})
}

func TestAWriteErrorDoesNotHideThePeersClose(t *testing.T) {
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

func TestAfterAWriteErrorTheInputTellsTheEndWithinCloseTimeout(t *testing.T) {
	inBubble(t, config{CloseTimeout: 7 * time.Second, ReadWindow: 256}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Binary(make([]byte, 200)), wstest.Binary(make([]byte, 200))) // the input's end is not seen
		<-time.After(time.Second)
		e.peer.Close()
		start := time.Now()
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
		_, err := e.closed(t)
		require.Equal(t, 7*time.Second, time.Since(start))
		unclean(1006, "broken pipe")(t, e, err)
		require.Len(t, e.pull(t), 200)
	})
}

func TestASideThatFailsDropsWhatWasAcceptedSoThatThePeerIsToldSoon(t *testing.T) {
	inBubble(t, config{MaxFrameSize: 1 << 10, WriteWindow: 256, Limit: 4 << 10}, func(t *testing.T, e *end) {
		size, got := e.stuff(t, true), 0
		e.peer.Send(wstest.Frame{Fin: true, Op: 3})
		e.notice()
		f, err := e.peer.Next()
		for ; err == nil && f.Op != ws.OpClose; f, err = e.peer.Next() {
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

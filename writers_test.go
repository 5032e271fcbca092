package wsstream_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// What is unsent: who waits for it, and what becomes of it.

func TestFlushCountsOnlyWhatWasAccepted(t *testing.T) {
	inBubble(t, config{Limit: 1000}, func(t *testing.T, e *end) {
		for _, size := range []int{2000, 4080, 20} { // the first leaves, the last shares no chunk with the one before
			require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, size))))
			synctest.Wait()
		}
		flushed := goDo(func() (m wsstream.Message, err error) { return m, e.conn.Writable().Flush(t.Context()) })
		e.peer.Send(wstest.Ping(strings.Repeat("p", 100))) // its answer is longer than the last message
		e.notice()
		for len(flushed) == 0 {
			_, err := e.far.Read(make([]byte, 10))
			require.NoError(t, err)
			synctest.Wait()
		}
		require.NoError(t, (<-flushed).err)
		require.Zero(t, e.conn.Stats().Sent.Held)
	})
}

func TestAfterTheEndNothingIsHeldToBeSent(t *testing.T) {
	onEveryPath(t, config{WriteWindow: -1, Limit: 16 << 10}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Binary(make([]byte, 8<<20))))
		require.Positive(t, e.conn.Stats().Sent.Held)
		e.conn.CloseNow()
		_, err := e.closed(t)
		theEnd(t, e, err)
		require.Zero(t, e.conn.Stats().Sent.Held)
	})
}

func TestReadyTakesItsTurnBehindAnOpenMessageWriter(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		w := e.newMessage(t, t.Context())
		ok, err := e.conn.Writable().TryWrite(wsstream.Text("x"))
		require.NoError(t, err)
		require.False(t, ok)
		ready := goDo(func() (m wsstream.Message, err error) { return m, e.conn.Writable().Ready(t.Context()) })
		synctest.Wait()
		require.Empty(t, ready, "a loop over TryWrite and Ready would spin")
		require.NoError(t, w.Close())
		require.NoError(t, (<-ready).err)
		ok, err = e.conn.Writable().TryWrite(wsstream.Text("x"))
		require.NoError(t, err)
		require.True(t, ok)
	})
}

func TestAfterAbortTheRestOfALongFrameIsEncodedOnlyAsItLeaves(t *testing.T) {
	const size = 4 << 20
	inBubble(t, config{MaxFrameSize: -1}, func(t *testing.T, e *end) {
		write := goWrite(t, e, wsstream.Binary(make([]byte, size)))
		synctest.Wait()
		require.NoError(t, e.conn.Writable().Abort(errWhy))
		e.notice()
		require.Equal(t, size, e.wantData(t), "a frame that has begun is finished")
		e.peer.Want("the Close behind it", wstest.Close(1011, ""))
		require.Equal(t, errWhy, (<-write).err)
		require.Less(t, e.conn.Stats().Sent.HeldMax, int64(size/4))
	})
}

func TestAfterAbortCloseReturnsItsCauseAndDoesNotWaitForTheEnd(t *testing.T) {
	for what, c := range map[string]struct{ cause, want error }{
		"no cause": {cause: nil, want: wsstream.ErrClosed},
		"a cause":  {cause: errWhy, want: errWhy},
	} {
		t.Run(what, func(t *testing.T) {
			inBubble(t, config{}, func(t *testing.T, e *end) {
				require.NoError(t, e.conn.Writable().Abort(c.cause))
				start := time.Now()
				require.Equal(t, c.want, e.conn.Writable().Close(patient(t)))
				require.Zero(t, time.Since(start))
				require.False(t, ended(e))
			})
		})
	}
}

func TestAfterAbortEveryCallOfAnOpenMessageWriterReturnsItsCause(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		w := e.newMessage(t, t.Context())
		_, err := w.Write([]byte("\xc3")) // half a character
		require.NoError(t, err)
		require.NoError(t, e.conn.Writable().Abort(errWhy))
		for range 2 {
			for _, p := range []string{"more", "", "\xff"} {
				_, err := w.Write([]byte(p))
				require.Equal(t, errWhy, err)
			}
			require.Equal(t, errWhy, w.Close())
		}
	})
}

func TestATextMessageThatIsClosedInsideACharacterFailsTheWritableAndKeepsNoTurn(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("before")))
		m := e.newMessage(t, t.Context())
		_, err := m.Write([]byte("\xc3")) // half a character
		require.NoError(t, err)
		waiting := goWrite(t, e, wsstream.Text("behind"))
		err = m.Close()
		require.ErrorContains(t, err, "inside a character")
		require.Equal(t, err, (<-waiting).err)
		require.Equal(t, err, e.conn.Writable().Write(patient(t), wsstream.Text("later")))
		require.Equal(t, err, m.Close())
		_, err2 := m.Write([]byte("\xbc"))
		require.Equal(t, err, err2)

		e.peer.Want("what was accepted", wstest.Text("before"), wstest.Text("\xc3").Part())
		e.peer.WantClose("the message is never finished", 1011)
		e.peer.Send(wstest.Close(1011, ""))
		e.peer.Close()
		_, err = e.closed(t)
		require.NoError(t, err)
	})
}

func TestTheLastFragmentOfAMessageEndsItWhereItHasNotLeftBefore(t *testing.T) {
	const n = 300
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		wrote := goDo(func() (_ wsstream.Message, err error) {
			for i := 0; i < n && err == nil; i++ {
				m := e.newMessage(t, t.Context())
				for range i % 3 {
					if _, err := m.Write([]byte("piece")); err != nil {
						return wsstream.Message{}, err
					}
				}
				err = m.Close()
			}
			return wsstream.Message{}, err
		})
		ended := 0
		for i := range n {
			var got []byte
			for fin := false; !fin; {
				f, err := e.peer.Next()
				require.NoError(t, err)
				got, fin = append(got, f.Payload...), f.Fin
				if fin && len(f.Payload) > 0 {
					ended++
				}
			}
			require.Equal(t, strings.Repeat("piece", i%3), string(got))
		}
		require.NoError(t, (<-wrote).err)
		require.NotZero(t, ended)
		require.EqualValues(t, n, e.conn.Stats().Sent.Messages)
		require.EqualValues(t, n*5, e.conn.Stats().Sent.Bytes)
	})
}

func TestTheBytesOfALongWriteAreTheCallersAgainWhenItReturns(t *testing.T) {
	const n, size = 50, 150_000 // in frames that are sent from where they lie, where nothing stands in front
	conn, far := rawServer(t)
	read := make(chan error, 1)
	go func() { // ends with the last message, or with far
		read <- func() error {
			for i := range n {
				var got []byte
				for fin := false; !fin; {
					h, err := ws.ReadHeader(far)
					if err != nil {
						return err
					}
					part := make([]byte, h.Length)
					if _, err := io.ReadFull(far, part); err != nil {
						return err
					}
					got, fin = append(got, part...), h.Fin
				}
				if !bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, size)) {
					return fmt.Errorf("message %d is not what was written", i)
				}
			}
			return nil
		}()
	}()
	data := make([]byte, size)
	for i := range n {
		for j := range data {
			data[j] = byte(i)
		}
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Binary(data)))
		clear(data)
	}
	require.NoError(t, <-read)
}

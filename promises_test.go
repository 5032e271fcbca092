package wsstream_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// What docs/migrating.md promises to those who come from elsewhere, where no other test says it already.

func TestCallsAfterTheEndReturnTheSameErrorHoweverOften(t *testing.T) {
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

func TestAPongPassesBetweenTheFramesOfAMessageThatIsStalled(t *testing.T) {
	const frame = 4 << 10
	inBubble(t, config{MaxFrameSize: frame, WriteWindow: 2 * frame, Limit: frame}, func(t *testing.T, e *end) {
		payload := bytes.Repeat([]byte("payload "), 1<<17) // 1 MiB
		wrote := goWrite(t, e, wsstream.Binary(payload))
		e.peer.Send(wstest.Ping("are you there?"))
		<-time.After(time.Second) // the Write is stalled, and the input is read in the background
		var got []byte
		answered := -1 // at which frame
		for n := 0; len(got) < len(payload); n++ {
			f, err := e.peer.Next() // fails the test where a frame is cut into
			require.NoError(t, err)
			if f.String() == wstest.Pong("are you there?").String() {
				require.Negative(t, answered, "answered twice")
				answered = n
				continue
			}
			got = append(got, f.Payload...)
		}
		require.NoError(t, (<-wrote).err)
		require.True(t, bytes.Equal(payload, got))
		require.GreaterOrEqual(t, answered, 0, "never answered")
		require.Less(t, answered, 8, "of 256 frames: it waited for the message")
	})
}

func TestAPingBehindUnreadMessagesIsAnsweredWhileThereIsCredit(t *testing.T) {
	onEveryPath(t, config{ReadWindow: 4096}, func(t *testing.T, e *end) {
		for range 7 {
			e.peer.Send(wstest.Binary(make([]byte, 500)), wstest.Ping("behind it"))
			e.peer.Want("an answer, and nobody pulls", wstest.Pong("behind it"))
		}
		for range 7 {
			require.Len(t, e.pull(t), 500)
		}
	})
}

func TestShutdownWaitsForNoReaderThoughTheReadWindowIsFull(t *testing.T) {
	inBubble(t, config{ReadWindow: 256, CloseTimeout: time.Minute}, func(t *testing.T, e *end) {
		start := time.Now()
		flood := goDo(func() (m wsstream.Message, err error) {
			return m, e.peer.Write(wstest.Binary(make([]byte, 1<<20)))
		})
		down := goDo(func() (m wsstream.Message, err error) {
			return m, e.conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1001})
		})
		require.NoError(t, (<-flood).err)
		e.peer.Want("our Close", wstest.Close(1001, ""))
		e.peer.Send(wstest.Close(1001, ""))
		if e.client {
			e.peer.Close()
		}
		require.NoError(t, (<-down).err)
		require.Less(t, time.Since(start), time.Second)
	})
}

package wsstream_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
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

func TestAPingUsesCreditOnlyBehindUnreadData(t *testing.T) {
	inBubble(t, config{ReadWindow: 256}, func(t *testing.T, e *end) {
		size := int64(len(e.peer.Encode(wstest.Ping("ping"))))
		held := func() int64 {
			synctest.Wait()
			return e.conn.Stats().Received.Held
		}
		for range 1000 {
			e.peer.Send(wstest.Ping("ping"))
			e.peer.Want("an answer, and nobody pulls", wstest.Pong("ping"))
			require.Zero(t, held(), "it is let go of when it is answered")
		}
		e.peer.Send(wstest.Binary(make([]byte, 100)))
		before := held()
		for n := int64(1); before+n*size <= 256; n++ {
			e.peer.Send(wstest.Ping("ping"))
			e.peer.Want("an answer from behind a message", wstest.Pong("ping"))
			require.Equal(t, before+n*size, held())
		}
		e.peer.Send(wstest.Ping("ping"))
		e.peer.WantIdle("the window is full")
		require.Len(t, e.pull(t), 100)
		e.peer.Want("an answer now that there is room", wstest.Pong("ping"))
		require.Zero(t, held(), "the message was all that lay in front of the pings")
	})
}

func TestCloseCodeOfAFailureIsThePeersAnswerAnd1006WithoutOne(t *testing.T) {
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
					for f.Op != ws.OpClose {
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

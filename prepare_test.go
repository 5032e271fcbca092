package wsstream_test

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

func TestAPreparedMessageIsSentAsAnyOther(t *testing.T) {
	onEveryPath(t, config{MaxFrameSize: 10_000}, func(t *testing.T, e *end) {
		for _, text := range []string{"", "hello", strings.Repeat("0123456789", 2500)} {
			plain, ready := wsstream.Text(text), wsstream.Text(text).Prepare()
			var first []wstest.Frame
			for i, m := range []wsstream.Message{plain, ready, ready} {
				wrote := goWrite(t, e, m)
				var got []wstest.Frame
				for {
					f, err := e.peer.Next()
					require.NoError(t, err)
					got = append(got, f)
					if f.Fin {
						break
					}
				}
				require.NoError(t, (<-wrote).err)
				if i == 0 {
					first = got
				}
				require.Equal(t, first, got)
			}
		}
		ok, err := e.conn.Writable().TryWrite(wsstream.Binary([]byte{1}).Prepare())
		require.NoError(t, err)
		require.True(t, ok)
		e.peer.Want("the message", wstest.Binary([]byte{1}))
		require.EqualValues(t, 10, e.conn.Stats().Sent.Messages)
	})
}

func TestAPreparedMessageThatIsNoTextFailsEachWrite(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		bad := wsstream.Message{Type: wsstream.TypeText, Data: []byte("\xff")}
		want := e.conn.Writable().Write(t.Context(), bad)
		require.Error(t, want)
		require.Equal(t, want, e.conn.Writable().Write(t.Context(), bad.Prepare()))
	})
}

func TestAPreparedMessageIsEncodedByEachConnsMaxFrameSize(t *testing.T) {
	m := wsstream.Binary(make([]byte, 1000)).Prepare() // one for all
	for limit, first := range map[int]int{400: 400, 700: 700, -1: 1000} {
		onEveryPath(t, config{MaxFrameSize: limit}, func(t *testing.T, e *end) {
			wrote := goWrite(t, e, m)
			f, err := e.peer.Next()
			require.NoError(t, err)
			require.Len(t, f.Payload, first)
			for !f.Fin {
				f, err = e.peer.Next()
				require.NoError(t, err)
			}
			require.NoError(t, (<-wrote).err)
		})
	}
}

func TestServersShareTheBytesOfAPreparedMessage(t *testing.T) {
	m, encoded := wsstream.Binary(make([]byte, 1<<20)).Prepare(), false
	d := wstest.Pair(t, &wstest.PairOptions{Accept: &wsstream.AcceptOptions{WriteWindow: -1}})
	for range 2 { // the first encodes
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ok, err := d.Server.Writable().TryWrite(m)
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		require.True(t, ok)
		if grown := after.TotalAlloc - before.TotalAlloc; encoded {
			require.Less(t, grown, uint64(256<<10), "a copy was made")
		}
		encoded = true
	}
	require.EqualValues(t, 2, d.Server.Stats().Sent.Messages)
}

// TestAPreparedMessageSendsNoOtherMessagesBytes: a copy of a prepared message that was given other data sent the old
// bytes, and text that was not checked.
func TestAPreparedMessageSendsNoOtherMessagesBytes(t *testing.T) {
	same := []byte("for Alice")
	m := wsstream.Message{Type: wsstream.TypeText, Data: same}.Prepare()
	for name, tc := range map[string]struct {
		change func(m *wsstream.Message)
		want   wstest.Frame
		bad    bool
	}{
		"nothing":              {func(*wsstream.Message) {}, wstest.Text("for Alice"), false},
		"other data":           {func(m *wsstream.Message) { m.Data = []byte("for Bobby") }, wstest.Text("for Bobby"), false},
		"a part of it":         {func(m *wsstream.Message) { m.Data = m.Data[:3] }, wstest.Text("for"), false},
		"another part of it":   {func(m *wsstream.Message) { m.Data = m.Data[4:] }, wstest.Text("Alice"), false},
		"more of the same":     {func(m *wsstream.Message) { m.Data = append(m.Data, '!') }, wstest.Text("for Alice!"), false},
		"no data":              {func(m *wsstream.Message) { m.Data = nil }, wstest.Text(""), false},
		"another type":         {func(m *wsstream.Message) { m.Type = wsstream.TypeBinary }, wstest.Binary(same), false},
		"NoCompress":           {func(m *wsstream.Message) { m.NoCompress = true }, wstest.Text("for Alice"), false},
		"text that is no text": {func(m *wsstream.Message) { m.Data = []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff") }, wstest.Frame{}, true},
		"prepared again": {func(m *wsstream.Message) {
			m.Data = []byte("for Carol")
			*m = m.Prepare()
		}, wstest.Text("for Carol"), false},
		"a PullInto that failed": {func(m *wsstream.Message) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			conn := wsstream.Dial(ctx, "ws://example.test/", nil)
			require.Error(t, conn.Readable().PullInto(context.Background(), m))
		}, wstest.Text(""), false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, config{}, func(t *testing.T, e *end) {
				w := e.conn.Writable()
				require.NoError(t, w.Write(t.Context(), m)) // so that it has been encoded
				e.peer.Want("the message itself", wstest.Text("for Alice"))
				n := m
				tc.change(&n)
				err := w.Write(t.Context(), n)
				ok, tryErr := w.TryWrite(n)
				if tc.bad {
					require.ErrorContains(t, err, "UTF-8")
					require.ErrorContains(t, tryErr, "UTF-8")
					return
				}
				require.NoError(t, err)
				require.NoError(t, tryErr)
				require.True(t, ok)
				e.peer.Want("what it is now", tc.want, tc.want)
				require.NoError(t, w.Write(t.Context(), m))
				e.peer.Want("those that share it are as they were", wstest.Text("for Alice"))
			})
		})
	}
}

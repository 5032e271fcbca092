package wsstream_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestPreparedMessageIsSentAsAnyOther(t *testing.T) {
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

func TestPreparedMessageOfBadTextFailsEachWrite(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		bad := wsstream.Message{Type: wsstream.TypeText, Data: []byte("\xff")}
		want := e.conn.Writable().Write(t.Context(), bad)
		require.Error(t, want)
		require.Equal(t, want, e.conn.Writable().Write(t.Context(), bad.Prepare()))
	})
}

func TestPreparedMessageIsCutByEachConnsMaxFrameSize(t *testing.T) {
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

func TestPreparedMessageIsSharedByServers(t *testing.T) {
	m, encoded := wsstream.Binary(make([]byte, 1<<20)).Prepare(), false
	d := wstest.Pair(t, &wstest.PairOptions{Accept: &wsstream.AcceptOptions{WriteWindow: -1}})
	d.ServerNet.Stall(true) // or the memory of those that send and receive it counts too
	for range 2 {           // the first encodes
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

// TestPreparedMessageThatWasChangedIsSentAsItIs: a copy of a prepared message that was given other
// data sent the old bytes, and text that was not checked.
func TestPreparedMessageThatWasChangedIsSentAsItIs(t *testing.T) {
	same := []byte("for Alice")
	m := wsstream.Message{Type: wsstream.TypeText, Data: same}.Prepare()
	for name, tc := range map[string]struct {
		change func(m *wsstream.Message)
		want   wstest.Frame
		bad    bool
	}{
		"nothing": {func(*wsstream.Message) {}, wstest.Text("for Alice"), false},
		"other data": {
			func(m *wsstream.Message) { m.Data = []byte("for Bobby") },
			wstest.Text("for Bobby"),
			false,
		},
		"a part of it": {
			func(m *wsstream.Message) { m.Data = m.Data[:3] },
			wstest.Text("for"),
			false,
		},
		"another part of it": {
			func(m *wsstream.Message) { m.Data = m.Data[4:] },
			wstest.Text("Alice"),
			false,
		},
		"more of the same": {
			func(m *wsstream.Message) { m.Data = append(m.Data, '!') },
			wstest.Text("for Alice!"),
			false,
		},
		"no data": {func(m *wsstream.Message) { m.Data = nil }, wstest.Text(""), false},
		"another type": {
			func(m *wsstream.Message) { m.Type = wsstream.TypeBinary },
			wstest.Binary(same),
			false,
		},
		"NoCompress": {
			func(m *wsstream.Message) { m.NoCompress = true },
			wstest.Text("for Alice"),
			false,
		},
		"text that is no text": {
			func(m *wsstream.Message) { m.Data = []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff") },
			wstest.Frame{},
			true,
		},
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

func TestPreparedMessageIsEncodedOnceForABroadcast(t *testing.T) {
	const subscribers, size = 8, 1 << 20
	var conns []*wsstream.Conn
	for range subscribers + 1 {
		d := wstest.Pair(t, &wstest.PairOptions{Accept: &wsstream.AcceptOptions{WriteWindow: -1}})
		d.ServerNet.Stall(true)
		conns = append(conns, d.Server)
	}
	// What the encoding of one message takes, told by a message that one connection sends.
	encode := func(conns ...*wsstream.Conn) (allocated uint64) {
		room := stream.NewBroadcast[wsstream.Message](nil)
		sent, done := make(chan struct{}, len(conns)), make(chan error, len(conns))
		for _, c := range conns {
			sub := stream.Subscribe(room, wsstream.Bytes(2*size), stream.Block())
			go func() { // ends with the room
				done <- stream.Pipe(t.Context(), c.Writable(), sub, &stream.PipeOptions{
					PreventClose: true,
					Progress:     func(int64) { sent <- struct{}{} },
				})
			}()
		}
		m := wsstream.Binary(make([]byte, size)).Prepare()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.NoError(t, room.Publish(t.Context(), m))
		for range conns {
			<-sent
		}
		runtime.ReadMemStats(&after)
		require.NoError(t, room.Close(t.Context()))
		for range conns {
			require.NoError(t, <-done)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	one := encode(conns[0])
	all := encode(conns[1:]...)
	require.GreaterOrEqual(t, one, uint64(size))
	require.Less(t, all, one+subscribers/2*size, "there was a copy for each subscriber")
}

func TestPreparedMessageIsForgottenByPullInto(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		m := wsstream.Text("old").Prepare()
		require.NoError(t, e.conn.Writable().Write(patient(t), m))
		e.peer.Want("what was prepared", wstest.Text("old"))
		e.peer.Send(wstest.Text("new"))
		require.NoError(t, e.conn.Readable().PullInto(patient(t), &m))
		require.NoError(t, e.conn.Writable().Write(patient(t), m))
		e.peer.Want("what was pulled", wstest.Text("new"))
	})
}

// TestPreparedMessageIsCompressedOnce: the bytes are the same for all connections that have
// agreed on the same compression.
func TestPreparedMessageIsCompressedOnce(t *testing.T) {
	long, other := jsonText(1, 3000), jsonText(2, 3000)
	ready := wsstream.Text(long).Prepare()
	first := map[string][]byte{} // payload by window
	for _, test := range []struct {
		name, extensions string
		options          *wsstream.CompressionOptions
		bits             string // of our window; empty: not compressed
		takeover         bool
	}{
		{"none", "", nil, "", false},
		{"12 bits", extension, &wsstream.CompressionOptions{}, "12", true},
		{"12 bits again", extension, &wsstream.CompressionOptions{}, "12", true},
		{
			"12 bits, own contexts",
			extension,
			&wsstream.CompressionOptions{NoContextTakeover: true},
			"12",
			false,
		},
		{"8 bits", extension + "; server_max_window_bits=8", &wsstream.CompressionOptions{}, "8", true},
		{"15 bits", extension, &wsstream.CompressionOptions{WindowBits: 15}, "15", true},
		{"under the threshold", extension, &wsstream.CompressionOptions{Threshold: 5000}, "", true},
	} {
		for _, before := range []bool{true, false} {
			t.Run(fmt.Sprint(test.name, ", after another: ", before), func(t *testing.T) {
				near, far := memnet.Pipe(0)
				e := open(t, config{Compression: test.options, Extensions: test.extensions}, false, near, far)
				e.peer.AllowRsv = rsv1
				u := newUnpacker()
				want := func(s string) []byte {
					payload, frames := nextFrames(t, e.peer)
					if frames[0].Rsv == 0 {
						require.Equal(t, s, string(payload))
						return payload
					}
					if !test.takeover {
						u = newUnpacker()
					}
					require.Equal(t, s, u.unpack(t, payload, len(s)))
					return payload
				}
				w := e.conn.Writable()
				if before {
					require.NoError(t, w.Write(patient(t), wsstream.Text(other)))
					want(other)
				}
				require.NoError(t, w.Write(patient(t), ready))
				payload := want(long)
				if first[test.bits] == nil {
					first[test.bits] = payload
				}
				require.Equal(t, first[test.bits], payload, "the same bytes for all")
				if test.bits == "" {
					require.Equal(t, long, string(payload))
				}

				ok, err := w.TryWrite(ready)
				require.NoError(t, err)
				require.True(t, ok)
				want(long)
				// What follows refers to what was prepared, or to what was before it: both sides count alike.
				for _, s := range []string{long, other, long + other} {
					require.NoError(t, w.Write(patient(t), wsstream.Text(s)))
					want(s)
				}
				plain := ready
				plain.NoCompress = true
				require.NoError(t, w.Write(patient(t), plain))
				e.peer.Want("as it is", wstest.Text(long))
			})
		}
	}
	require.Len(t, first, 4)
}

func TestPreparedMessageOfAClientIsCompressedEachTime(t *testing.T) {
	ready := wsstream.Text(strings.Repeat("again and ", 100)).Prepare()
	inBubble(t, packing, func(t *testing.T, e *end) {
		u := newUnpacker()
		for range 2 {
			require.NoError(t, e.conn.Writable().Write(patient(t), ready))
			payload, _ := nextFrames(t, e.peer)
			require.Equal(t, string(ready.Data), u.unpack(t, payload, len(ready.Data)))
		}
	})
}

package wsstream_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestFrameThatBreaksSection5FailsTheConnection(t *testing.T) {
	frame := func(f wstest.Frame) func(e *end) []byte {
		return func(e *end) []byte { return e.peer.Encode(f) }
	}
	length := func(length ...byte) func(e *end) []byte {
		return func(e *end) []byte { return e.raw(0x82, length, "") }
	}
	cases := map[string]func(e *end) []byte{
		"the mask of the other role": frame(wstest.Frame{Fin: true, Op: wstest.OpText, WrongMask: true}),
		"a ping with the other role's mask": frame(
			wstest.Frame{Fin: true, Op: wstest.OpPing, WrongMask: true}),
		"a Close with the other role's mask": frame(
			wstest.Frame{Fin: true, Op: wstest.OpClose, WrongMask: true}),
		"0 in 16 bits":                      length(126, 0, 0),
		"125 in 16 bits":                    length(126, 0, 125),
		"0 in 64 bits":                      length(127, 0, 0, 0, 0, 0, 0, 0, 0),
		"125 in 64 bits":                    length(127, 0, 0, 0, 0, 0, 0, 0, 125),
		"65535 in 64 bits":                  length(127, 0, 0, 0, 0, 0, 0, 255, 255),
		"2^63":                              length(127, 128, 0, 0, 0, 0, 0, 0, 0),
		"2^64-1":                            length(127, 255, 255, 255, 255, 255, 255, 255, 255),
		"a continuation of nothing":         frame(wstest.Cont(nil, true)),
		"a fragment that continues nothing": frame(wstest.Cont(nil, false)),
		"a text within a text":              frames(wstest.Text("a").Part(), wstest.Text("b")),
		"a binary within a text":            frames(wstest.Text("a").Part(), wstest.Binary(nil)),
		"a fragment within a binary":        frames(wstest.Binary(nil).Part(), wstest.Binary(nil).Part()),
		"a continuation after the last": frames(wstest.Text("a").Part(), wstest.Cont(nil, true),
			wstest.Cont(nil, true)),
	}
	for rsv := byte(1); rsv < 8; rsv++ {
		for _, op := range []wstest.Op{
			wstest.OpText, wstest.OpBinary, wstest.OpPing, wstest.OpPong, wstest.OpClose,
		} {
			cases[fmt.Sprintf("opcode %x with reserved bits %03b", op, rsv)] = frame(
				wstest.Frame{Fin: true, Op: op, Rsv: rsv})
		}
	}
	for _, op := range []wstest.Op{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases[fmt.Sprintf("reserved opcode %x", op)] = frame(wstest.Frame{Fin: true, Op: op})
		cases[fmt.Sprintf("a fragment of reserved opcode %x", op)] = frame(wstest.Frame{Op: op})
	}
	for _, op := range []wstest.Op{wstest.OpPing, wstest.OpPong, wstest.OpClose} {
		cases[fmt.Sprintf("a fragment of control %x", op)] = frame(wstest.Frame{Op: op})
		long := wstest.Frame{Fin: true, Op: op, Payload: bytes.Repeat([]byte{0x0f}, 126)}
		cases[fmt.Sprintf("126 bytes of control %x", op)] = frame(long)
	}
	for name, spoilt := range cases {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(wstest.Text("go").Part(), wstest.Cont([]byte("od"), true))
				e.peer.SendRaw(spoilt(e))
				require.Equal(t, "good", e.pull(t))
				if name == "a continuation after the last" {
					require.Equal(t, "a", e.pull(t))
				}
				e.fails(t, 1002)
			})
		})
	}
}

func TestFrameOfEveryLengthPassesBothWays(t *testing.T) {
	for _, n := range []int{0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 65537} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			onEveryPath(t, config{MaxFrameSize: -1}, func(t *testing.T, e *end) {
				want := bytes.Repeat([]byte("x"), n)
				pulling := goPull(t, e)
				e.peer.Send(wstest.Binary(want)) // the Peer holds what it gets to the minimal encoding
				r := <-pulling
				require.NoError(t, r.err)
				require.Equal(t, want, append([]byte{}, r.msg.Data...))
				writing := goWrite(t, e, wsstream.Binary(want))
				e.peer.Want("the same back", wstest.Binary(want))
				require.NoError(t, (<-writing).err)
			})
		})
	}
}

func TestFrameOfControlMayStandBetweenFragments(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		long := strings.Repeat("p", 125)
		e.peer.Send(wstest.Text("a").Part(), wstest.Ping(long), wstest.Pong("unasked"),
			wstest.Cont(nil, false), wstest.Cont([]byte("b"), true))
		require.Equal(t, "ab", e.pull(t))
		e.peer.Want("the ping is answered with its payload", wstest.Pong(long))
	})
}

func TestTextFailsWithItsFirstBadByte(t *testing.T) {
	for _, tc := range notUTF8 {
		for _, how := range []string{"in one frame", "in frames of one byte"} {
			t.Run(fmt.Sprintf("%q/%s", tc.text, how), func(t *testing.T) {
				inBubble(t, config{}, func(t *testing.T, e *end) {
					pulling := goPull(t, e)
					if how == "in one frame" {
						e.peer.SendRaw(e.peer.EncodeHeader(wstest.Text(""), 100))
					} else {
						e.peer.Send(wstest.Text("").Part())
					}
					for i := range tc.at {
						e.peer.WantIdle("so far it can be UTF-8")
						if how == "in one frame" {
							e.peer.SendRaw([]byte{tc.text[i]})
						} else {
							e.peer.Send(wstest.Cont([]byte{tc.text[i]}, false))
						}
					}
					synctest.Wait()
					e.peer.WantClose("the first byte that cannot be UTF-8", 1007)
					e.peer.Close()
					require.ErrorContains(t, (<-pulling).err, "we closed with 1007")
				})
			})
		}
	}
}

func TestTextFailsIfItEndsInsideACharacter(t *testing.T) {
	for _, text := range []string{"\xce", "a\xe2\x82", "\xf0\x9f\x98"} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(wstest.Text(text))
				e.fails(t, 1007)
			})
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(wstest.Text(text).Part(), wstest.Cont(nil, true))
				e.fails(t, 1007)
			})
		})
	}
}

// TestTextMayBeCutInsideACharacter: binary messages are not checked.
func TestTextMayBeCutInsideACharacter(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		text := "κόσμε€😀\U0010ffff\ud7ff\ue000"
		e.peer.Send(wstest.Text("").Part())
		for i := range len(text) {
			e.peer.Send(wstest.Cont([]byte{text[i]}, i == len(text)-1))
		}
		require.Equal(t, text, e.pull(t))
		e.peer.Send(wstest.Binary([]byte("\xff")))
		require.Equal(t, "\xff", e.pull(t))
	})
}

func TestFrameMayBeCutAtEveryByte(t *testing.T) {
	inBubble(t, config{ReadWindow: 1 << 20, Limit: 1 << 20}, func(t *testing.T, e *end) {
		stream, want := e.script()
		for at := range len(stream) - 65530 {
			pulling := goPull(t, e)
			e.peer.SendRaw(stream[:at])
			synctest.Wait() // all of it was read
			e.peer.SendRaw(stream[at:])
			m := <-pulling
			require.NoError(t, m.err)
			require.Equal(t, want[0], string(m.msg.Data))
			for _, want := range want[1:] {
				require.Equal(t, want, e.pull(t))
			}
			for f := (wstest.Frame{}); f.String() != wstest.Pong("").String(); {
				var err error
				f, err = e.peer.Next()
				require.NoError(t, err)
				require.Equal(t, wstest.OpPong, f.Op)
			}
		}
	})
}

func TestFrameMayComeByteByByte(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		stream, want := e.script()
		go func() {
			head := len(stream) - 65536 - 14
			for i := range head {
				e.far.Write(stream[i : i+1])
			}
			for i := range 100 {
				e.far.Write(stream[head+i : head+i+1])
			}
			e.far.Write(stream[head+100:])
		}()
		for _, want := range want {
			require.Equal(t, want, e.pull(t))
		}
	})
}

func TestFrameMayBeTheLastBeforeTheTransportEndsAtAnyByte(t *testing.T) {
	for _, client := range []bool{true, false} {
		t.Run(map[bool]string{true: "client", false: "server"}[client], func(t *testing.T) {
			var cuts int
			synctest.Test(t, func(t *testing.T) {
				stream, _ := inMemory(t, config{}, client).script()
				cuts = len(stream) - 65530
			})
			for at := range cuts {
				synctest.Test(t, func(t *testing.T) {
					e := inMemory(t, config{}, client)
					stream, want := e.script()
					e.peer.SendRaw(stream[:at])
					e.peer.CloseWrite()
					got := 0
					m, err := e.conn.Readable().Pull(t.Context())
					for ; err == nil; m, err = e.conn.Readable().Pull(t.Context()) {
						require.Equal(t, want[got], string(m.Data))
						got++
					}
					require.ErrorContains(t, err, "1006")
					require.Equal(t, whole(e, at), got)
				})
			}
		})
	}
}

func TestTextFailsBeforeItsMessageEnds(t *testing.T) {
	for name, frames := range map[string][]wstest.Frame{
		"in one frame":                  {wstest.Text("a\xff")},
		"cut at the end":                {wstest.Text("a\xcf")},
		"cut at the end of its last":    {wstest.Text("a").Part(), wstest.Cont([]byte("\xcf"), true)},
		"in the first of fragments":     {wstest.Text("a\xff").Part()},
		"in the second":                 {wstest.Text("a\xcf").Part(), wstest.Cont([]byte("a"), false)},
		"a surrogate that is not whole": {wstest.Text("\xed\xa0").Part()},
		"above U+10FFFF, before its end": {
			wstest.Text("\xf4").Part(),
			wstest.Cont([]byte("\x90"), false),
		},
		"overlong, before its end": {
			wstest.Text("\xe0").Part(),
			wstest.Cont([]byte("\x80"), false),
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				e.peer.Send(append([]wstest.Frame{wstest.Text("good")}, frames...)...)
				require.Equal(t, "good", e.pull(t))
				pulled := goPull(t, e)
				reason := e.peer.WantClose("the Close comes before the message ends", 1007)
				require.Contains(t, reason, "UTF-8")
				e.peer.Close()
				err := (<-pulled).err
				var end *wsstream.Error
				require.ErrorAs(t, err, &end)
				require.Equal(t, 1006, end.Code)
				require.ErrorContains(t, err, "1007")
				_, last := e.closed(t)
				require.Equal(t, err, last)
			})
		})
	}
}

func TestMaxFrameSizeCutsMessages(t *testing.T) {
	for name, tc := range map[string]struct {
		limit  int
		frames []int // of a message of 150,000 bytes
	}{
		"default":  {0, []int{65536, 65536, 18928}},
		"set":      {100_000, []int{100_000, 50_000}},
		"negative": {-1, []int{150_000}},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{MaxFrameSize: tc.limit}, func(t *testing.T, e *end) {
				wrote := goWrite(t, e, wsstream.Binary(make([]byte, 150_000)))
				for i, want := range tc.frames {
					f, err := e.peer.Next()
					require.NoError(t, err)
					require.Len(t, f.Payload, want)
					require.Equal(t, i == len(tc.frames)-1, f.Fin)
				}
				require.NoError(t, (<-wrote).err)
			})
		})
	}
}

// FuzzPeerBytes sends any bytes: none make a Conn panic, hang, or hold more than its bounds.
func FuzzPeerBytes(f *testing.F) {
	for _, client := range []bool{true, false} {
		p := wstest.NewPeer(f, fuzzEnd(), otherRole(client))
		for _, frames := range [][]wstest.Frame{
			{wstest.Text("hello"), wstest.Ping("p"), wstest.Close(1000, "bye")},
			{
				wstest.Text("a").Part(),
				wstest.Ping(""),
				wstest.Cont([]byte("\xce"), false),
				wstest.Cont([]byte("\xba"), true),
			},
			{wstest.Binary(make([]byte, 126)), wstest.Binary(make([]byte, 2000)), wstest.CloseEmpty()},
			{wstest.Text("\xff")},
			{wstest.Cont(nil, true)},
			{wstest.Close(1005, ""), wstest.Text("after")},
			{{Fin: true, Rsv: 4, Op: 1}},
			{{Fin: true, Op: 8, Payload: []byte{3}}},
		} {
			var b []byte
			for _, f := range frames {
				b = append(b, p.Encode(f)...)
			}
			f.Add(b, client, uint16(7), byte(0))
			f.Add(b[:len(b)-1], client, uint16(1), byte(3))
		}
		f.Add(p.EncodeHeader(wstest.Binary(nil), 1<<62), client, uint16(2), byte(1))
	}
	f.Fuzz(func(t *testing.T, stream []byte, client bool, chunk uint16, how byte) {
		synctest.Test(t, func(t *testing.T) {
			const window, limit = 256, 1000
			e := inMemory(t, config{ReadWindow: window, MaxMessageSize: limit}, client)
			e.far.(*memnet.Conn).Chunk(int(chunk))
			go e.peer.Next() // takes some of what is answered
			go func() {
				_, _ = e.far.Write(stream)
				e.far.(*memnet.Conn).CloseWrite()
			}()
			if how&1 != 0 {
				<-time.After(time.Second) // no call pulls at first
				require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(window))
			}
			for err := error(nil); err == nil; {
				err = take(t, e, how, limit)
			}
			require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(window+limit))
			e.closed(t)
			require.NoError(t, t.Context().Err())
			require.Error(t, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
		})
	})
}

// take pulls a message, or reads it as a stream.
func take(t *testing.T, e *end, how byte, limit int) error {
	if how&2 == 0 {
		m, err := e.conn.Readable().Pull(t.Context())
		require.LessOrEqual(t, len(m.Data), limit)
		return err
	}
	m, err := e.conn.Readable().NextMessage(t.Context())
	if err == nil && how&4 == 0 {
		for err == nil {
			_, err = m.Read(make([]byte, 50))
		}
		if err.Error() == "EOF" {
			err = nil
		}
	}
	if err == nil {
		err = m.Close()
	}
	return err
}

func fuzzEnd() *memnet.Conn {
	near, _ := memnet.Pipe(0)
	return near
}

package wsstream_test

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// TestCompressionBitIsOnlyForTheFirstFrame: RSV1 elsewhere, or where compression was not agreed,
// fails the connection.
func TestCompressionBitIsOnlyForTheFirstFrame(t *testing.T) {
	first := wstest.Frame{Op: wstest.OpText, Rsv: rsv1, Payload: []byte{0}}
	whole := first
	whole.Fin = true
	for name, test := range map[string]struct {
		c      config
		frames []wstest.Frame
		says   string
	}{
		"not agreed": {config{}, []wstest.Frame{whole}, "non-zero rsv"},
		"on a continuation": {
			packing,
			[]wstest.Frame{first, {Fin: true, Op: wstest.OpContinuation, Rsv: rsv1}},
			"a frame that begins no message has RSV1 set",
		},
		"on a plain one's": {
			packing,
			[]wstest.Frame{wstest.Text("a").Part(), {Fin: true, Op: wstest.OpContinuation, Rsv: rsv1}},
			"a frame that begins no message has RSV1 set",
		},
		"on a ping": {
			packing,
			[]wstest.Frame{{Fin: true, Op: wstest.OpPing, Rsv: rsv1}},
			"a frame that begins no message has RSV1 set",
		},
		"on a Close": {
			packing,
			[]wstest.Frame{{Fin: true, Op: wstest.OpClose, Rsv: rsv1}},
			"a frame that begins no message has RSV1 set",
		},
		"RSV2": {
			packing,
			[]wstest.Frame{{Fin: true, Op: wstest.OpText, Rsv: 2}},
			"a reserved bit set that has no meaning",
		},
		"RSV1 with RSV3": {
			packing,
			[]wstest.Frame{{Fin: true, Op: wstest.OpText, Rsv: rsv1 | 1}},
			"a reserved bit set that has no meaning",
		},
		"an opcode reserved": {
			packing,
			[]wstest.Frame{{Fin: true, Op: 3, Rsv: rsv1}},
			"reserved op code",
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, test.c, func(t *testing.T, e *end) {
				e.peer.Send(test.frames...)
				e.peer.WantClose(test.says, 1002)
				e.peer.Close()
				_, err := e.closed(t)
				require.ErrorContains(t, err, test.says)
			})
		})
	}
}

// TestCompressedMessageMayComeInFragments: Control frames and plain messages come between.
func TestCompressedMessageMayComeInFragments(t *testing.T) {
	onEveryPath(t, packing, func(t *testing.T, e *end) {
		p := newPacker(t)
		for i := range 10 {
			s := jsonText(uint64(i/2), 2000) // every other one is all copies
			payload := p.pack(t, s)
			for _, f := range packedFrames(payload, 1+i*37) {
				e.peer.Send(f)
				if i == 3 {
					e.peer.Send(wstest.Ping("between"))
				}
			}
			require.Equal(t, s, e.pull(t))
			e.peer.Send(wstest.Text("plain"))
			require.Equal(t, "plain", e.pull(t))
		}
	})
}

func TestCompressedMessageMayEndWithAnEmptyFrame(t *testing.T) {
	onEveryPath(t, packing, func(t *testing.T, e *end) {
		f := wstest.Frame{Op: wstest.OpText, Rsv: rsv1, Payload: packed(t, "hello")}
		ending := []wstest.Frame{f, wstest.Cont(nil, false), wstest.Cont(nil, true)}
		e.peer.Send(ending...)
		require.Equal(t, "hello", e.pull(t))
		e.peer.Send(ending...)
		m, err := readAll(t, e.conn.Readable())
		require.NoError(t, err)
		require.Equal(t, "hello", string(m.Data))
	})
}

func TestCompressedMessageUsesCreditAtItsWireSize(t *testing.T) {
	onEveryPath(t, packing, func(t *testing.T, e *end) {
		s := strings.Repeat("0123456789", 100_000)
		payload := packed(t, s)
		frame := wstest.Frame{Fin: true, Op: wstest.OpText, Rsv: rsv1, Payload: payload}
		e.peer.Send(frame, wstest.Ping("seen"))
		e.peer.Want("read ahead", wstest.Pong("seen"))
		wire := len(e.peer.Encode(frame)) + len(e.peer.Encode(wstest.Ping("seen")))
		require.EqualValues(t, wire, e.conn.Stats().Received.Held)
		require.Equal(t, s, e.pull(t))
		received := e.conn.Stats().Received
		require.Zero(t, received.Held)
		require.EqualValues(t, len(s), received.Bytes, "payload is what the caller gets")
	})
}

// bomb is a compressed message of so many MiB of zeros. Each MiB of it refers to itself alone.
func bomb(t *testing.T, n int) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	require.NoError(t, err)
	_, err = w.Write(make([]byte, 1<<20))
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	return bytes.TrimSuffix(bytes.Repeat(b.Bytes(), n), []byte{0, 0, 0xff, 0xff})
}

func TestCompressionBombStopsAtMaxMessageSize(t *testing.T) {
	size := 1 << 10
	if raceEnabled {
		size = 1 << 6 // compressing takes long
	}
	small := bomb(t, size)
	require.Less(t, len(small), 2<<20)
	for name, read := range map[string]func(t *testing.T, r *wsstream.Readable) error{
		"Pull": func(t *testing.T, r *wsstream.Readable) error {
			_, err := r.Pull(patient(t))
			return err
		},
		"a reader that is closed": func(t *testing.T, r *wsstream.Readable) error {
			m, err := r.NextMessage(patient(t))
			if err != nil {
				return err
			}
			m.Close()
			_, err = r.Pull(patient(t))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := packing
			c.MaxMessageSize, c.CloseTimeout = 100_000, 100*time.Millisecond
			onEveryPath(t, c, func(t *testing.T, e *end) {
				var input []byte
				for _, f := range packedFrames(small, 60_000) {
					input = append(input, e.peer.Encode(f)...)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				go func() { _, _ = e.far.Write(input) }() // until the connection ends
				err := read(t, e.conn.Readable())
				runtime.ReadMemStats(&after)
				require.ErrorContains(t, err,
					"received a compressed message of 100001 bytes or more; our MaxMessageSize is 100000")
				require.ErrorContains(t, err, "we closed with 1009")
				require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
			})
		})
	}
}

func TestCompressedMessageOfMaxMessageSizeIsPulled(t *testing.T) {
	c := packing
	c.MaxMessageSize = 5000
	onEveryPath(t, c, func(t *testing.T, e *end) {
		s := strings.Repeat("ab", 2500)
		e.peer.Send(packedFrames(packed(t, s), 10)...)
		require.Equal(t, s, e.pull(t))
		goPull(t, e)
		e.peer.Send(packedFrames(packed(t, s+"c"), 10)...)
		e.peer.WantClose("too large", 1009)
	})
}

func TestNextMessageInflatesOnlyWhatIsRead(t *testing.T) {
	c := packing
	c.ReadWindow, c.MaxMessageSize = 512, 100
	for _, room := range []int{1, 7, 4000, 50_000} {
		onEveryPath(t, c, func(t *testing.T, e *end) {
			p := newPacker(t)
			for i := range 2 { // the second refers to the first
				s := jsonText(1, 20_000) + strings.Repeat("ä", 5000)
				payload := p.pack(t, s)
				sent := make(chan error, 1)
				go func() { sent <- e.peer.Write(packedFrames(payload, 300)...) }()
				m, err := e.conn.Readable().NextMessage(patient(t))
				require.NoError(t, err)
				var got bytes.Buffer
				buf := make([]byte, room)
				for err == nil {
					var n int
					n, err = m.Read(buf)
					got.Write(buf[:n])
				}
				require.Equal(t, io.EOF, err)
				require.Equal(t, s, got.String(), "message %d", i)
				require.NoError(t, <-sent)
				require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(512))
			}
		})
	}
}

func TestCompressedMessageThatIsSkippedIsKnownToTheNext(t *testing.T) {
	for name, c := range map[string]config{"takeover": packing, "own contexts": apart} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, c, func(t *testing.T, e *end) {
				p := newPacker(t)
				pack := func(s string) []byte {
					if name != "takeover" {
						p = newPacker(t)
					}
					return p.pack(t, s)
				}
				for _, reads := range []int{0, 1, 5000} {
					s := jsonText(uint64(reads), 10_000)
					frames := packedFrames(pack(s), 700)
					e.peer.Send(frames[0])
					m, err := e.conn.Readable().NextMessage(patient(t))
					require.NoError(t, err)
					if reads < 5000 {
						_, err = io.ReadFull(m, make([]byte, reads))
						require.NoError(t, err)
					}
					m.Close()
					e.peer.Send(frames[1:]...)
					e.peer.Send(packedFrames(pack(s), 5000)...) // all copies
					require.Equal(t, s, e.pull(t))
				}
			})
		})
	}
}

func TestCompressedDataThatIsBadFailsTheConnection(t *testing.T) {
	for name, test := range map[string]struct {
		payload []byte
		says    string
	}{
		"no DEFLATE": {[]byte{0xff, 0xff, 0xff}, "not valid permessage-deflate data"},
		// A copy of what is 1 byte back.
		"before the first byte":   {[]byte{0x02, 0x02, 0, 0}, "not valid permessage-deflate data"},
		"cut off":                 {packed(t, jsonText(1, 3000))[:200], "ends too early"},
		"text that is not UTF-8":  {packed(t, "a\xffb"), "not UTF-8"},
		"text that ends too soon": {packed(t, "a\xc3"), "not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			for way, read := range map[string]func(t *testing.T, e *end) error{
				"Pull": func(t *testing.T, e *end) error {
					_, err := e.conn.Readable().Pull(patient(t))
					return err
				},
				"NextMessage": func(t *testing.T, e *end) error {
					_, err := readAll(t, e.conn.Readable())
					return err
				},
			} {
				t.Run(way, func(t *testing.T) {
					onEveryPath(t, packing, func(t *testing.T, e *end) {
						e.peer.Send(wstest.Text("before"))
						e.peer.Send(packedFrames(test.payload, 1000)...)
						require.Equal(t, "before", e.pull(t))
						result := goErr(func() error { return read(t, e) })
						e.peer.WantClose(test.says, 1007)
						e.peer.Close()
						require.ErrorContains(t, (<-result).err, test.says)
					})
				})
			}
		})
	}
}

func TestPullWhoseContextEndsInACompressedMessageHasConsumedNothing(t *testing.T) {
	s := jsonText(1, 20_000)
	for name, read := range map[string]func(t *testing.T, e *end) string{
		"Pull": func(t *testing.T, e *end) string { return e.pull(t) },
		"NextMessage": func(t *testing.T, e *end) string {
			m, err := readAll(t, e.conn.Readable())
			require.NoError(t, err)
			return string(m.Data)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, packing, func(t *testing.T, e *end) {
				p := newPacker(t)
				for range 2 {
					frames := packedFrames(p.pack(t, s), 100)
					for i, f := range frames[:len(frames)-1] {
						ctx, cancel := withCause(t)
						pulled := goDo(func() (wsstream.Message, error) { return e.conn.Readable().Pull(ctx) })
						e.peer.Send(f)
						if i%8 == 0 {
							e.peer.Send(wstest.Ping("it"))
							e.peer.Want("the pull has it", wstest.Pong("it"))
						}
						cancel(errMoment)
						require.Equal(t, errMoment, (<-pulled).err)
					}
					e.peer.Send(frames[len(frames)-1])
					require.Equal(t, s, read(t, e))
					require.Zero(t, e.conn.Stats().Received.Held)
				}
			})
		})
	}
}

func TestCompressedMessagesAreNotInflatedAfterDiscardOrCancel(t *testing.T) {
	for name, stop := range map[string]func(e *end){
		"Discard": func(e *end) { e.conn.Readable().Discard() },
		"Cancel":  func(e *end) { _ = e.conn.Readable().Cancel(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, packing, func(t *testing.T, e *end) {
				e.peer.Send(packedFrames(packed(t, jsonText(1, 5000)), 100)[:3]...)
				synctest.Wait()
				stop(e)
				// Were it inflated it would fail with 1007.
				e.peer.Send(wstest.Cont([]byte{0xff, 0xff, 0xff}, true))
				e.peer.Send(
					wstest.Frame{Fin: true, Op: wstest.OpBinary, Rsv: rsv1, Payload: []byte{0xff, 0xff, 0xff}})
				e.peer.Send(wstest.Close(1000, "bye"))
				e.peer.WantClose("in order", map[string]uint16{"Discard": 1000, "Cancel": 1005}[name])
				e.peer.Close()
				_, err := e.closed(t)
				require.NoError(t, err)
			})
		})
	}
}

func TestCompressedMessageInALongFrame(t *testing.T) {
	data := noise(1, 300_000)
	frame := wstest.Frame{Fin: true, Op: wstest.OpBinary, Rsv: rsv1, Payload: packed(t, string(data))}
	onEveryPath(t, packing, func(t *testing.T, e *end) {
		go func() { _ = e.peer.Write(frame, frame) }() // until the connection ends
		require.Equal(t, string(data), e.pull(t))
		m, err := e.conn.Readable().NextMessage(patient(t))
		require.NoError(t, err)
		got := make([]byte, len(data))
		_, err = io.ReadFull(m, got)
		require.NoError(t, err)
		require.Equal(t, data, got)
	})
}

func TestCompressedMessagesThatAreSkippedAreLimitedOneByOne(t *testing.T) {
	c := packing
	c.MaxMessageSize = 5000
	onEveryPath(t, c, func(t *testing.T, e *end) {
		for range 3 {
			e.peer.Send(packedFrames(packed(t, strings.Repeat("0123", 1000)), 50)...)
			m, err := e.conn.Readable().NextMessage(patient(t))
			require.NoError(t, err)
			m.Close()
		}
		e.peer.Send(wstest.Text("on"))
		require.Equal(t, "on", e.pull(t))
	})
}

// emptyBlocks are kinds of compressed blocks that bring nothing: as many of each as make whole
// bytes.
var emptyBlocks = []struct {
	name   string
	count  int
	blocks []byte
}{
	{"stored", 1, []byte{0, 0, 0, 0xff, 0xff}},
	{"with the fixed code", 4, asBits(strings.Repeat("0 10 0000000", 4))},
	// Its lowest bit first, as all numbers.
	{"with a code of their own", 8, asBits(strings.Repeat("0 01"+
		"00000 00000 0111"+ // 257 codes of symbols, 1 of distances, 18 of lengths
		"000 000 100"+strings.Repeat("000", 14)+"100"+ // the lengths 18 and 1 have a code of one bit
		"1 1111111 1 0101011 0 0 0"+ // 138 zeros, 117 zeros, 1, 1; 1
		"1", 8))}, // the end
}

// asBits packs bits, the first of them lowest, with spaces between.
func asBits(bits string) []byte {
	bits = strings.ReplaceAll(bits, " ", "")
	b := make([]byte, (len(bits)+7)/8)
	for i, bit := range bits {
		b[i/8] |= byte(bit-'0') << (i % 8)
	}
	return b
}

// TestCompressedBlocksWithoutDataAreAFlood: they count as frames without data do.
func TestCompressedBlocksWithoutDataAreAFlood(t *testing.T) {
	read := map[string]func(e *end) error{
		"Pull": func(e *end) error {
			for {
				if _, err := e.conn.Readable().Pull(context.Background()); err != nil {
					return err
				}
			}
		},
		"NextMessage": func(e *end) error {
			for {
				m, err := e.conn.Readable().NextMessage(context.Background())
				if err == nil {
					_, err = io.Copy(io.Discard, m)
				}
				if err != nil {
					return err
				}
			}
		},
		"MessageReader.Close": func(e *end) error {
			for m, err := range e.conn.Readable().Messages(context.Background()) {
				if err != nil {
					return err
				}
				_ = m.Close()
			}
			return nil
		},
	}
	for i, kind := range emptyBlocks {
		for j, name := range slices.Sorted(maps.Keys(read)) {
			if raceEnabled && (i+j)%len(read) != 0 {
				continue // inflating takes a minute then: each kind is read in one way
			}
			read := read[name]
			for _, messages := range []int{1, 40} {
				on := inBubble // where no time passes while blocks are inflated
				if kind.count == 1 && messages == 1 {
					on = onEveryPath
				}
				t.Run(fmt.Sprintf("%s/%s/%d messages", kind.name, name, messages), func(t *testing.T) {
					on(t, packing, func(t *testing.T, e *end) {
						e.peer.Send(wstest.Text("good"))
						require.Equal(t, "good", e.pull(t))
						blocks := bytes.Repeat(kind.blocks, (maxRow+100)/kind.count/messages+1)
						sent := make(chan error, 1)
						go func() { // ends when all is sent
							var err error
							for range messages {
								for _, f := range packedFrames(append(slices.Clip(blocks), 0), 1000) {
									err = errors.Join(err, e.peer.Write(f))
								}
							}
							sent <- err
						}()
						done := goErr(func() error { return read(e) })
						reason := e.peer.WantClose("a flood", 1008)
						require.Contains(t, reason, "received more than 16384 compressed blocks in a row")
						require.NoError(t, <-sent)
						e.peer.Close()
						require.ErrorContains(t, (<-done).err, "we closed with 1008")
					})
				})
			}
		}
	}
}

// TestCompressedBlocksWithoutDataPassIfSlow: they also pass with bytes between.
func TestCompressedBlocksWithoutDataPassIfSlow(t *testing.T) {
	inBubble(t, packing, func(t *testing.T, e *end) {
		pull := goPull(t, e)
		for i := range 3 { // an empty message's blocks, some of them a second later
			f := wstest.Frame{
				Op:      wstest.OpContinuation,
				Payload: bytes.Repeat(emptyBlocks[0].blocks, maxRow*2/3),
			}
			if i == 0 {
				f.Op, f.Rsv = wstest.OpText, rsv1
			}
			e.peer.Send(f)
			<-time.After(1100 * time.Millisecond)
		}
		e.peer.Send(wstest.Cont([]byte{0}, true))
		require.NoError(t, (<-pull).err)

		p := newPacker(t) // each byte is flushed by itself, as a peer may that compresses as it goes
		const n = maxRow * 9 / 8
		for range n {
			_, err := p.w.Write([]byte("x"))
			require.NoError(t, err)
			require.NoError(t, p.w.Flush())
		}
		pull = goPull(t, e)
		e.peer.Send(packedFrames(bytes.TrimSuffix(p.out.Bytes(), []byte{0, 0, 0xff, 0xff}), 4000)...)
		got := <-pull
		require.NoError(t, got.err)
		require.Equal(t, strings.Repeat("x", n), string(got.msg.Data))
	})
}

package wsstream_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestWhatAMessageWriterHasWrittenCanBeInflatedAtOnce(t *testing.T) {
	c := packing
	c.WriteWindow = 4096
	onEveryPath(t, c, func(t *testing.T, e *end) {
		u := newUnpacker()
		for i := range 3 {
			m, err := e.conn.Writable().NewMessage(patient(t), wsstream.TypeText)
			require.NoError(t, err)
			var last wstest.Frame
			for j, s := range []string{"h", "el", jsonText(1, 300), "", "ä", jsonText(1, 60_000)} {
				wrote := goDo(func() (msg wsstream.Message, err error) { _, err = io.WriteString(m, s); return msg, err })
				for got, n := "", 0; len(got) < len(s); n++ {
					f, err := e.peer.Next()
					require.NoError(t, err)
					require.False(t, f.Fin)
					require.Equal(t, j == 0 && n == 0, f.Rsv == rsv1, "message %d, write %d, frame %d", i, j, n)
					u.in.Write(f.Payload)
					got += read(t, u, min(len(s)-len(got), 4096-14-64))
					require.Equal(t, s[:len(got)], got)
				}
				require.NoError(t, (<-wrote).err)
			}
			require.NoError(t, m.Close())
			last, err = e.peer.Next()
			require.NoError(t, err)
			require.Equal(t, wstest.Cont(last.Payload, true), last)
			require.LessOrEqual(t, len(last.Payload), 2)
			u.in.Write(append(last.Payload, 0, 0, 0xff, 0xff))
		}
		require.LessOrEqual(t, e.conn.Stats().Sent.HeldMax, int64(4096), "no more than the window")
	})
}

// read reads n bytes of what was given to u so far.
func read(t *testing.T, u *unpacker, n int) string {
	t.Helper()
	b := make([]byte, n)
	_, err := io.ReadFull(u.r, b)
	require.NoError(t, err)
	return string(b)
}

func TestAMessageWriterCanSayNo(t *testing.T) {
	onEveryPath(t, packing, func(t *testing.T, e *end) {
		m, err := e.conn.Writable().NewMessage(patient(t), wsstream.TypeText)
		require.NoError(t, err)
		m.NoCompress()
		_, err = io.WriteString(m, "plain")
		require.NoError(t, err)
		require.NoError(t, m.Close())
		require.Equal(t, "plain", string(readMessage(t, e)), "as it is")

		m, err = e.conn.Writable().NewMessage(patient(t), wsstream.TypeText)
		require.NoError(t, err)
		_, err = io.WriteString(m, "hello")
		require.NoError(t, err)
		m.NoCompress() // too late
		require.NoError(t, m.Close())
		payload, _ := nextFrames(t, e.peer)
		require.Equal(t, "hello", newUnpacker().unpack(t, payload, 5))
	})
}

func TestAMessageWriterThatWritesNothingSendsAnEmptyMessage(t *testing.T) {
	onEveryPath(t, packing, func(t *testing.T, e *end) {
		m, err := e.conn.Writable().NewMessage(patient(t), wsstream.TypeText)
		require.NoError(t, err)
		require.NoError(t, m.Close())
		e.peer.Want("an empty block", wstest.Frame{Fin: true, Rsv: rsv1, Op: ws.OpText, Payload: []byte{0}})
	})
}

// fill writes until there is no credit left, and returns the messages.
func fill(t *testing.T, e *end) (all []string) {
	for i := 0; ; i++ {
		m := wsstream.Binary(noise(byte(i), 300))
		ok, err := e.conn.Writable().TryWrite(m)
		require.NoError(t, err)
		if !ok {
			synctest.Wait() // the transport takes what it takes
			if e.conn.Writable().DesiredSize() <= 0 {
				return all
			}
			continue
		}
		all = append(all, string(m.Data))
	}
}

func TestWhatWasNotAdmittedIsNoPartOfTheContext(t *testing.T) {
	c := packing
	c.WriteWindow, c.Limit = 1000, 500
	inBubble(t, c, func(t *testing.T, e *end) {
		all := fill(t, e)
		secret := jsonText(9, 2000)
		ok, err := e.conn.Writable().TryWrite(wsstream.Text(secret))
		require.NoError(t, err)
		require.False(t, ok, "the window is full")
		ctx, cancel := withCause(t)
		wrote := goDo(func() (m wsstream.Message, err error) {
			return m, e.conn.Writable().Write(ctx, wsstream.Text(secret))
		})
		synctest.Wait()
		cancel(errMoment)
		require.Equal(t, errMoment, (<-wrote).err)

		u := newUnpacker()
		for _, want := range all {
			payload, _ := nextFrames(t, e.peer)
			require.Equal(t, want, u.unpack(t, payload, len(want)))
		}
		// Did ours know it, the peer could not inflate what refers to it.
		for range 2 {
			require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Text(secret)))
			payload, _ := nextFrames(t, e.peer)
			require.Equal(t, secret, u.unpack(t, payload, len(secret)))
		}
	})
}

func TestACompressedMessageWhoseContextEndsInTheMiddleIsSentWhole(t *testing.T) {
	c := packing
	c.WriteWindow, c.Limit, c.MaxFrameSize = 1000, 500, 700
	inBubble(t, c, func(t *testing.T, e *end) {
		u := newUnpacker()
		for i := range 3 {
			s := jsonText(uint64(i), 100_000)
			ctx, cancel := withCause(t)
			wrote := goDo(func() (m wsstream.Message, err error) {
				return m, e.conn.Writable().Write(ctx, wsstream.Text(s))
			})
			synctest.Wait()
			held := e.conn.Stats().Sent.Held
			require.Less(t, held, int64(1000+700+14), "as much as there is room for, and a frame")
			cancel(errMoment)
			require.NoError(t, (<-wrote).err)
			require.Greater(t, e.conn.Stats().Sent.Held, held)
			payload, _ := nextFrames(t, e.peer)
			require.Equal(t, s, u.unpack(t, payload, len(s)))
			require.Zero(t, e.conn.Stats().Sent.Held)
		}
	})
}

func TestAbortInTheMiddleOfACompressedMessageEndsIt(t *testing.T) {
	c := packing
	c.WriteWindow, c.Limit, c.MaxFrameSize = 1000, 500, 700
	for name, write := range map[string]func(ctx context.Context, w *wsstream.Writable, s string) error{
		"Write": func(ctx context.Context, w *wsstream.Writable, s string) error { return w.Write(ctx, wsstream.Text(s)) },
		"NewMessage": func(ctx context.Context, w *wsstream.Writable, s string) error {
			m, err := w.NewMessage(ctx, wsstream.TypeText)
			if err != nil {
				return err
			}
			_, err = io.WriteString(m, s)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, c, func(t *testing.T, e *end) {
				wrote := goDo(func() (m wsstream.Message, err error) {
					return m, write(t.Context(), e.conn.Writable(), jsonText(1, 100_000))
				})
				synctest.Wait()
				require.NoError(t, e.conn.Writable().Abort(errMoment))
				require.Equal(t, errMoment, (<-wrote).err)
				for {
					f, err := e.peer.Next()
					require.NoError(t, err)
					require.False(t, f.Fin && !f.Op.IsControl(), "no last frame")
					if f.Op == ws.OpClose {
						break
					}
				}
				e.peer.Send(wstest.CloseEmpty())
				e.peer.Close()
				_, err := e.closed(t)
				require.NoError(t, err)
				require.Zero(t, e.conn.Stats().Sent.Held)
			})
		})
	}
}

func TestAPongPassesBetweenTheFramesOfACompressedMessage(t *testing.T) {
	c := packing
	c.WriteWindow, c.Limit, c.MaxFrameSize = 1000, 500, 700
	inBubble(t, c, func(t *testing.T, e *end) {
		data := noise(1, 20_000)
		wrote := goWrite(t, e, wsstream.Binary(data))
		synctest.Wait()
		goPull(t, e)
		e.peer.Send(wstest.Ping("now"))
		synctest.Wait()
		var payload []byte
		var ponged bool
		for f := (wstest.Frame{}); !f.Fin || f.Op == ws.OpPong; {
			var err error
			f, err = e.peer.Next()
			require.NoError(t, err)
			if f.Op == ws.OpPong {
				ponged = true
				require.Zero(t, f.Rsv)
				continue
			}
			payload = append(payload, f.Payload...)
		}
		require.NoError(t, (<-wrote).err)
		require.True(t, ponged)
		require.Equal(t, string(data), newUnpacker().unpack(t, payload, len(data)))
	})
}

func TestAPreparedMessageIsCompressedOnceForAllThatAgreedAlike(t *testing.T) {
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
		{"12 bits, own contexts", extension, &wsstream.CompressionOptions{NoContextTakeover: true}, "12", false},
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

func TestAPreparedMessageOfAClientIsCompressedEveryTime(t *testing.T) {
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

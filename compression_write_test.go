package wsstream_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

func TestMessageWriterFlushesItsCompressorWithEachWrite(t *testing.T) {
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

func TestMessageWriterNoCompress(t *testing.T) {
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

func TestMessageWriterCompressesAnEmptyMessage(t *testing.T) {
	onEveryPath(t, packing, func(t *testing.T, e *end) {
		m, err := e.conn.Writable().NewMessage(patient(t), wsstream.TypeText)
		require.NoError(t, err)
		require.NoError(t, m.Close())
		e.peer.Want("an empty block", wstest.Frame{Fin: true, Rsv: rsv1, Op: wstest.OpText, Payload: []byte{0}})
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

func TestCompressionContextSkipsWhatWasNotAdmitted(t *testing.T) {
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

func TestWriteOfACompressedMessageWhoseContextEndsIsSentWhole(t *testing.T) {
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

func TestAbortInACompressedMessageSendsNoLastFrame(t *testing.T) {
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
					if f.Op == wstest.OpClose {
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

func TestPongPassesBetweenTheFramesOfACompressedMessage(t *testing.T) {
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
		for f := (wstest.Frame{}); !f.Fin || f.Op == wstest.OpPong; {
			var err error
			f, err = e.peer.Next()
			require.NoError(t, err)
			if f.Op == wstest.OpPong {
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

package wsstream_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// TestMessageWriterMakesOtherWritesWait: control frames pass between its frames.
func TestMessageWriterMakesOtherWritesWait(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		w := e.newMessage(t, t.Context())
		_, err := io.WriteString(w, "one, ")
		require.NoError(t, err)
		e.peer.Want("the first frame", wstest.Text("one, ").Part())

		write := goWrite(t, e, wsstream.Text("other"))
		e.quiet()
		ok, err := e.conn.Writable().TryWrite(wsstream.Text("other"))
		require.False(t, ok)
		require.NoError(t, err)
		e.peer.Send(wstest.Ping("between?"))
		e.peer.Want("a pong between the frames", wstest.Pong("between?"))

		_, err = io.WriteString(w, "two")
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.Equal(t, "two", string(readMessage(t, e)), "the rest of the message")
		require.NoError(t, (<-write).err)
		e.peer.Want("the Write that waited", wstest.Text("other"))
		_, err = io.WriteString(w, "three")
		require.Equal(t, wsstream.ErrClosed, err)
	})
}

func TestWritableCloseWaitsForAnOpenMessageWriter(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		w := e.newMessage(t, t.Context())
		_, err := io.WriteString(w, "half")
		require.NoError(t, err)
		closed := goErr(func() error { return e.conn.Writable().Close(patient(t)) })
		e.quiet()
		require.NoError(t, w.Close())
		require.Equal(t, "half", string(readMessage(t, e)))
		e.peer.Want("the Close behind it", wstest.Close(1000, ""))
		e.peer.Send(wstest.CloseEmpty())
		e.drop(t)
		require.NoError(t, (<-closed).err)
	})
}

func TestMessageWriterFailsWithTheConnection(t *testing.T) {
	ends := map[string]func(e *end){
		"CloseNow": func(e *end) { e.conn.CloseNow() },
		"lost":     func(e *end) { e.peer.Close() },
		"protocol": func(e *end) {
			e.peer.Send(wstest.Frame{Fin: true, Op: 3})
			e.notice() // else the Write may be over before the frame is read
			go drain(e)
		},
	}
	for what, happen := range ends {
		t.Run(what, func(t *testing.T) {
			inBubble(t, config{WriteWindow: 256, Limit: 4 << 10}, func(t *testing.T, e *end) {
				w := e.newMessage(t, t.Context())
				blocked := goDo(func() (m wsstream.Message, err error) {
					_, err = w.Write(make([]byte, 64<<10))
					return m, err
				})
				e.notice()
				happen(e)
				theEnd(t, e, (<-blocked).err)
				theEnd(t, e, w.Close())
			})
		})
	}
}

// TestMessageWriterWhoseContextEndsStaysOpen: its Writes return the cause. Close finishes the
// message.
func TestMessageWriterWhoseContextEndsStaysOpen(t *testing.T) {
	inBubble(t, config{WriteWindow: 256}, func(t *testing.T, e *end) {
		size := e.stuff(t, true)
		ctx, cancel := context.WithCancelCause(t.Context())
		w := e.newMessage(t, ctx)
		waits := goErr(func() error { _, err := w.Write(make([]byte, 1)); return err })
		synctest.Wait()
		cancel(errWhy)
		require.Equal(t, errWhy, (<-waits).err)
		_, err := w.Write([]byte("more"))
		require.Equal(t, errWhy, err)

		require.Equal(t, size, e.wantData(t))
		other := goWrite(t, e, wsstream.Text("other"))
		e.peer.WantIdle("it waits for the message's end")
		require.NoError(t, w.Close(),
			"an ended context must not leave a connection that cannot be written to")
		require.NoError(t, (<-other).err)
		e.peer.Want("the message that is empty, and the other", wstest.Text(""), wstest.Text("other"))
	})
}

// TestMessageWriterDoesNotFinishAMessageAfterClose: no frame of the message has FIN.
func TestMessageWriterDoesNotFinishAMessageAfterClose(t *testing.T) {
	ways := []struct {
		what string
		end  func(e *end) error
		err  error
		sent wstest.Frame
	}{
		{
			"Close",
			func(e *end) error { return e.conn.Close(wsstream.CloseInfo{}) },
			wsstream.ErrClosed,
			wstest.CloseEmpty(),
		},
		{
			"Abort",
			func(e *end) error { return e.conn.Writable().Abort(nil) },
			wsstream.ErrClosed,
			wstest.CloseEmpty(),
		},
		{
			"Abort for a cause",
			func(e *end) error { return e.conn.Writable().Abort(errWhy) },
			errWhy,
			wstest.Close(1011, ""),
		},
		{
			"Cancel",
			func(e *end) error { return e.conn.Readable().Cancel(errWhy) },
			wsstream.ErrClosed,
			wstest.Close(1011, ""),
		},
	}
	for _, c := range ways {
		t.Run(c.what, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				w := e.newMessage(t, t.Context())
				_, err := io.WriteString(w, "half")
				require.NoError(t, err)
				e.peer.Want("the first frame", wstest.Text("half").Part())
				require.NoError(t, c.end(e))
				e.peer.Want("the Close follows", c.sent)
				_, err = io.WriteString(w, "more")
				require.Equal(t, c.err, err)
				require.Equal(t, c.err, w.Close())
				e.peer.Send(wstest.CloseEmpty())
				e.drop(t)
				_, err = e.closed(t)
				require.NoError(t, err)
			})
			onEveryPath(t, config{WriteWindow: 16 << 10, Limit: 64 << 10}, func(t *testing.T, e *end) {
				w := e.newMessage(t, t.Context())
				blocked := goDo(func() (m wsstream.Message, err error) {
					_, err = io.WriteString(w, strings.Repeat("x", 1<<20))
					return m, err
				})
				f, err := e.peer.Next()
				require.NoError(t, err)
				require.False(t, f.Fin)
				e.quiet()
				require.NoError(t, c.end(e))
				require.Equal(t, c.err, (<-blocked).err)
				for f.Op != wstest.OpClose {
					f, err = e.peer.Next()
					require.NoError(t, err)
					require.True(t, f.Op == wstest.OpClose || !f.Fin, "the message must not end: %v", f)
				}
			})
		})
	}
}

func TestReadyWaitsForAnOpenMessageWriter(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		w := e.newMessage(t, t.Context())
		ok, err := e.conn.Writable().TryWrite(wsstream.Text("x"))
		require.NoError(t, err)
		require.False(t, ok)
		ready := goErr(func() error { return e.conn.Writable().Ready(t.Context()) })
		synctest.Wait()
		require.Empty(t, ready, "a loop over TryWrite and Ready would spin")
		require.NoError(t, w.Close())
		require.NoError(t, (<-ready).err)
		ok, err = e.conn.Writable().TryWrite(wsstream.Text("x"))
		require.NoError(t, err)
		require.True(t, ok)
	})
}

func TestMessageWriterReturnsTheCauseOfAbort(t *testing.T) {
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

// TestMessageWriterClosedInsideACharacterFailsTheWritable: the writes that wait for their turn
// fail with the same error.
func TestMessageWriterClosedInsideACharacterFailsTheWritable(t *testing.T) {
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

// The connection was about to fail with the error of WriteStallTimeout. Close said that the text
// had failed the Writable, and the Writable then had another error.
func TestMessageWriterClosedInsideACharacterBehindAFailureReturnsThatFailure(t *testing.T) {
	c := config{Limit: 4 << 10, WriteStallTimeout: time.Minute, CloseTimeout: time.Hour}
	inBubble(t, c, func(t *testing.T, e *end) {
		m := e.newMessage(t, t.Context())
		_, err := m.Write([]byte(strings.Repeat("a", 8<<10) + "\xc3")) // half a character
		require.NoError(t, err)
		<-time.After(time.Minute + time.Second) // the end is decided, and has not come
		require.False(t, ended(e))
		err = m.Close()
		unclean(1006, "WriteStallTimeout")(t, e, err)
		require.Equal(t, err, e.conn.Writable().Write(t.Context(), wsstream.Text("later")))
		_, closed := e.closed24h(t)
		require.Equal(t, err, closed)
	})
}

// TestMessageWriterEndsWithItsLastFragment: if the last fragment has not left yet it gets FIN,
// and no empty frame follows.
func TestMessageWriterEndsWithItsLastFragment(t *testing.T) {
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

func TestMessageWriterCloseWaitsNoLongerThanItsContext(t *testing.T) {
	inBubble(t, config{CloseTimeout: time.Minute}, func(t *testing.T, e *end) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, errWhy)
		defer cancel()
		w := e.newMessage(t, ctx)
		_, err := io.WriteString(w, "x")
		require.NoError(t, err)
		e.peer.Send(wstest.Frame{Fin: true, Op: 3}) // we close, and wait for the peer
		e.notice()
		start := time.Now()
		require.Equal(t, errWhy, w.Close())
		require.Equal(t, time.Second, time.Since(start))
	})
}

// A countingReader counts what is read. It hides a WriteTo of its Reader, which io.Copy would
// prefer.
type countingReader struct {
	io.Reader
	reads, bytes int
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.reads++
	r.bytes += n
	return n, err
}

func TestMessageWriterReadFromSendsWhatTheReaderGives(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789"), 20_000)
	for name, c := range map[string]config{
		"default windows": {},
		"small window":    {WriteWindow: 256},
		"no window":       {WriteWindow: -1},
		"small frames":    {MaxFrameSize: 100},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, c, func(t *testing.T, e *end) {
				w := e.newMessage(t, t.Context())
				sent := goDo(func() (m wsstream.Message, err error) {
					n, err := io.Copy(w, &countingReader{Reader: bytes.NewReader(payload)})
					if err == nil && n != int64(len(payload)) {
						err = errors.New("io.Copy has lost count")
					}
					return m, errors.Join(err, w.Close())
				})
				require.Equal(t, payload, readMessage(t, e))
				require.NoError(t, (<-sent).err)
				require.EqualValues(t, 1, e.conn.Stats().Sent.Messages)
			})
		})
	}
}

func TestMessageWriterReadFromCompresses(t *testing.T) {
	payload := strings.Repeat("the same again, ", 10_000)
	onEveryPath(t, packing, func(t *testing.T, e *end) {
		w, err := e.conn.Writable().NewMessage(t.Context(), wsstream.TypeText)
		require.NoError(t, err)
		sent := goDo(func() (m wsstream.Message, err error) {
			_, err = io.Copy(w, &countingReader{Reader: strings.NewReader(payload)})
			return m, errors.Join(err, w.Close())
		})
		require.Equal(t, payload, newUnpacker().unpack(t, readMessage(t, e), len(payload)))
		require.NoError(t, (<-sent).err)
	})
}

func TestMessageWriterReadFromReadsOnlyWhenTheWindowHasRoom(t *testing.T) {
	const window, limit = 256, 1 << 10
	inBubble(t, config{WriteWindow: window, Limit: limit}, func(t *testing.T, e *end) {
		w := e.newMessage(t, t.Context())
		src := &countingReader{Reader: strings.NewReader(strings.Repeat("x", 64<<10))}
		copied := goDo(func() (m wsstream.Message, err error) {
			_, err = w.ReadFrom(src)
			return m, errors.Join(err, w.Close())
		})
		e.quiet() // the transport and the window are full
		require.Less(t, src.bytes, window+limit, "no more is read than is sent and the window holds")
		require.Len(t, readMessage(t, e), 64<<10)
		require.NoError(t, (<-copied).err)
	})
}

func TestMessageWriterReadFromReturnsTheErrorOfTheReaderBehindItsBytes(t *testing.T) {
	boom := errors.New("boom")
	abc := func() io.Reader { return strings.NewReader("abc") }
	for name, tc := range map[string]struct {
		src  func() io.Reader
		want error
		n    int64
	}{
		"an error": {
			src: func() io.Reader {
				return iotest.DataErrReader(io.MultiReader(abc(), iotest.ErrReader(boom)))
			},
			want: boom,
			n:    3,
		},
		"EOF with the last bytes": {
			src: func() io.Reader { return iotest.DataErrReader(abc()) },
			n:   3,
		},
		"no progress": {
			src:  func() io.Reader { return io.MultiReader(abc(), silentReader{}) },
			want: io.ErrNoProgress,
			n:    3,
		},
		"nothing": {
			src: func() io.Reader { return strings.NewReader("") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				w := e.newMessage(t, t.Context())
				n, err := w.ReadFrom(tc.src())
				require.Equal(t, tc.want, err)
				require.Equal(t, tc.n, n)
				_, err = io.WriteString(w, "!")
				require.NoError(t, err, "the message goes on")
				require.NoError(t, w.Close())
				require.Equal(t, strings.Repeat("abc", int(tc.n/3))+"!", string(readMessage(t, e)))
			})
		})
	}
}

// A silentReader never has a byte.
type silentReader struct{}

func (silentReader) Read([]byte) (int, error) { return 0, nil }

func TestMessageWriterReadFromAfterCloseReadsNothing(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		w := e.newMessage(t, t.Context())
		require.NoError(t, w.Close())
		src := &countingReader{Reader: strings.NewReader("x")}
		n, err := w.ReadFrom(src)
		require.Equal(t, wsstream.ErrClosed, err)
		require.Zero(t, n)
		require.Zero(t, src.reads)
		e.peer.Want("an empty message", wstest.Text(""))
	})
}

func TestMessageWriterReadFromEndsWithItsContext(t *testing.T) {
	inBubble(t, config{WriteWindow: 256, Limit: 1 << 10}, func(t *testing.T, e *end) {
		boom := errors.New("boom")
		ctx, cancel := context.WithCancelCause(t.Context())
		w := e.newMessage(t, ctx)
		var n int64
		copied := goDo(func() (m wsstream.Message, err error) {
			n, err = w.ReadFrom(strings.NewReader(strings.Repeat("x", 64<<10)))
			return m, err
		})
		e.quiet()
		cancel(boom)
		require.Equal(t, boom, (<-copied).err)
		require.NoError(t, w.Close())
		require.Len(t, readMessage(t, e), int(n), "what was sent is counted")
	})
}

func TestMessageWriterReadFromRefusesWhatIsNotUTF8(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		w, err := e.conn.Writable().NewMessage(t.Context(), wsstream.TypeText)
		require.NoError(t, err)
		n, err := w.ReadFrom(
			io.MultiReader(strings.NewReader("\xce"), strings.NewReader("\xba"), strings.NewReader("\xff")))
		require.ErrorContains(t, err, "UTF-8")
		require.EqualValues(t, 2, n)
		require.NoError(t, w.Close())
		require.Equal(t, "κ", string(readMessage(t, e)))
	})
}

// A repeatingReader gives n bytes, and can be used again.
type repeatingReader struct{ n, left int }

func (r *repeatingReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		r.left = r.n
		return 0, io.EOF
	}
	n := min(len(p), r.left)
	r.left -= n
	return n, nil
}

func TestMessageWriterReadFromAllocatesNothing(t *testing.T) {
	conn, far := rawServer(t)
	rawSwallow(t, far)
	w, err := conn.Writable().NewMessage(t.Context(), wsstream.TypeBinary)
	require.NoError(t, err)
	src := &repeatingReader{n: allocSize, left: allocSize}
	requireAllocs(t, 0, func() {
		if n, err := io.Copy(w, src); n != allocSize || err != nil {
			t.Fatal(n, err)
		}
	})
}

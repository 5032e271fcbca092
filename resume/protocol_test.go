package resume_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
)

// The tests of the rules of PROTOCOL.md. Each is named on that page.

func TestProtocolTranscript(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r, server := w.open()
		r.text("hi")
		r.send(0xff, 0)
		w.want(server, "hi")
		m, err := server.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, wsstream.Binary([]byte{0xff}), m)
		r.want(join(u64(2, 2), []byte{3})...)
		w.write(server, "yes")
		r.wantText("yes")
		r.conn.CloseNow()

		r, received, taken := w.again(0, 0)
		require.Equal(t, []uint64{2, 2}, []uint64{received, taken})
		r.wantText("yes")
		r.send(join(u64(1, 1), []byte{3})...)
		r.send(join([]byte{0x03, 0xe8}, []byte("bye"), []byte{4})...)
		r.want(join(u64(3, 3), []byte{3})...)
		r.want(join([]byte{0x03, 0xe8}, []byte("bye"), []byte{4})...)
		r.send(join(u64(2, 2), []byte{3})...)
		r.wantClose(4000)
		info, err := server.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 1000, Reason: "bye"}, info)
	})
}

func TestProtocolNeedsItsName(t *testing.T) {
	inWorld(t, nil, nil, func(_ *testing.T, w *world) {
		r := w.raw("other")
		r.send(hello(0, 0, 0, rawID)...)
		r.wantClose(4003)
	})
}

func TestProtocolRefusesABadGreeting(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty":         {},
		"data":          {0},
		"short":         hello(0, 0, 0, rawID[1:]),
		"long":          hello(0, 0, 0, join(rawID, rawID)),
		"other kind":    join(hello(0, 0, 0, rawID)[:65], []byte{2}),
		"taken":         hello(0, 1, 0, rawID),
		"number":        hello(1<<53, 0, 0, rawID),
		"window":        join(u64(0, 0, 0, 0), []byte{0}, rawID, []byte{1}),
		"wide window":   join(u64(0, 0, 1<<53, 0), []byte{0}, rawID, []byte{1}),
		"not sent ever": hello(1, 1, 0, rawID),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, nil, func(_ *testing.T, w *world) {
				r := w.raw()
				r.send(data...)
				r.wantClose(4003)
			})
		})
	}
}

func TestProtocolGreetingHasTenSeconds(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r := w.raw()
		start := time.Now()
		r.wantClose(4003)
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestProtocolRepeatsWhatWasNotReceived(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r, server := w.open()
		for _, text := range []string{"1", "2", "3"} {
			w.write(server, text)
		}
		r.wantText("1")
		r.wantText("2")
		r.conn.CloseNow()
		r, _, _ = w.again(2, 1)
		r.wantText("3")
	})
}

func TestProtocolDropsNoMessageTwice(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r, server := w.open()
		r.text("1") // its ACK is lost
		w.want(server, "1")
		r.conn.CloseNow()
		r, received, _ := w.again(0, 0)
		require.Equal(t, uint64(1), received)
		r.text("2")
		w.want(server, "2")
	})
}

func TestProtocolAcknowledgesWithin5ms(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r, server := w.open()
		r.text("1")
		w.want(server, "1")
		within(t, 6*time.Millisecond, func() { r.want(join(u64(1, 1), []byte{3})...) })
	})
}

func TestProtocolAcknowledgesWhatIsNotPulled(t *testing.T) {
	inWorld(t, nil, nil, func(_ *testing.T, w *world) {
		r, server := w.open()
		r.text("1")
		r.want(join(u64(1, 0), []byte{3})...)
		w.want(server, "1")
		r.want(join(u64(1, 1), []byte{3})...)
	})
}

func TestProtocolHasAWindow(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		_, server := w.open() // with a window of 1000
		n := 0
		for ; server.Writable().DesiredSize() > 0; n++ {
			ok, err := server.Writable().TryWrite(wsstream.Binary(make([]byte, 84)))
			require.NoError(t, err)
			require.True(t, ok)
		}
		require.Equal(t, 10, n)
		ok, err := server.Writable().TryWrite(wsstream.Binary(nil))
		require.NoError(t, err)
		require.False(t, ok)
	})
}

func TestProtocolRefusesMoreThanTheWindow(t *testing.T) {
	inWorld(t, &resume.ServerOptions{Window: 256}, nil, func(_ *testing.T, w *world) {
		r := w.raw()
		r.send(hello(0, 0, 0, rawID)...)
		r.want(join(u64(0, 0, 256, 1<<20), []byte{2})...)
		for range 17 { // 16 fill it
			r.send(0)
		}
		r.wantClose(4003)
	})
}

func TestProtocolRefusesBadMessages(t *testing.T) {
	for name, data := range map[string][]byte{
		"no kind":              {},
		"unknown kind":         {5},
		"HELLO":                hello(0, 0, 0, rawID),
		"short ACK":            {1, 3},
		"ACK of the unsent":    join(u64(1, 0), []byte{3}),
		"ACK taken first":      join(u64(0, 1), []byte{3}),
		"END without a code":   {4},
		"END of a wrong code":  {0x03, 0xed, 4}, // 1005
		"END that is not UTF8": {0x03, 0xe8, 0xff, 4},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, nil, func(t *testing.T, w *world) {
				r, server := w.open()
				r.send(data...)
				r.wantClose(4003)
				_, err := server.Closed().Wait(t.Context())
				require.ErrorContains(t, err, "the peer broke the protocol")
			})
		})
	}
}

func TestProtocolHasNothingBehindEnd(t *testing.T) {
	for name, data := range map[string][]byte{
		"data": {0},
		"END":  {0, 0, 4},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, nil, func(t *testing.T, w *world) {
				r, _ := w.open()
				r.send(0, 0, 4)
				r.want(join(u64(1, 1), []byte{3})...)
				r.want(0, 0, 4)
				r.send(data...)
				r.wantClose(4003)
			})
		})
	}
}

func TestProtocolEndIsRepeated(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r, server := w.open()
		require.NoError(t, server.Close(wsstream.CloseInfo{Code: 4321, Reason: "why"}))
		end := join([]byte{0x10, 0xe1}, []byte("why"), []byte{4})
		r.want(end...)
		r.conn.CloseNow()
		r, _, _ = w.again(0, 0)
		r.want(end...)
		r.send(join(u64(1, 1), []byte{3})...)
		r.send(end...)
		r.want(join(u64(1, 1), []byte{3})...)
		r.wantClose(4000)
		_, err := server.Readable().Pull(t.Context())
		require.Equal(t, io.EOF, err) // the peer agreed
	})
}

func TestProtocolAnEndedSessionIsOver(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		client, server := w.pair(nil)
		require.NoError(t, server.Shutdown(t.Context(), wsstream.CloseInfo{}))
		r, s := w.open()
		go func() { _ = s.Shutdown(t.Context(), wsstream.CloseInfo{}) }()
		r.want(0, 0, 4)
		r.send(0, 0, 4)
		r.send(join(u64(1, 1), []byte{3})...)
		_, err := s.Closed().Wait(t.Context())
		require.NoError(t, err)
		r.conn.CloseNow() // the client has not seen the ACK of its END
		r = w.raw()
		r.send(hello(1, 1, 1, rawID)...)
		r.wantClose(4000)
		require.NoError(t, client.Shutdown(t.Context(), wsstream.CloseInfo{}))
	})
}

func TestProtocolUnknownSessionsAreGone(t *testing.T) {
	for name, id := range map[string][]byte{
		"unknown":         []byte("x123456789abcdef0123456789ABCDEF"),
		"half of it":      []byte("0123456789abcdef0123456789ABCDEx"),
		"the other half ": []byte("x123456789abcdef0123456789ABCDEF"),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, nil, func(_ *testing.T, w *world) {
				w.open()
				r := w.raw()
				r.send(hello(0, 0, 1, id)...)
				r.wantClose(4001)
			})
		})
	}
}

func TestProtocolALostWelcomeMakesNoSecondSession(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r := w.raw()
		r.send(hello(0, 0, 0, rawID)...)
		server := <-w.sessions
		r.conn.CloseNow() // the WELCOME is lost
		r = w.raw()
		r.send(hello(0, 0, 0, rawID)...)
		r.want(join(u64(0, 0, 1<<20, 1<<20), []byte{2})...)
		r.text("1")
		w.want(server, "1")
		require.Equal(t, 1, w.server.Len())
	})
}

func TestProtocolTakeoverCutsTheOldConnection(t *testing.T) {
	inWorld(t, nil, nil, func(_ *testing.T, w *world) {
		old, server := w.open()
		r, _, _ := w.again(0, 0)
		old.wantClose(4002)
		r.text("1")
		w.want(server, "1")
	})
}

// TestProtocolTakeoverCountsEachMessageOnce sends a message on a connection while another takes the
// session over. WELCOME says whether the message counts.
func TestProtocolTakeoverCountsEachMessageOnce(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		old, server := w.open()
		got := make(chan string)
		go func() {
			for m, err := range server.Readable().All(server.Context()) {
				if err != nil {
					return
				}
				got <- string(m.Data)
			}
		}()
		for n := range uint64(300) {
			text := fmt.Sprint(n)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_ = old.conn.Writable().Write(t.Context(), wsstream.Text(text)) // may be cut
			}()
			r, received, _ := w.again(0, 0)
			if received == n {
				r.text(text)
			} else {
				require.Equal(t, n+1, received)
			}
			<-sent
			require.Equal(t, text, <-got)
			old = r
		}
		server.CloseNow()
	})
}

// A peer cannot have received what was never sent.
func TestProtocolOverNeedsAllToBeSent(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r := w.raw()
		r.send(join(u64(0, 0, 1<<20, 0), []byte{0}, rawID, []byte{1})...)
		r.want(join(u64(0, 0, 1<<20, 1<<20), []byte{2})...)
		server := <-w.sessions
		_, err := server.Opened().Wait(t.Context())
		require.NoError(t, err)
		go func() {
			for { // until the window is full: the client does not pull
				m := wsstream.Binary(make([]byte, 10000))
				if server.Writable().Write(t.Context(), m) != nil {
					return
				}
			}
		}()
		<-time.After(time.Second)
		r.send(join([]byte{0x03, 0xe8}, []byte{4})...)
		require.NoError(t, r.conn.Close(wsstream.CloseInfo{Code: 4000}))
		_, err = server.Closed().Wait(t.Context())
		require.Error(t, err)
	})
}

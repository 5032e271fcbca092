package resume_test

import (
	"fmt"
	"io"
	"strings"
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
		r.send(text("hi"), record(2, 0xff))
		w.want(server, "hi")
		m, err := server.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, wsstream.Binary([]byte{0xff}), m)
		r.want(ack(13, 13))
		w.write(server, "yes")
		r.want(text("yes"))
		r.conn.CloseNow()

		r, received, taken := w.again(0, 0)
		require.Equal(t, []uint64{13, 13}, []uint64{received, taken})
		r.want(text("yes"))
		r.send(ack(8, 8), end(1000, "bye"))
		r.want(ack(23, 13), end(1000, "bye"))
		r.send(ack(18, 8))
		r.wantClose(4000)
		info, err := server.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 1000, Reason: "bye"}, info)
	})
}

func TestProtocolNeedsItsName(t *testing.T) {
	inWorld(t, nil, nil, func(_ *testing.T, w *world) {
		r := w.raw("other")
		r.send(hello(0, 0, 0, rawID))
		r.wantClose(4003)
	})
}

func TestProtocolRefusesABadGreeting(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty":         {},
		"data":          text("1"),
		"short":         hello(0, 0, 0, rawID[1:]),
		"long":          hello(0, 0, 0, join(rawID, rawID)),
		"not alone":     join(hello(0, 0, 0, rawID), text("1")),
		"other kind":    record(6, hello(0, 0, 0, rawID)[5:]...),
		"taken":         hello(0, 5, 0, rawID),
		"position":      hello(1<<53, 0, 0, rawID),
		"window":        record(5, join(u64(0, 0, 0, 0), []byte{0}, rawID)...),
		"wide window":   record(5, join(u64(0, 0, 1<<53, 0), []byte{0}, rawID)...),
		"not sent ever": hello(5, 5, 0, rawID),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, nil, func(_ *testing.T, w *world) {
				r := w.raw()
				r.send(data)
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
		r.want(text("1"), text("2"))
		r.conn.CloseNow()
		r, _, _ = w.again(12, 6)
		r.want(text("3"))
	})
}

func TestProtocolDropsNoMessageTwice(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r, server := w.open()
		r.send(text("1")) // its ACK is lost
		w.want(server, "1")
		r.conn.CloseNow()
		r, received, _ := w.again(0, 0)
		require.Equal(t, uint64(6), received)
		r.send(text("2"))
		w.want(server, "2")
	})
}

func TestProtocolAcknowledgesWithin5ms(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r, server := w.open()
		r.send(text("1"))
		w.want(server, "1")
		within(t, 6*time.Millisecond, func() { r.want(ack(6, 6)) })
	})
}

// The smaller window of both sides counts: that of the client here.
func TestProtocolAcknowledgesMostOfTheWindow(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r, server := w.open() // with a window of 1000
		word := strings.Repeat("x", 95)
		for range 7 {
			r.send(text(word))
			w.want(server, word)
		}
		within(t, 0, func() {
			r.send(text(word))
			w.want(server, word)
			r.want(ack(800, 800))
		})
	})
}

func TestProtocolAcknowledgesWhatIsNotPulled(t *testing.T) {
	inWorld(t, nil, nil, func(_ *testing.T, w *world) {
		r, server := w.open()
		r.send(text("1"))
		r.want(ack(6, 0))
		w.want(server, "1")
		r.want(ack(6, 6))
	})
}

func TestProtocolHasAWindow(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		_, server := w.open() // with a window of 1000
		n := 0
		for ; server.Writable().DesiredSize() > 0; n++ {
			ok, err := server.Writable().TryWrite(wsstream.Binary(make([]byte, 95)))
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
		r.send(hello(0, 0, 0, rawID))
		r.want(welcome(256, 1<<20))
		for range 53 { // 52 fill it
			r.send(text(""))
		}
		r.wantClose(4003)
	})
}

func TestProtocolTakesBatches(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r, server := w.open()
		w.write(server, "0")
		r.want(text("0"))
		r.send(text("1"), ack(6, 0), text(""), text("2"), ack(6, 6), text("3"))
		for _, word := range []string{"1", "", "2", "3"} {
			w.want(server, word)
		}
		require.Equal(t, 1000, server.Writable().DesiredSize())
		r.send(text("4"), end(1000, ""), ack(6, 6))
		w.want(server, "4")
		_, err := server.Readable().Pull(t.Context())
		require.Equal(t, io.EOF, err)
	})
}

func TestProtocolRefusesBadMessages(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty":                {},
		"short header":         {1, 0, 0, 0},
		"short record":         record(1, 'a')[:5],
		"half a second one":    join(text("1"), []byte{1, 0, 0}),
		"endless record":       {1, 0xff, 0xff, 0xff, 0xff},
		"kind 0":               record(0),
		"kind 7":               record(7),
		"text that is not UTF": text("\xff"),
		"many long records":    join(text(string(make([]byte, 60000))), text(string(make([]byte, 6000)))),
		"HELLO":                hello(0, 0, 0, rawID),
		"WELCOME":              welcome(1000, 0),
		"short ACK":            record(4, 1),
		"long ACK":             record(4, u64(0, 0, 0)...),
		"ACK of the unsent":    ack(14, 0),
		"ACK inside a record":  ack(3, 0),
		"ACK taken first":      ack(0, 5),
		"END of half a code":   record(3, 3),
		"END of a wrong code":  end(1005, ""),
		"END that is not UTF8": end(1000, "\xff"),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, nil, func(t *testing.T, w *world) {
				r, server := w.open()
				w.write(server, "sent")
				r.send(data)
				r.want(text("sent"))
				r.wantClose(4003)
				_, err := server.Closed().Wait(t.Context())
				require.ErrorContains(t, err, "the peer broke the protocol")
			})
		})
	}
}

func TestProtocolHasNothingBehindEnd(t *testing.T) {
	for name, data := range map[string][]byte{
		"data": text(""),
		"END":  record(3),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, nil, func(t *testing.T, w *world) {
				r, _ := w.open()
				r.send(record(3))
				r.want(ack(5, 0), record(3))
				r.send(data)
				r.wantClose(4003)
			})
		})
	}
}

func TestProtocolEndIsRepeated(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r, server := w.open()
		require.NoError(t, server.Close(wsstream.CloseInfo{Code: 4321, Reason: "why"}))
		r.want(end(4321, "why"))
		r.conn.CloseNow()
		r, _, _ = w.again(0, 0)
		r.want(end(4321, "why"))
		r.send(ack(10, 0))
		r.send(end(4321, "why"))
		r.want(ack(10, 0))
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
		r.want(record(3))
		r.send(record(3))
		r.send(ack(5, 0))
		_, err := s.Closed().Wait(t.Context())
		require.NoError(t, err)
		r.conn.CloseNow() // the client has not seen the ACK of its END
		r = w.raw()
		r.send(hello(5, 0, 1, rawID))
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
				r.send(hello(0, 0, 1, id))
				r.wantClose(4001)
			})
		})
	}
}

func TestProtocolALostWelcomeMakesNoSecondSession(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r := w.raw()
		r.send(hello(0, 0, 0, rawID))
		server := <-w.sessions
		r.conn.CloseNow() // the WELCOME is lost
		r = w.raw()
		r.send(hello(0, 0, 0, rawID))
		r.want(welcome(1<<20, 1<<20))
		r.send(text("1"))
		w.want(server, "1")
		require.Equal(t, 1, w.server.Len())
	})
}

func TestProtocolTakeoverCutsTheOldConnection(t *testing.T) {
	inWorld(t, nil, nil, func(_ *testing.T, w *world) {
		old, server := w.open()
		r, _, _ := w.again(0, 0)
		old.wantClose(4002)
		r.send(text("1"))
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
		at := uint64(0)
		for n := range 300 {
			word := fmt.Sprint(n)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_ = old.conn.Writable().Write(t.Context(), wsstream.Binary(text(word))) // may be cut
			}()
			r, received, _ := w.again(0, 0)
			if received == at {
				r.send(text(word))
				received += uint64(len(text(word)))
			}
			at += uint64(len(text(word)))
			require.Equal(t, at, received)
			<-sent
			require.Equal(t, word, <-got)
			old = r
		}
		server.CloseNow()
	})
}

// A peer cannot have received what was never sent.
func TestProtocolOverNeedsAllToBeSent(t *testing.T) {
	inWorld(t, nil, nil, func(t *testing.T, w *world) {
		r := w.raw()
		r.send(record(5, join(u64(0, 0, 1<<20, 0), []byte{0}, rawID)...))
		r.want(welcome(1<<20, 1<<20))
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
		r.send(end(1000, ""))
		require.NoError(t, r.conn.Close(wsstream.CloseInfo{Code: 4000}))
		_, err = server.Closed().Wait(t.Context())
		require.Error(t, err)
	})
}

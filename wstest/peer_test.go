package wstest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/wstest/memnet"
)

// A recorder stands in for a test that is expected to fail.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Errorf(format string, a ...any) { r.failure += fmt.Sprintf(format, a...) }

func (r *recorder) Fatalf(format string, a ...any) {
	r.failure += fmt.Sprintf(format, a...)
	runtime.Goexit()
}

// failure runs f with a peer whose test may fail, and returns what it fails with.
func failure(t *testing.T, nc net.Conn, role Role, f func(p *Peer)) string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(NewPeer(r, nc, role))
	}()
	<-done
	return r.failure
}

// test runs f in a bubble with a client and a server that script each other.
func test(t *testing.T, f func(t *testing.T, client, server *Peer)) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(0)
		f(t, NewPeer(t, a, AsClient), NewPeer(t, b, AsServer))
	})
}

func TestPeerSendsAndReceivesFrames(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789"), 7000)
	test(t, func(t *testing.T, client, server *Peer) {
		frames := []Frame{
			Text("hello"),
			Text(""),
			Binary(long[:125]),
			Binary(long[:126]),
			Text("in ").Part(),
			Ping("between"),
			Cont([]byte("two "), false),
			Cont([]byte("or three"), true),
			Pong(""),
			Text("the next message"),
			Close(1000, "bye"),
		}
		for _, p := range [][2]*Peer{{client, server}, {server, client}} {
			p[0].Send(frames...)
			p[1].Want("all frames", frames...)
			p[0].WantIdle("nothing came back")
			p[1].WantIdle("nothing is left")
		}
	})
	for _, size := range []int{65535, 65536, 70000} {
		test(t, func(t *testing.T, client, server *Peer) {
			go client.Write(Binary(long[:size])) // more than the transport holds
			server.Want("a long frame", Binary(long[:size]))
		})
	}
}

func TestPeerMasksEachFrameOfAClientAnew(t *testing.T) {
	test(t, func(t *testing.T, client, server *Peer) {
		one, two := client.Encode(Text("Hello")), client.Encode(Text("Hello"))
		require.NotEqual(t, one[2:6], two[2:6])
		for _, b := range [][]byte{one, two} {
			require.Equal(t, []byte{0x81, 0x85}, b[:2])
			ws.Cipher(b[6:], [4]byte(b[2:6]), 0)
			require.Equal(t, "Hello", string(b[6:]))
		}
		// RFC 6455, section 5.7.
		require.Equal(t, []byte("\x81\x05Hello"), server.Encode(Text("Hello")))
	})
}

func TestPeerEncodeHeaderDeclaresAnyLength(t *testing.T) {
	test(t, func(t *testing.T, client, server *Peer) {
		require.Equal(t, []byte{0x82, 0x7f, 0x40, 0, 0, 0, 0, 0, 0, 0},
			server.EncodeHeader(Binary(nil), 1<<62))
		client.SendRaw(client.EncodeHeader(Text(""), 5))
		client.SendRaw([]byte("Hello"))
		server.Want("the payload as it is", Text("Hello"))
	})
}

func TestPeerNextRejectsWhatBreaksTheRFC(t *testing.T) {
	for _, tc := range []struct {
		name   string
		client bool // the peer that reads
		sends  func(p *Peer) []byte
		breaks string
	}{
		{
			name:   "an unmasked frame of a client",
			sends:  func(p *Peer) []byte { f := Text("x"); f.WrongMask = true; return p.Encode(f) },
			breaks: "of a client is not masked",
		},
		{
			name:   "a masked frame of a server",
			client: true,
			sends:  func(p *Peer) []byte { f := Text("x"); f.WrongMask = true; return p.Encode(f) },
			breaks: "of a server is masked",
		},
		{
			name:   "16 bits of length for 125 bytes",
			client: true,
			sends: func(*Peer) []byte {
				return append([]byte{0x82, 126, 0, 125}, make([]byte, 125)...)
			},
			breaks: "in more bytes than it needs",
		},
		{
			name:   "64 bits of length for 65535 bytes",
			client: true,
			sends:  func(*Peer) []byte { return []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff} },
			breaks: "in more bytes than it needs",
		},
		{
			name:   "a reserved bit",
			client: true,
			sends:  func(p *Peer) []byte { f := Text("x"); f.Rsv = 4; return p.Encode(f) },
			breaks: "has the reserved bits 100",
		},
		{
			name:   "a reserved opcode",
			sends:  func(p *Peer) []byte { return p.Encode(Frame{Fin: true, Op: 3}) },
			breaks: "reserved opcode",
		},
		{
			name:   "a fragmented ping",
			sends:  func(p *Peer) []byte { return p.Encode(Ping("x").Part()) },
			breaks: "fragment of a control frame",
		},
		{
			name:   "a long ping",
			sends:  func(p *Peer) []byte { return p.Encode(Ping(string(make([]byte, 126)))) },
			breaks: "control frame of 126 bytes",
		},
		{
			name: "half a close code",
			sends: func(p *Peer) []byte {
				return p.Encode(Frame{Fin: true, Op: OpClose, Payload: []byte{3}})
			},
			breaks: "half a code",
		},
		{
			name:   "a continuation of nothing",
			sends:  func(p *Peer) []byte { return p.Encode(Cont(nil, true)) },
			breaks: "continues nothing",
		},
		{
			name: "a message within another",
			sends: func(p *Peer) []byte {
				return append(p.Encode(Text("x").Part()), p.Encode(Text("x"))...)
			},
			breaks: "within another",
		},
		{
			name: "a continuation after the end of a message",
			sends: func(p *Peer) []byte {
				return append(p.Encode(Text("x")), p.Encode(Cont(nil, true))...)
			},
			breaks: "continues nothing",
		},
		{
			name: "a frame after a Close",
			sends: func(p *Peer) []byte {
				return append(p.Encode(CloseEmpty()), p.Encode(Ping(""))...)
			},
			breaks: "comes after a Close",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			test(t, func(t *testing.T, client, server *Peer) {
				from, to := client, server
				if tc.client {
					from, to = server, client
				}
				from.SendRaw(tc.sends(from))
				_, err := to.Next()
				if err == nil {
					_, err = to.Next()
				}
				require.ErrorContains(t, err, tc.breaks)
			})
		})
	}
}

func TestPeerNextAllowsReservedBits(t *testing.T) {
	test(t, func(t *testing.T, client, server *Peer) {
		f := Text("x")
		f.Rsv = 4
		server.AllowRsv = 4
		client.Send(f)
		server.Want("RSV1", f)
		f.Rsv = 2
		client.Send(f)
		_, err := server.Next()
		require.ErrorContains(t, err, "reserved bits 010")
	})
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(0)
		NewPeer(t, b, AsServer).Send(Text("x"))
		says := failure(t, a, AsClient, func(p *Peer) {
			p.AllowRsv = 4
			f := Text("x")
			f.Rsv = 4
			p.Want("what", f)
		})
		require.Contains(t, says, "got: text \"x\"\nwant: text (rsv 100) \"x\"")
	})
}

func TestPeerNextTellsWhereTheTransportEnded(t *testing.T) {
	for name, tc := range map[string]struct {
		sends string
		err   error
	}{
		"between frames":   {"\x81\x01x", io.EOF},
		"in a header":      {"\x81", io.ErrUnexpectedEOF},
		"in a long header": {"\x81\x7e", io.ErrUnexpectedEOF},
		"before a payload": {"\x81\x02", io.ErrUnexpectedEOF},
		"in a payload":     {"\x81\x02x", io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			test(t, func(t *testing.T, client, server *Peer) {
				server.SendRaw([]byte(tc.sends))
				server.CloseWrite()
				_, err := client.Next()
				if err == nil {
					_, err = client.Next()
				}
				require.Equal(t, tc.err, err)
			})
		})
	}
}

func TestPeerWantFailsUnlessTheFramesAreThese(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 1000)
	other := bytes.Clone(long)
	other[700] = 'y'
	for _, tc := range []struct {
		name      string
		got, want []Frame
		says      string
	}{
		{
			"another payload",
			[]Frame{Text("a")},
			[]Frame{Text("b")},
			"what\n got: text \"a\"\nwant: text \"b\"",
		},
		{
			"another opcode",
			[]Frame{Binary([]byte("a"))},
			[]Frame{Text("a")},
			"got: binary 1 bytes 61",
		},
		{
			"a fragment",
			[]Frame{Text("a").Part()},
			[]Frame{Text("a")},
			"got: text (not the last) \"a\"",
		},
		{"another code", []Frame{Close(1000, "")}, []Frame{Close(1001, "")}, "got: close 1000"},
		{"no code", []Frame{CloseEmpty()}, []Frame{Close(1005, "")}, "got: close without a code"},
		{
			"the second",
			[]Frame{Ping("1"), Ping("2")},
			[]Frame{Ping("1"), Ping("3")},
			"what (frame 2 of 2)\n got: ping \"2\"",
		},
		{
			"far inside",
			[]Frame{Binary(long)},
			[]Frame{Binary(other)},
			"have 1000 and 1000 bytes and differ from byte 700 on: got 78",
		},
		{"the end", nil, []Frame{Ping("")}, "got: EOF\nwant: ping \"\""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := memnet.Pipe(0)
				server := NewPeer(t, b, AsServer)
				server.Send(tc.got...)
				server.Close()
				require.Contains(t,
					failure(t, a, AsClient, func(p *Peer) { p.Want("what", tc.want...) }), tc.says)
			})
		})
	}
}

func TestPeerWantCloseReturnsTheReason(t *testing.T) {
	test(t, func(t *testing.T, client, server *Peer) {
		client.Send(Close(1009, "too big"))
		require.Equal(t, "too big", server.WantClose("the limit", 1009))
		server.Send(CloseEmpty())
		require.Empty(t, client.WantClose("no code", 1005))
	})
	for _, f := range []Frame{Close(1000, ""), CloseEmpty(), Text("\x03\xf1")} {
		synctest.Test(t, func(t *testing.T) {
			a, b := memnet.Pipe(0)
			NewPeer(t, b, AsServer).Send(f)
			says := failure(t, a, AsClient, func(p *Peer) { p.WantClose("what", 1009) })
			require.Contains(t, says, "what\n got: "+f.String()+"\nwant: close 1009")
		})
	}
}

func TestPeerWantEOFAndWantResetTellEndsApart(t *testing.T) {
	for name, tc := range map[string]struct {
		ends       func(server *Peer)
		eof, reset string
	}{
		"close": {func(p *Peer) { p.Close() }, "", "got: EOF\nwant: a reset"},
		"half":  {func(p *Peer) { p.CloseWrite() }, "", "got: EOF\nwant: a reset"},
		"cut": {
			func(p *Peer) { p.Cut() },
			"connection reset by peer\nwant: the end of the stream",
			"",
		},
		"frame": {
			func(p *Peer) { p.Send(Ping("")) },
			"got: ping \"\"\nwant: the end",
			"got: ping \"\"\nwant: a reset",
		},
	} {
		for want, says := range map[string]string{"eof": tc.eof, "reset": tc.reset} {
			t.Run(name+"/"+want, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := memnet.Pipe(0)
					tc.ends(NewPeer(t, b, AsServer))
					got := failure(t, a, AsClient, func(p *Peer) {
						if want == "eof" {
							p.WantEOF("what")
						} else {
							p.WantReset("what")
						}
					})
					if says == "" {
						require.Empty(t, got)
					} else {
						require.Contains(t, got, says)
					}
				})
			})
		}
	}
}

func TestPeerWantIdleFailsIfAnythingCame(t *testing.T) {
	for _, tc := range []struct {
		name string
		does func(b *memnet.Conn, server *Peer)
		says string
	}{
		{"nothing", func(*memnet.Conn, *Peer) {}, ""},
		{
			"a frame",
			func(_ *memnet.Conn, p *Peer) { p.Send(Ping("")) },
			"what\n got: 2 bytes, with: ping \"\"\nwant: nothing",
		},
		{"a frame later", func(_ *memnet.Conn, p *Peer) { go p.Write(Ping("")) }, "ping \"\""},
		{
			"a frame on hold",
			func(b *memnet.Conn, p *Peer) { b.Stall(true); p.Send(Ping("")) },
			"got: 2 bytes: read mem",
		},
		{
			"half a frame",
			func(_ *memnet.Conn, p *Peer) { p.SendRaw([]byte{0x81}) },
			"got: 1 bytes: read mem",
		},
		{"the end", func(_ *memnet.Conn, p *Peer) { p.Close() }, "got: the transport's end: EOF"},
		{"a cut", func(_ *memnet.Conn, p *Peer) { p.Cut() }, "got: the transport's end: read mem"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := memnet.Pipe(0)
				tc.does(b, NewPeer(t, b, AsServer))
				got := failure(t, a, AsClient, func(p *Peer) { p.WantIdle("what") })
				if tc.says == "" {
					require.Empty(t, got)
				} else {
					require.Contains(t, got, tc.says)
				}
			})
		})
	}
}

func TestPeerWantIdleSeesAFrameReadTogetherWithAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(0)
		NewPeer(t, b, AsServer).Send(Ping("1"), Ping("2"))
		require.Contains(t, failure(t, a, AsClient, func(p *Peer) {
			p.Want("the first", Ping("1"))
			p.WantIdle("what")
		}), "ping \"2\"")
	})
}

func TestPeerWantIdleWorksOnlyInABubble(t *testing.T) {
	idle := func(p *Peer) { p.WantIdle("what") }
	a, b := memnet.Pipe(0)
	defer b.Close()
	require.Contains(t, failure(t, a, AsClient, idle),
		"what: WantIdle works only under testing/synctest")
	client, _ := tcp(t)
	require.Contains(t, failure(t, client, AsClient, idle), "not on a *net.TCPConn")
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		require.Contains(t, failure(t, a, AsClient, idle), "not on a *net.pipe")
	})
}

func TestPeerReadThatGetsNothingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(0)
		defer b.Close()
		start := time.Now()
		says := failure(t, a, AsClient, func(p *Peer) { p.Want("what", Ping("")) })
		require.Contains(t, says, "what\n got: read mem")
		require.Contains(t, says, "timeout\nwant: ping")
		require.Equal(t, time.Hour, time.Since(start))

		says = failure(t, a, AsClient, func(p *Peer) { p.Send(Binary(make([]byte, 1<<20))) })
		require.Contains(t, says, "wstest: 65536 of 1048590 bytes were sent")
	})
}

func TestPeerPatienceEndsBeforeTheTestsDeadline(t *testing.T) {
	a, b := memnet.Pipe(0)
	defer b.Close()
	require.LessOrEqual(t, NewPeer(t, a, AsClient).patience(), 30*time.Second)
	soon := deadliner{t, time.Now().Add(11 * time.Second)}
	require.LessOrEqual(t, NewPeer(soon, a, AsClient).patience(), 10*time.Second)
	past := NewPeer(deadliner{t, time.Now()}, a, AsClient)
	_, err := past.Next()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

type deadliner struct {
	testing.TB
	deadline time.Time
}

func (d deadliner) Deadline() (time.Time, bool) { return d.deadline, true }

func TestPeerClosesItsTransportWhenTheTestEnds(t *testing.T) {
	a, b := memnet.Pipe(0)
	t.Run("inner", func(t *testing.T) { NewPeer(t, a, AsClient) })
	require.True(t, a.Closed())
	require.Equal(t, io.EOF, b.End())
}

// tcp returns the two ends of a connection over loopback.
func tcp(t *testing.T) (client, server net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	server, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestPeerOverTCP(t *testing.T) {
	a, b := tcp(t)
	client, server := NewPeer(t, a, AsClient), NewPeer(t, b, AsServer)
	client.Send(Text("hello"), Ping("1"))
	server.Want("both", Text("hello"), Ping("1"))
	client.CloseWrite()
	server.WantEOF("the client is done")
	server.Send(Pong("1"))
	client.Want("the other direction goes on", Pong("1"))
	server.Cut()
	client.WantReset("the server has cut")
}

func TestPeerWriteReturnsTheTransportsError(t *testing.T) {
	test(t, func(t *testing.T, client, server *Peer) {
		flood := make(chan error, 1)
		go func() { flood <- client.Write(Binary(make([]byte, 1<<20))) }()
		synctest.Wait()
		server.Cut()
		require.True(t, errors.Is(<-flood, syscall.ECONNRESET))
		require.ErrorIs(t, server.Write(Ping("")), syscall.ECONNRESET)
	})
}

// A wrapper hides a net.Conn as *tls.Conn does.
type wrapper struct{ net.Conn }

func (w wrapper) NetConn() net.Conn { return w.Conn }

func TestPeerCutReachesTheTransportUnderTLS(t *testing.T) {
	a, b := memnet.Pipe(0)
	NewPeer(t, wrapper{a}, AsClient).Cut()
	NewPeer(t, b, AsServer).WantReset("the client has cut")
	client, server := tcp(t)
	NewPeer(t, wrapper{client}, AsClient).Cut()
	NewPeer(t, server, AsServer).WantReset("the client has cut")
}

func TestPeerFailsToCutOrHalfCloseWhatCannotBe(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	require.Contains(t, failure(t, a, AsClient, func(p *Peer) { p.Cut() }), "cannot be cut")
	require.Contains(t, failure(t, a, AsClient, func(p *Peer) { p.CloseWrite() }),
		"cannot be half-closed")
}

func TestPeerHasARole(t *testing.T) {
	a, b := memnet.Pipe(0)
	defer b.Close()
	require.Contains(t, failure(t, a, 0, func(*Peer) {}),
		"the role of a Peer is AsClient or AsServer, not 0")
}

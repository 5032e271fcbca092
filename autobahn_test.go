package wsstream_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	kflate "github.com/klauspost/compress/flate"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// The cases of the Autobahn testsuite that a correct peer fails for small reasons: order,
// strictness, and parameters of permessage-deflate. Each is sent to our echo server, and to a
// client of ours that echoes.

// autobahn are cases 3, 4 and 5.15. Autobahn calls the echo before a breach strict.
var autobahn = []struct {
	name  string
	send  []wstest.Frame
	want  []wstest.Frame // before the Close
	close uint16         // what we close with
}{
	{"3.1", []wstest.Frame{reserved(wstest.OpText, 1, hello)}, nil, 1002},
	{
		"3.2",
		[]wstest.Frame{wstest.Text(hello), reserved(wstest.OpText, 2, hello), wstest.Ping("")},
		helloBack,
		1002,
	},
	{
		"3.3",
		[]wstest.Frame{wstest.Text(hello), reserved(wstest.OpText, 3, hello), wstest.Ping("")},
		helloBack,
		1002,
	},
	{
		"3.4",
		[]wstest.Frame{wstest.Text(hello), reserved(wstest.OpText, 4, hello), wstest.Ping("")},
		helloBack,
		1002,
	},
	{
		"3.5",
		[]wstest.Frame{reserved(wstest.OpBinary, 5, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff")},
		nil,
		1002,
	},
	{"3.6", []wstest.Frame{reserved(wstest.OpBinary, 6, hello)}, nil, 1002},
	{"3.7", []wstest.Frame{reserved(wstest.OpClose, 7, "")}, nil, 1002},
	{"4.1.1", []wstest.Frame{reserved(3, 0, "")}, nil, 1002},
	{"4.1.2", []wstest.Frame{reserved(4, 0, "reserved opcode payload")}, nil, 1002},
	{
		"4.1.3",
		[]wstest.Frame{wstest.Text(hello), reserved(5, 0, ""), wstest.Ping("")},
		helloBack,
		1002,
	},
	{
		"4.1.4",
		[]wstest.Frame{wstest.Text(hello), reserved(6, 0, hello), wstest.Ping("")},
		helloBack,
		1002,
	},
	{
		"4.1.5",
		[]wstest.Frame{wstest.Text(hello), reserved(7, 0, hello), wstest.Ping("")},
		helloBack,
		1002,
	},
	{"4.2.1", []wstest.Frame{reserved(11, 0, "")}, nil, 1002},
	{"4.2.2", []wstest.Frame{reserved(12, 0, "reserved opcode payload")}, nil, 1002},
	{
		"4.2.3",
		[]wstest.Frame{wstest.Text(hello), reserved(13, 0, ""), wstest.Ping("")},
		helloBack,
		1002,
	},
	{
		"4.2.4",
		[]wstest.Frame{wstest.Text(hello), reserved(14, 0, hello), wstest.Ping("")},
		helloBack,
		1002,
	},
	{
		"4.2.5",
		[]wstest.Frame{wstest.Text(hello), reserved(15, 0, hello), wstest.Ping("")},
		helloBack,
		1002,
	},
	{
		"5.15",
		[]wstest.Frame{
			wstest.Text("fragment1").Part(),
			wstest.Cont([]byte("fragment2"), true),
			wstest.Cont([]byte("fragment3"), false),
			wstest.Text("fragment4"),
		},
		[]wstest.Frame{wstest.Text("fragment1fragment2")},
		1002,
	},
}

const hello = "Hello, world!"

var helloBack = []wstest.Frame{wstest.Text(hello)}

// reserved is a frame with reserved bits or a reserved opcode.
func reserved(op wstest.Op, rsv byte, payload string) wstest.Frame {
	return wstest.Frame{Fin: true, Rsv: rsv, Op: op, Payload: []byte(payload)}
}

// chops are the ways in which Autobahn sends frames.
var chops = map[string]func(p *wstest.Peer, frames []wstest.Frame){
	"in one write": func(p *wstest.Peer, frames []wstest.Frame) { p.Send(frames...) },
	"frame by frame": func(p *wstest.Peer, frames []wstest.Frame) {
		for _, f := range frames {
			p.Send(f)
		}
	},
	"octet by octet": func(p *wstest.Peer, frames []wstest.Frame) {
		for _, f := range frames {
			for _, b := range p.Encode(f) {
				p.SendRaw([]byte{b})
			}
		}
	},
}

// answers echo all messages, until the connection ends: on a goroutine that pulls, or by a message
// handler.
var answers = map[string]func(t *testing.T, c *wsstream.Conn){
	"pulls": func(t *testing.T, c *wsstream.Conn) {
		go func() {
			var m wsstream.Message
			for c.Readable().PullInto(t.Context(), &m) == nil {
				if c.Writable().Write(t.Context(), m) != nil {
					return
				}
			}
		}()
	},
	"Handle": func(t *testing.T, c *wsstream.Conn) {
		require.NoError(t, c.Readable().Handle(func(m wsstream.Message) error {
			return c.Writable().Write(c.Context(), m)
		}, nil))
	},
}

// TestFrameOrderOfAutobahnsStrictCases is over TCP what
// TestFrameRulesAnswerGoodMessagesBeforeABreach is in memory.
func TestFrameOrderOfAutobahnsStrictCases(t *testing.T) {
	for _, c := range autobahn {
		for chop, send := range chops {
			talk := func(t *testing.T, e *end, how string) (got []wstest.Frame) {
				answers[how](t, e.conn)
				send(e.peer, c.send)
				for range c.want {
					f, err := e.peer.Next()
					require.NoError(t, err)
					if got = append(got, f); f.Op == wstest.OpClose {
						return got
					}
				}
				e.peer.WantClose("and nothing behind it", c.close)
				e.peer.Close()
				_, err := e.closed(t)
				require.Error(t, err)
				return got
			}
			for how := range answers {
				for _, client := range []bool{true, false} {
					name := fmt.Sprint(c.name, "/", chop, "/", how, "/client: ", client)
					t.Run(name, func(t *testing.T) {
						// If the machine keeps the echo waiting for some milliseconds, no call
						// reads. Then the breach takes effect before the answer. That happens once
						// in 1,000 runs under load.
						got := talk(t, overTCP(t, config{}, client), how)
						for range 4 {
							all := len(got) == len(c.want)
							if all && (len(got) == 0 || got[0].Op != wstest.OpClose) {
								break
							}
							got = talk(t, overTCP(t, config{}, client), how)
						}
						require.Equal(t, c.want, got, "the answers to what came before the breach")
					})
				}
			}
		}
	}
}

// autobahnDeflate are cases 13: what Autobahn's client offers, and how its server answers our
// default offer. They are of 9 bits where its older versions had 8.
var autobahnDeflate = []struct{ name, offers, answer string }{
	{
		name:   "13.1",
		offers: autobahnOffer,
		answer: extension,
	},
	{
		name:   "13.2",
		offers: autobahnOffer + "; server_no_context_takeover",
		answer: extension + "; client_no_context_takeover",
	},
	{
		name:   "13.3, 8 bits",
		offers: autobahnOffer + "; server_max_window_bits=8",
		answer: extension + "; client_max_window_bits=8",
	},
	{
		name:   "13.3, 9 bits",
		offers: autobahnOffer + "; server_max_window_bits=9",
		answer: extension + "; client_max_window_bits=9",
	},
	{
		name:   "13.4",
		offers: autobahnOffer + "; server_max_window_bits=15",
		answer: extension + "; client_max_window_bits=15",
	},
	{
		name:   "13.5, 8 bits",
		offers: autobahnOffer + "; server_no_context_takeover; server_max_window_bits=8",
		answer: extension + "; client_no_context_takeover; client_max_window_bits=8",
	},
	{
		name:   "13.5, 9 bits",
		offers: autobahnOffer + "; server_no_context_takeover; server_max_window_bits=9",
		answer: extension + "; client_no_context_takeover; client_max_window_bits=9",
	},
	{
		name:   "13.6",
		offers: autobahnOffer + "; server_no_context_takeover; server_max_window_bits=15",
		answer: extension + "; client_no_context_takeover; client_max_window_bits=15",
	},
	{
		name: "13.7",
		offers: autobahnOffer + "; server_no_context_takeover; server_max_window_bits=9, " +
			autobahnOffer + "; server_no_context_takeover, " + autobahnOffer,
		answer: extension + "; client_no_context_takeover; client_max_window_bits=9",
	},
}

const autobahnOffer = extension + "; client_no_context_takeover; client_max_window_bits"

// autobahnSizes are those of the messages of cases 12 and 13, and of the fragments that they are
// sent in.
var autobahnSizes = []struct{ message, fragment int }{
	{16, 0}, {64, 0}, {256, 0}, {1024, 0}, {4096, 0}, {8192, 0}, {16384, 0}, {32768, 0},
	{65536, 0}, {131072, 0}, {8192, 256}, {16384, 256}, {32768, 256}, {65536, 256}, {131072, 256},
	{131072, 1024}, {131072, 4096}, {131072, 32768},
}

var autobahnText = sync.OnceValue(func() string { return jsonText(13, 200_000) })

func TestCompressionParametersOfAutobahn(t *testing.T) {
	for _, c := range autobahnDeflate {
		for _, client := range []bool{true, false} {
			conf := config{Compression: &wsstream.CompressionOptions{}, Extensions: c.offers}
			name := c.name + "/server"
			if client {
				conf.Extensions, name = c.answer, c.name+"/client"
			}
			for how := range answers {
				t.Run(name+"/memory/"+how, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						inMemory(t, conf, client).echoesCompressed(t, how)
					})
				})
				t.Run(name+"/tcp/"+how, func(t *testing.T) {
					overTCP(t, conf, client).echoesCompressed(t, how)
				})
			}
		}
	}
}

// echoesCompressed checks that messages of all sizes come back, compressed as it was agreed.
func (e *end) echoesCompressed(t *testing.T, how string) {
	opened, err := e.conn.Opened().Wait(patient(t))
	require.NoError(t, err)
	require.Contains(t, opened.Extensions, extension)
	ours, theirs := agreed(opened.Extensions, "client"), agreed(opened.Extensions, "server")
	if !e.client {
		ours, theirs = theirs, ours
	}
	ours.bits = min(ours.bits, wsstream.DefaultWindowBits)
	answers[how](t, e.conn)
	text := autobahnText()
	for _, size := range autobahnSizes {
		if e.mem && size.message > 1<<15 || raceEnabled && size.message > 1<<13 {
			continue // these take time, and TCP without the race detector has them
		}
		want := text[:size.message]
		text = text[size.message:] + want // as Autobahn goes through its file
		payload := theirs.pack(t, want)
		frames := packedFrames(payload, max(1, size.fragment))
		if size.fragment == 0 {
			frames = packedFrames(payload, len(payload))
		}
		sent := goErr(func() error { return e.peer.Write(frames...) })
		payload, frames = nextFrames(t, e.peer)
		require.Equal(t, wstest.OpText, frames[0].Op)
		require.Equal(t, frames[0].Rsv == rsv1, size.message >= wsstream.DefaultCompressionThreshold)
		if frames[0].Rsv == rsv1 {
			payload = ours.unpack(t, payload)
		} // one that was not compressed is no part of the context
		require.Equal(t, sum([]byte(want)), sum(payload), "%d bytes in fragments of %d", size.message,
			size.fragment)
		require.NoError(t, (<-sent).err)
	}
	e.peer.Send(wstest.Close(1000, ""))
	e.peer.WantClose("all were good", 1000)
	e.peer.Close()
	_, err = e.closed(t)
	require.NoError(t, err)
}

// A way is how one side compresses, by implementations that are not ours.
type way struct {
	bits  int
	alone bool   // no message refers to those before it
	plain []byte // what the next message may refer to
	out   bytes.Buffer
	w     *kflate.Writer
}

// agreed is the way of a side, client or server, by the extensions that were agreed.
func agreed(extensions, side string) *way {
	w := &way{bits: 15, alone: strings.Contains(extensions, side+"_no_context_takeover")}
	bits := regexp.MustCompile(side + `_max_window_bits=(\d+)`)
	if m := bits.FindStringSubmatch(extensions); m != nil {
		w.bits, _ = strconv.Atoi(m[1])
	}
	return w
}

func (w *way) pack(t *testing.T, s string) []byte {
	var err error
	if w.w == nil || w.alone {
		w.w, err = kflate.NewWriterWindow(&w.out, 1<<w.bits)
		require.NoError(t, err)
	}
	w.out.Reset()
	_, err = io.WriteString(w.w, s)
	require.NoError(t, err)
	require.NoError(t, w.w.Flush())
	return bytes.Clone(bytes.TrimSuffix(w.out.Bytes(), []byte{0, 0, 0xff, 0xff}))
}

// unpack inflates a message that may refer to as much of those before it as the window has room
// for.
func (w *way) unpack(t *testing.T, p []byte) []byte {
	t.Helper()
	p = append(p, 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff) // and the last block there is
	b, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(p), w.plain))
	require.NoError(t, err, "it keeps to a window of %d bits, alone: %v", w.bits, w.alone)
	if !w.alone {
		w.plain = append(w.plain, b...)
		w.plain = w.plain[max(0, len(w.plain)-1<<w.bits):]
	}
	return b
}

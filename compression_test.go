package wsstream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// onEveryTransport runs f with two Conns over memory, TCP and TLS.
func onEveryTransport(t *testing.T, c config, f func(t *testing.T, client, server *wsstream.Conn)) {
	over := func(near, far net.Conn) func(t *testing.T) {
		return func(t *testing.T) {
			client, server := conns(t, c, near, far)
			f(t, client, server)
		}
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far := memnet.Pipe(c.Limit)
			over(near, far)(t)
		})
	})
	t.Run("tcp", func(t *testing.T) {
		near, far := pipes.TCP(t, c.Limit)
		over(near, far)(t)
	})
	t.Run("tls", func(t *testing.T) {
		near, far := pipes.TLS(t, c.Limit)
		over(near, far)(t)
	})
}

func TestCompressionRoundTrip(t *testing.T) {
	for name, o := range map[string]wsstream.CompressionOptions{
		"defaults":          {},
		"all, fastest":      {Threshold: -1, Level: 1},
		"small windows":     {Threshold: -1, WindowBits: 8, PeerWindowBits: 8, Level: 9},
		"large windows":     {Threshold: -1, WindowBits: 15, PeerWindowBits: 15, Level: 6},
		"own contexts":      {Threshold: -1, NoContextTakeover: true, PeerNoContextTakeover: true},
		"our own contexts":  {Threshold: -1, NoContextTakeover: true},
		"the peer's, small": {Threshold: -1, PeerNoContextTakeover: true, PeerWindowBits: 9},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryTransport(
				t,
				config{
					Compression:    &o,
					ReadWindow:     4096,
					WriteWindow:    4096,
					MaxFrameSize:   3000,
					MaxMessageSize: -1,
				},
				func(t *testing.T, client, server *wsstream.Conn) {
					opened, err := client.Opened().Wait(patient(t))
					require.NoError(t, err)
					require.Contains(t, opened.Extensions, extension)
					theirs, err := server.Opened().Wait(patient(t))
					require.NoError(t, err)
					require.Equal(t, opened.Extensions, theirs.Extensions)

					done := make(chan error, 4)
					for i, c := range []*wsstream.Conn{client, server} {
						go func() { done <- sendSamples(t, c.Writable(), uint64(i)) }()
						go func() { done <- readSamples(t, c.Readable(), uint64(1-i)) }()
					}
					for range cap(done) {
						require.NoError(t, <-done)
					}
				},
			)
		})
	}
}

const samples = 24

// sample is the message of this number: text and noise, of no bytes up to more than all windows.
func sample(seed uint64, i int) wsstream.Message {
	m := wsstream.Text(jsonText(seed, []int{0, 1, 200, 5000, 100_000}[i%5]))
	if i%3 == 2 {
		m = wsstream.Binary(noise(byte(seed), []int{0, 100, 10_000, 90_000}[i%4]))
	}
	m.NoCompress = i%7 == 6
	return m
}

func sendSamples(t *testing.T, w *wsstream.Writable, seed uint64) error {
	for i := range samples {
		m := sample(seed, i)
		var err error
		if i%4 == 3 {
			err = writePieces(patient(t), w, m, 5000)
		} else {
			err = w.Write(patient(t), m)
		}
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return nil
}

func readSamples(t *testing.T, r *wsstream.Readable, seed uint64) error {
	for i := range samples {
		want := sample(seed, i)
		var got wsstream.Message
		var err error
		if i%4 == 1 {
			got, err = readAll(t, r)
		} else {
			got, err = r.Pull(patient(t))
		}
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if got.Type != want.Type || !bytes.Equal(got.Data, want.Data) {
			return fmt.Errorf("message %d: got %d bytes, %s, want %d, %s", i, len(got.Data), sum(got.Data),
				len(want.Data), sum(want.Data))
		}
	}
	return nil
}

// TestCompressionBeginsAtTheThreshold: NoCompress sends a message as it is.
func TestCompressionBeginsAtTheThreshold(t *testing.T) {
	c := packing
	c.Compression = &wsstream.CompressionOptions{} // 256
	onEveryPath(t, c, func(t *testing.T, e *end) {
		u, w := newUnpacker(), e.conn.Writable()
		for _, n := range []int{255, 256, 3000} {
			s := jsonText(uint64(n), 3000)[:n]
			for name, write := range map[string]func(m wsstream.Message) error{
				"Write":    func(m wsstream.Message) error { return w.Write(patient(t), m) },
				"TryWrite": func(m wsstream.Message) error { _, err := w.TryWrite(m); return err },
			} {
				m := wsstream.Text(s)
				require.NoError(t, write(m), name)
				if n < 256 {
					e.peer.Want("under the threshold", wstest.Text(s))
				} else {
					payload, frames := nextFrames(t, e.peer)
					require.Len(t, frames, 1)
					require.EqualValues(t, rsv1, frames[0].Rsv)
					require.Less(t, len(payload), n)
					require.Equal(t, s, u.unpack(t, payload, n))
				}
				m.NoCompress = true
				require.NoError(t, write(m), name)
				e.peer.Want("as it is", wstest.Text(s))
			}
		}
	})
}

func TestCompressionOfAnEmptyMessage(t *testing.T) {
	onEveryPath(t, packing, func(t *testing.T, e *end) {
		require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Text("")))
		e.peer.Want("an empty block (RFC 7692, section 7.2.3.6)",
			wstest.Frame{Fin: true, Rsv: rsv1, Op: wstest.OpText, Payload: []byte{0}})
		e.peer.Send(wstest.Frame{Fin: true, Rsv: rsv1, Op: wstest.OpText, Payload: []byte{0}})
		require.Empty(t, e.pull(t))
	})
}

// TestCompressionSendsFullFrames: RSV1 is on the first frame alone.
func TestCompressionSendsFullFrames(t *testing.T) {
	for _, limit := range []int{7, 1000, -1} {
		c := packing
		c.MaxFrameSize = limit
		onEveryPath(t, c, func(t *testing.T, e *end) {
			u := newUnpacker()
			for i, data := range [][]byte{noise(1, 5000), []byte(jsonText(1, 200_000)), noise(2, 150_000)} {
				wrote := goWrite(t, e, wsstream.Binary(data))
				payload, frames := nextFrames(t, e.peer)
				require.NoError(t, (<-wrote).err)
				require.Equal(t, string(data), u.unpack(t, payload, len(data)))
				if limit < 0 {
					require.Len(t, frames, 1)
				}
				for j, f := range frames {
					require.Equal(t, j == 0, f.Rsv == rsv1, "message %d, frame %d", i, j)
					if j < len(frames)-1 {
						require.Len(t, f.Payload, limit, "message %d, frame %d", i, j)
					}
				}
			}
			require.NoError(t, e.conn.Writable().Flush(patient(t)))
			require.Zero(t, e.conn.Stats().Sent.Held)
		})
	}
}

func TestPullClearsNoCompress(t *testing.T) {
	inBubble(t, packing, func(t *testing.T, e *end) {
		m := wsstream.Message{NoCompress: true}
		e.peer.Send(wstest.Text("a"))
		require.NoError(t, e.conn.Readable().PullInto(t.Context(), &m))
		require.Equal(t, wsstream.Text("a"), m)
	})
}

func TestCompressionIsOffUnlessBothSidesAskForIt(t *testing.T) {
	long := strings.Repeat("a", 10_000)
	for name, c := range map[string]config{
		"neither side":    {},
		"the peer alone":  {Extensions: ""},
		"we alone":        {Compression: &wsstream.CompressionOptions{Threshold: -1}},
		"another one yet": {Compression: &wsstream.CompressionOptions{Threshold: -1}, Extensions: ""},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, c, func(t *testing.T, e *end) {
				opened, err := e.conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				require.Empty(t, opened.Extensions)
				require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Text(long)))
				e.peer.Want("as it is", wstest.Text(long))
			})
		})
	}
}

func TestCompressionOffersAreAnsweredInOrder(t *testing.T) {
	for _, test := range []struct {
		options   wsstream.CompressionOptions
		offer     string
		says      string // Opened.Extensions
		malformed bool
	}{
		{offer: "permessage-deflate", says: "permessage-deflate"},
		{
			offer: "permessage-deflate; client_max_window_bits",
			says:  "permessage-deflate; client_max_window_bits=12",
		},
		{
			offer: "permessage-deflate; server_max_window_bits=9",
			says:  "permessage-deflate; server_max_window_bits=9",
		},
		{offer: "permessage-deflate; x=1, permessage-deflate; server_no_context_takeover", says: "permessage-deflate; server_no_context_takeover"},
		{offer: "permessage-deflate; server_max_window_bits=7", says: ""},
		{offer: "x-webkit-deflate-frame", says: ""},
		{
			offer:   "permessage-deflate",
			says:    "permessage-deflate; client_no_context_takeover",
			options: wsstream.CompressionOptions{PeerNoContextTakeover: true},
		},
		{
			offer: "permessage-deflate; server_no_context_takeover",
			says:  "permessage-deflate; server_no_context_takeover",
		},
		{
			offer: "permessage-deflate; client_max_window_bits=10",
			says:  "permessage-deflate; client_max_window_bits=10",
		},
		{
			offer: "permessage-deflate; client_max_window_bits=15",
			says:  "permessage-deflate; client_max_window_bits=12",
		},
		{
			offer: "permessage-deflate; server_max_window_bits=8",
			says:  "permessage-deflate; server_max_window_bits=8",
		},
		{
			offer: `permessage-deflate; server_max_window_bits="10"`,
			says:  "permessage-deflate; server_max_window_bits=10",
		},
		{offer: "x, permessage-deflate", says: "permessage-deflate"},
		{offer: ", permessage-deflate", says: "permessage-deflate"},
		{offer: "permessage-deflate; server_max_window_bits=7, permessage-deflate", says: "permessage-deflate"},
		{offer: "permessage-deflate; server_max_window_bits", says: ""},
		{offer: "permessage-deflate; server_max_window_bits=09", says: ""},
		{offer: "permessage-deflate; server_max_window_bits=16", says: ""},
		{offer: "permessage-deflate; server_max_window_bits=+9", says: ""},
		{offer: "permessage-deflate; client_max_window_bits=7", says: ""},
		{offer: "permessage-deflate; server_no_context_takeover=1", says: ""},
		{offer: "permessage-deflate; server_no_context_takeover; server_no_context_takeover", says: ""},
		{offer: "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9", says: ""},
		{offer: `permessage-deflate; a="`, malformed: true},
		{offer: "permessage-deflate; =1", malformed: true},
		{offer: "permessage-deflate permessage-deflate", malformed: true},
		{offer: "permessage-deflate;", malformed: true},
		{offer: "permessage-deflate; a b", malformed: true},
		{offer: "=", malformed: true},
	} {
		t.Run(test.offer, func(t *testing.T) {
			near, far := memnet.Pipe(0)
			peer := wstest.NewPeer(t, far, wstest.AsClient)
			accepted := make(chan error, 1)
			go func() {
				conn, err := wsstream.AcceptConn(t.Context(), near,
					&wsstream.AcceptOptions{Compression: &test.options})
				if err == nil {
					opened, _, _ := conn.Opened().Peek()
					if opened.Extensions != test.says {
						err = fmt.Errorf("Opened.Extensions is %q", opened.Extensions)
					}
					conn.CloseNow()
				}
				accepted <- err
			}()
			peer.SendRaw(wstest.UpgradeRequest("/", "Sec-WebSocket-Extensions: "+test.offer))
			resp := peer.ReadResponse()
			peer.Close() // or a refusal waits for that
			err := <-accepted
			if test.malformed {
				require.ErrorContains(t, err, "Sec-WebSocket-Extensions is malformed")
				require.Equal(t, http.StatusBadRequest, resp.StatusCode)
				return
			}
			require.NoError(t, err)
			require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
			require.Equal(t, test.says, resp.Header.Get("Sec-WebSocket-Extensions"))
		})
	}
}

func TestCompressionThatWasNotOfferedFailsTheHandshake(t *testing.T) {
	for _, test := range []struct {
		options  wsstream.CompressionOptions
		offers   string
		response string
		says     string // of the error; empty: it opens
	}{
		{offers: "permessage-deflate; client_max_window_bits=12", response: "permessage-deflate"},
		{
			offers:   "permessage-deflate; client_max_window_bits=12",
			response: "x",
			says:     "is not permessage-deflate",
		},
		{
			offers:   "permessage-deflate; client_max_window_bits=12",
			response: "permessage-deflate; what",
			says:     "what is unknown",
		},
		{
			offers:   "permessage-deflate; client_max_window_bits=12",
			response: "permessage-deflate; server_no_context_takeover=1",
			says:     "server_no_context_takeover",
		},
		{
			offers:   "permessage-deflate; client_max_window_bits=12",
			response: "permessage-deflate; server_max_window_bits=16",
			says:     "server_max_window_bits",
		},
		{
			offers:   "permessage-deflate; client_max_window_bits=12",
			response: "permessage-deflate; client_max_window_bits=11",
		},
		{
			offers:   "permessage-deflate; client_max_window_bits=12",
			response: "permessage-deflate;",
			says:     "malformed",
		},
		{
			offers:   "permessage-deflate; client_max_window_bits=12",
			response: "permessage-deflate; client_max_window_bits",
			says:     "without a value",
		},
		{
			offers:   "permessage-deflate; client_max_window_bits=12",
			response: "\r\nSec-WebSocket-Extensions: permessage-deflate",
			says:     "extensions are in 2 fields",
		},
		{
			options:  wsstream.CompressionOptions{WindowBits: 15, PeerWindowBits: 10},
			offers:   "permessage-deflate; server_max_window_bits=10; client_max_window_bits, permessage-deflate",
			response: "permessage-deflate", // to the second
		},
		{
			options:  wsstream.CompressionOptions{WindowBits: 15, PeerWindowBits: 10},
			offers:   "permessage-deflate; server_max_window_bits=10; client_max_window_bits, permessage-deflate",
			response: "permessage-deflate; server_max_window_bits=10",
		},
		{
			options: wsstream.CompressionOptions{
				WindowBits:            15,
				NoContextTakeover:     true,
				PeerNoContextTakeover: true,
			},
			offers:   "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits, permessage-deflate",
			response: "permessage-deflate; server_no_context_takeover",
		},
		{
			options:  wsstream.CompressionOptions{PeerNoContextTakeover: true},
			offers:   "permessage-deflate; server_no_context_takeover; client_max_window_bits=12, permessage-deflate",
			response: "permessage-deflate, permessage-deflate",
			says:     "and nothing else",
		},
	} {
		t.Run(test.response, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				conn := dialOver(t, near, &wsstream.DialOptions{Compression: &test.options})
				req := peer.ServeHandshake("Sec-WebSocket-Extensions: " + test.response)
				require.Equal(t, test.offers, req.Header.Get("Sec-WebSocket-Extensions"))
				if test.says != "" {
					require.ErrorContains(t, notOpened(t, conn), test.says)
					return
				}
				opened, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, test.response, opened.Extensions)
			})
		})
	}
}

func TestCompressionOptionThatIsBadIsNamed(t *testing.T) {
	for option, o := range map[string]wsstream.CompressionOptions{
		"Compression.Level is 10":          {Level: 10},
		"Compression.Level is -1":          {Level: -1},
		"Compression.WindowBits is 7":      {WindowBits: 7},
		"Compression.WindowBits is 16":     {WindowBits: 16},
		"Compression.PeerWindowBits is 16": {PeerWindowBits: 16},
		"Compression.PeerWindowBits is -1": {PeerWindowBits: -1},
	} {
		t.Run(option, func(t *testing.T) {
			near, far := memnet.Pipe(0)
			defer far.Close()
			conn := dialOver(t, near, &wsstream.DialOptions{Compression: &o})
			require.ErrorContains(t, notOpened(t, conn), option)
			_, err := wsstream.AcceptConn(t.Context(), far, &wsstream.AcceptOptions{Compression: &o})
			require.ErrorContains(t, err, option)
		})
	}
}

// tornado's client passes over the parameters that have no value.
func TestCompressionWithAForbiddenReferenceFailsWith1007(t *testing.T) {
	inBubble(t, apart, func(t *testing.T, e *end) {
		if e.client {
			return
		}
		p, text := newPacker(t), jsonText(1, 500)
		e.peer.Send(packedFrames(p.pack(t, text), 1000)...)
		e.peer.Send(packedFrames(p.pack(t, text), 1000)...)
		require.Equal(t, text, e.pull(t))
		pulled := goPull(t, e)
		e.peer.WantClose("the second refers to the first", 1007)
		e.peer.Close()
		require.ErrorContains(t, (<-pulled).err, "not valid permessage-deflate data")
	})
}

// The bits in an answer are what the server can take: ours stay as they were offered (RFC 7692,
// section 7.1.2.2).
func TestCompressionWindowOfTheAnswerMayBeLargerThanOurs(t *testing.T) {
	for _, bits := range []int{9, 12} {
		for _, answer := range []string{"13", "15", `"15"`} {
			t.Run(fmt.Sprintf("%d, %s", bits, answer), func(t *testing.T) {
				onBothPaths(t, func(t *testing.T, near, far net.Conn) {
					peer := wstest.NewPeer(t, far, wstest.AsServer)
					peer.AllowRsv = rsv1
					conn := dialOver(t, near,
						&wsstream.DialOptions{Compression: &wsstream.CompressionOptions{WindowBits: bits}})
					says := "permessage-deflate; client_max_window_bits=" + answer
					peer.ServeHandshake("Sec-WebSocket-Extensions: " + says)
					opened, err := conn.Opened().Wait(patient(t))
					require.NoError(t, err)
					require.Equal(t, says, opened.Extensions)

					for seed, within := range []bool{true, false} { // the window: a message that comes again
						data := noise(byte(seed), map[bool]int{true: 1 << bits / 2, false: 1<<bits + 200}[within])
						var sizes [2]int
						for i := range sizes {
							require.NoError(t, conn.Writable().Write(patient(t), wsstream.Binary(data)))
							payload, frames := nextFrames(t, peer)
							require.EqualValues(t, rsv1, frames[0].Rsv)
							sizes[i] = len(payload)
						}
						require.Equal(t, within, sizes[1] < sizes[0]/2, "%d bytes, then %d", sizes[0], sizes[1])
					}
				})
			})
		}
	}
}

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
				wrote := goErr(func() error { _, err := io.WriteString(m, s); return err })
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
		e.peer.Want("an empty block",
			wstest.Frame{Fin: true, Rsv: rsv1, Op: wstest.OpText, Payload: []byte{0}})
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
		wrote := goErr(func() error {
			return e.conn.Writable().Write(ctx, wsstream.Text(secret))
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
			wrote := goErr(func() error {
				return e.conn.Writable().Write(ctx, wsstream.Text(s))
			})
			synctest.Wait()
			held := e.conn.Stats().Sent.Held
			require.Less(t, held, int64(1000+700+14), "as much as there is room for, and a frame")
			cancel(errMoment)
			require.NoError(t, (<-wrote).err)
			require.Greater(t, e.conn.Stats().Sent.Held, held)
			payload, _ := nextFrames(t, e.peer)
			require.Equal(t, s, u.unpack(t, payload, len(s)))
			synctest.Wait() // the flusher may not be back from the write
			require.Zero(t, e.conn.Stats().Sent.Held)
		}
	})
}

func TestAbortInACompressedMessageSendsNoLastFrame(t *testing.T) {
	c := packing
	c.WriteWindow, c.Limit, c.MaxFrameSize = 1000, 500, 700
	type write = func(ctx context.Context, w *wsstream.Writable, s string) error
	for name, write := range map[string]write{
		"Write": func(ctx context.Context, w *wsstream.Writable, s string) error {
			return w.Write(ctx, wsstream.Text(s))
		},
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
				wrote := goErr(func() error {
					return write(t.Context(), e.conn.Writable(), jsonText(1, 100_000))
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

package wsstream_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestCompressionIsOffUnlessBothSidesAskForIt(t *testing.T) {
	long := strings.Repeat("a", 10_000)
	for name, c := range map[string]config{
		"nobody":          {},
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
		{offer: "permessage-deflate; client_max_window_bits", says: "permessage-deflate; client_max_window_bits=12"},
		{offer: "permessage-deflate; server_max_window_bits=9", says: "permessage-deflate; server_max_window_bits=9"},
		{offer: "permessage-deflate; x=1, permessage-deflate; server_no_context_takeover", says: "permessage-deflate; server_no_context_takeover"},
		{offer: "permessage-deflate; server_max_window_bits=7", says: ""},
		{offer: "x-webkit-deflate-frame", says: ""},
		{offer: "permessage-deflate", says: "permessage-deflate; client_no_context_takeover", options: wsstream.CompressionOptions{PeerNoContextTakeover: true}},
		{offer: "permessage-deflate; server_no_context_takeover", says: "permessage-deflate; server_no_context_takeover"},
		{offer: "permessage-deflate; client_max_window_bits=10", says: "permessage-deflate; client_max_window_bits=10"},
		{offer: "permessage-deflate; client_max_window_bits=15", says: "permessage-deflate; client_max_window_bits=12"},
		{offer: "permessage-deflate; server_max_window_bits=8", says: "permessage-deflate; server_max_window_bits=8"},
		{offer: `permessage-deflate; server_max_window_bits="10"`, says: "permessage-deflate; server_max_window_bits=10"},
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
				conn, err := wsstream.AcceptConn(t.Context(), near, &wsstream.AcceptOptions{Compression: &test.options})
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
		{offers: "permessage-deflate; client_max_window_bits=12", response: "x", says: "is not permessage-deflate"},
		{offers: "permessage-deflate; client_max_window_bits=12", response: "permessage-deflate; what", says: "what is unknown"},
		{offers: "permessage-deflate; client_max_window_bits=12", response: "permessage-deflate; server_no_context_takeover=1", says: "server_no_context_takeover"},
		{offers: "permessage-deflate; client_max_window_bits=12", response: "permessage-deflate; server_max_window_bits=16", says: "server_max_window_bits"},
		{offers: "permessage-deflate; client_max_window_bits=12", response: "permessage-deflate; client_max_window_bits=11"},
		{offers: "permessage-deflate; client_max_window_bits=12", response: "permessage-deflate;", says: "malformed"},
		{offers: "permessage-deflate; client_max_window_bits=12", response: "permessage-deflate; client_max_window_bits", says: "without a value"},
		{offers: "permessage-deflate; client_max_window_bits=12", response: "\r\nSec-WebSocket-Extensions: permessage-deflate", says: "extensions stand in 2 fields"},
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
			options:  wsstream.CompressionOptions{WindowBits: 15, NoContextTakeover: true, PeerNoContextTakeover: true},
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

// The bits in an answer are what the server can take: ours stay as they were offered (RFC 7692, section 7.1.2.2).
func TestCompressionWindowOfTheAnswerMayBeLargerThanOurs(t *testing.T) {
	for _, bits := range []int{9, 12} {
		for _, answer := range []string{"13", "15", `"15"`} {
			t.Run(fmt.Sprintf("%d, %s", bits, answer), func(t *testing.T) {
				onBothPaths(t, func(t *testing.T, near, far net.Conn) {
					peer := wstest.NewPeer(t, far, wstest.AsServer)
					peer.AllowRsv = rsv1
					conn := dialOver(t, near, &wsstream.DialOptions{Compression: &wsstream.CompressionOptions{WindowBits: bits}})
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

package wsstream_test

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
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
		near, far := tcpPipe(t, c.Limit)
		over(near, far)(t)
	})
	t.Run("tls", func(t *testing.T) {
		near, far := tlsPipe(t, c.Limit)
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
			onEveryTransport(t, config{Compression: &o, ReadWindow: 4096, WriteWindow: 4096, MaxFrameSize: 3000, MaxMessageSize: -1},
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
				})
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
			return fmt.Errorf("message %d: got %d bytes, %s, want %d, %s", i, len(got.Data), sum(got.Data), len(want.Data), sum(want.Data))
		}
	}
	return nil
}

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
		e.peer.Want("an empty block (RFC 7692, section 7.2.3.6)", wstest.Frame{Fin: true, Rsv: rsv1, Op: wstest.OpText, Payload: []byte{0}})
		e.peer.Send(wstest.Frame{Fin: true, Rsv: rsv1, Op: wstest.OpText, Payload: []byte{0}})
		require.Empty(t, e.pull(t))
	})
}

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

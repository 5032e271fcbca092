package hostile

import (
	"bytes"
	"compress/flate"
	"io"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

const (
	offer = "Sec-WebSocket-Extensions: permessage-deflate"
	rsv1  = 4 // Frame.Rsv of a compressed message
)

var compressing = wsstream.AcceptOptions{Compression: &wsstream.CompressionOptions{}}

// bomb returns a compressed message of 1 MiB that inflates to 1 GiB.
func bomb(t *testing.T) []byte {
	all := bombBytes(1 << 10)
	require.Less(t, len(all), 5<<18)
	return all
}

// bombBytes returns a compressed message that inflates to n MiB.
func bombBytes(n int) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression) // the level is valid
	_, _ = w.Write(make([]byte, 1<<20))                // a Buffer never fails
	_ = w.Flush()
	return append(bytes.Repeat(b.Bytes(), n), 0)
}

// fragments returns the frames of a compressed message, each with n bytes of it.
func fragments(v *victim, payload []byte, n int) []byte {
	var raw []byte
	f := wstest.Frame{Op: wstest.OpBinary, Rsv: rsv1}
	for len(payload) > 0 {
		f.Payload, payload = payload[:min(n, len(payload))], payload[min(n, len(payload)):]
		f.Fin = len(payload) == 0
		raw = append(raw, v.peer.Encode(f)...)
		f = wstest.Frame{Op: wstest.OpContinuation}
	}
	return raw
}

func TestBombCostsNoMoreThanMaxMessageSize(t *testing.T) {
	big := bomb(t)
	for name, size := range map[string]int{
		"one frame":             1 << 30,
		"fragments":             1000,
		"fragments of one byte": 1,
	} {
		for what, read := range map[string]func(v *victim) error{
			"Pull": func(v *victim) error {
				_, err := v.conn.Readable().Pull(v.conn.Context())
				return err
			},
			"a reader that is closed": func(v *victim) error {
				m, err := v.conn.Readable().NextMessage(v.conn.Context())
				if err == nil {
					_ = m.Close()
					_, err = v.conn.Readable().Pull(v.conn.Context())
				}
				return err
			},
		} {
			t.Run(what+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					v := attacked(t, &compressing, offer)
					answered := v.drains()
					raw := fragments(v, big[:min(len(big), 32<<10*size)], size)
					v.far.Drip(64<<10, 50*time.Millisecond)
					start := time.Now()
					var err error
					_, cost := allocated(func() {
						v.floods(raw, 1)
						err = read(v)
					})
					require.ErrorContains(t, err, "our MaxMessageSize is 1048576")
					require.ErrorContains(t, err, "we closed with 1009")
					require.Less(t, cost, 16*wsstream.DefaultMaxMessageSize, "all that was ever allocated")
					held := int(v.conn.Stats().Received.HeldMax)
					require.LessOrEqual(t, held,
						max(wsstream.DefaultReadWindow, wsstream.DefaultMaxMessageSize)+readBuffer)
					require.Less(t, time.Since(start), wsstream.DefaultCloseTimeout+time.Second)
					<-answered
				})
			})
		}
	}
}

func TestBombIsInflatedOnlyAsFarAsItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := attacked(t, &compressing, offer)
		flooded := v.floods(fragments(v, bomb(t), 60_000), 1)
		m, err := v.conn.Readable().NextMessage(t.Context())
		require.NoError(t, err)
		_, cost := allocated(func() {
			n, err := io.CopyN(io.Discard, m, 16<<20)
			require.NoError(t, err)
			require.Equal(t, int64(16<<20), n)
			<-time.After(time.Hour)
		})
		require.Less(t, cost, 1<<20)
		received := v.conn.Stats().Received
		require.LessOrEqual(t, received.HeldMax, int64(wsstream.DefaultReadWindow+readBuffer))
		select {
		case err := <-flooded:
			require.Fail(t, "the peer does not have to wait", "%v", err)
		default:
		}
		v.conn.CloseNow()
		require.Error(t, <-flooded)
	})
}

func TestBombThatNoCallWantsIsNotInflated(t *testing.T) {
	big := bomb(t)
	for name, o := range map[string]struct {
		options *wsstream.CompressionOptions
		skip    func(v *victim) error
	}{
		"Discard": {&wsstream.CompressionOptions{}, func(v *victim) error {
			v.conn.Readable().Discard()
			return nil
		}},
		"a closed reader without context takeover": {
			&wsstream.CompressionOptions{PeerNoContextTakeover: true},
			func(v *victim) error {
				m, err := v.conn.Readable().NextMessage(v.conn.Context())
				if err == nil {
					err = m.Close()
				}
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := attacked(t, &wsstream.AcceptOptions{Compression: o.options}, offer)
				answered := v.drains()
				raw := fragments(v, big, 60_000)
				_, cost := allocated(func() {
					flooded := v.floods(raw, 1)
					require.NoError(t, o.skip(v))
					require.NoError(t, <-flooded, "all of it passes")
				})
				require.Less(t, cost, 8<<20, "all that was ever allocated")
				require.NoError(t, v.conn.Writable().Write(t.Context(), wsstream.Text("on")))
				require.NoError(t, v.conn.Writable().Flush(t.Context()))
				v.conn.CloseNow()
				require.Equal(t, int64(4), <-answered)
			})
		})
	}
}

func TestEmptyBlocksBelowTheFloodLimitHoldNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := attacked(t, &compressing, offer)
		v.peer.Send(wstest.Frame{Op: wstest.OpBinary, Rsv: rsv1, Payload: []byte{0, 0, 0, 0xff, 0xff}})
		read := make(chan error, 1)
		go func() { // ends with the connection
			_, err := v.conn.Readable().Pull(t.Context())
			read <- err
		}()
		block := []byte{0, 0, 0, 0xff, 0xff}
		row := v.peer.Encode(wstest.Cont(bytes.Repeat(block, 1<<10), false))
		<-time.After(2 * time.Second)
		blocks := 0
		objects, _ := allocated(func() {
			blocks = rounds(func() { require.NoError(t, <-v.floods(row, maxRow>>10)) })
		})
		require.Less(t, objects, blocks/5)
		require.LessOrEqual(t, v.conn.Stats().Received.HeldMax, int64(wsstream.DefaultReadWindow+readBuffer))
		select {
		case err := <-read:
			require.Fail(t, "it has ended", "%v", err)
		default:
		}
		answered := v.drains()
		require.NoError(t, <-v.floods(row, 2*maxRow>>10))
		require.ErrorContains(t, <-read, "we closed with 1008")
		<-answered
	})
}

// A sync.Pool under the race detector drops a quarter of what it is given. So the least of some
// rounds counts.
func TestBombsOfManyPeersLeaveNoGarbageForEachStep(t *testing.T) {
	// In memory of its own, each message would grow in steps, to five times its size together.
	const n = 4
	const limit = n * 4 * wsstream.DefaultMaxMessageSize
	synctest.Test(t, func(t *testing.T) {
		least := math.MaxInt
		for round := 0; round < 8 && least >= limit; round++ {
			var victims []*victim
			for range n {
				victims = append(victims, attacked(t, &compressing, offer))
			}
			raw := fragments(victims[0], bombBytes(2), 1000)
			_, cost := allocated(func() {
				for _, v := range victims {
					v.drains()
					v.floods(raw, 1)
					pulled := make(chan error, 1)
					go func() { // ends with the connection
						_, err := v.conn.Readable().Pull(v.conn.Context())
						pulled <- err
					}()
					synctest.Wait() // it has failed, and waits for the peer's answer
					v.conn.CloseNow()
					require.ErrorContains(t, <-pulled, "MaxMessageSize")
				}
			})
			least = min(least, cost)
		}
		require.Less(t, least, limit)
	})
}

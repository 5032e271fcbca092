package wire

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestDeflateNeedsNoMemoryBeforeACompressedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := deflating()
		require.NoError(t, client.Write(t.Context(), ws.OpText, []byte("plain"), false))
		_, _, err := server.Pull(t.Context(), nil)
		require.NoError(t, err)
		require.Nil(t, client.compression.deflater)
		require.Nil(t, server.compression.inflater)
		require.NoError(t, client.Write(t.Context(), ws.OpText, []byte("compressed"), true))
		_, _, err = server.Pull(t.Context(), nil)
		require.NoError(t, err)
		require.NotNil(t, client.compression.deflater)
		require.NotNil(t, server.compression.inflater)
		cut(client)
		cut(server)
	})
}

func TestDeflateKeepsBuffersOfUpTo256KiB(t *testing.T) {
	for size, keeps := range map[int]bool{256 << 10: true, 256<<10 + 1: false} {
		kept := false
		for range 100 { // with the race detector a sync.Pool drops some of what it is given
			buf := make([]byte, 0, size)
			p := piece{buf: &buf}
			p.returnBuffer()
			require.Nil(t, p.buf)
			kept = kept || frameBuffers.Get().(*[]byte) == &buf
		}
		require.Equal(t, keeps, kept, "%d bytes", size)
	}
}

func TestDeflateMemoryIsFreedAtTheEnd(t *testing.T) {
	long := []byte(strings.Repeat("0123456789 ", 500))
	for name, end := range map[string]func(t *testing.T, client, server *Conn){
		"in order": func(t *testing.T, client, server *Conn) {
			client.Close(CloseInfo{})
			_, _, err := server.Pull(t.Context(), nil)
			require.Equal(t, io.EOF, err)
		},
		"in order, without a pull": func(t *testing.T, client, server *Conn) {
			client.Close(CloseInfo{})
		},
		"Discard": func(t *testing.T, client, server *Conn) {
			server.Discard()
			client.Close(CloseInfo{})
		},
		"CloseNow": func(t *testing.T, client, server *Conn) { client.CloseNow(); server.CloseNow() },
		"CloseNow while a message is open": func(t *testing.T, client, server *Conn) {
			w, err := client.NewWriter(t.Context(), ws.OpText)
			require.NoError(t, err)
			_, err = w.Write(long)
			require.NoError(t, err)
			var r Reader
			require.NoError(t, server.Next(t.Context(), &r))
			_, err = r.Read(make([]byte, 3))
			require.NoError(t, err)
			client.CloseNow()
			server.CloseNow()
			require.Error(t, w.Close(CloseInfo{}, nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := deflating()
				for _, way := range [][2]*Conn{{client, server}, {server, client}} {
					require.NoError(t, way[0].Write(t.Context(), ws.OpText, long, true))
					_, got, err := way[1].Pull(t.Context(), nil)
					require.NoError(t, err)
					require.Equal(t, long, got)
				}
				end(t, client, server)
				for _, c := range []*Conn{client, server} {
					<-c.end.done.Done()
				}
				synctest.Wait()
				for _, c := range []*Conn{client, server} {
					require.True(t, c.writeGate.Lock(context.Background()))
					require.Nil(t, c.compression.deflater)
					require.True(t, c.readGate.Lock(context.Background()))
					require.Nil(t, c.compression.inflater)
				}
			})
		})
	}
}

func TestEncodingCompressesFromTheThresholdOn(t *testing.T) {
	near, far := memnet.Pipe(0)
	s := deflate.Sender{Bits: 12}
	c := started(t, Config{Deflate: &Deflate{Ours: s, Peer: s, Level: 3, Threshold: 10}}, near, far)
	compressed := Encoding{Bits: 12, Level: 3}
	require.Equal(t, compressed, c.Encoding(10, true))
	require.Equal(t, Encoding{}, c.Encoding(9, true))
	require.Equal(t, Encoding{}, c.Encoding(10, false))
}

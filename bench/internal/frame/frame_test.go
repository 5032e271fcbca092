package frame

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// sizes are lengths around each change of how a length is written.
var sizes = []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20}

func TestAFrameIsWhatAnotherLibraryReads(t *testing.T) {
	for _, size := range sizes {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, client %v", size, client), func(t *testing.T) {
				payload := bytes.Repeat([]byte("abc"), size/3+1)[:size]
				r := bytes.NewReader(New(Binary, payload, client))
				h, err := ws.ReadHeader(r)
				require.NoError(t, err)
				require.True(t, h.Fin)
				require.Equal(t, ws.OpBinary, h.OpCode)
				require.Equal(t, client, h.Masked)
				require.EqualValues(t, size, h.Length)
				got, err := io.ReadAll(r)
				require.NoError(t, err)
				ws.Cipher(got, h.Mask, 0)
				require.Equal(t, payload, got)
			})
		}
	}
}

func TestARepeatedFrameFillsTheBlock(t *testing.T) {
	block, copies := Repeat([]byte("abc"), 10)
	require.Equal(t, "abcabcabc", string(block))
	require.Equal(t, 3, copies)
	block, copies = Repeat([]byte("abc"), 2)
	require.Equal(t, "abc", string(block), "one at least")
	require.Equal(t, 1, copies)
}

// conversation is frames of all lengths, some in fragments with a control frame between them, and a
// Close last.
func conversation(client bool) (wire []byte, messages int) {
	write := func(f ws.Frame) {
		if client {
			f = ws.MaskFrameWith(f, [4]byte{1, 2, 3, 4})
		}
		wire = append(wire, ws.MustCompileFrame(f)...)
	}
	for _, size := range sizes[:len(sizes)-1] { // the last one takes long, byte by byte
		write(ws.NewBinaryFrame(make([]byte, size)))
		write(ws.NewFrame(ws.OpText, false, make([]byte, size)))
		write(ws.NewPingFrame([]byte("ping")))
		write(ws.NewFrame(ws.OpContinuation, true, make([]byte, size)))
		messages += 2
	}
	write(ws.NewCloseFrame(nil))
	return wire, messages
}

func TestAWalkCountsMessagesHoweverTheInputIsCut(t *testing.T) {
	for _, client := range []bool{false, true} {
		wire, messages := conversation(client)
		for _, step := range []int{1, 2, 3, 7, 13, 14, 15, 4096, 65537, len(wire)} {
			t.Run(fmt.Sprintf("blocks of %d, client %v", step, client), func(t *testing.T) {
				var w Walker
				n := 0
				for rest := wire; len(rest) > 0; {
					require.False(t, w.Closed, "the Close is last")
					block := rest[:min(step, len(rest))]
					n += w.Walk(block)
					rest = rest[len(block):]
				}
				require.Equal(t, messages, n)
				require.True(t, w.Closed)
			})
		}
	}
}

func TestAWalkShowsTheStartOfEachPayload(t *testing.T) {
	var starts []string
	w := Walker{Start: func(p []byte) { starts = append(starts, string(p)) }}
	wire := append(New(Binary, []byte("first"), false), New(Binary, []byte("second"), false)...)
	require.Equal(t, 1, w.Walk(wire[:len(wire)-3]), "the second is cut")
	require.Equal(t, 1, w.Walk(wire[len(wire)-3:]))
	require.Equal(t, []string{"first", "sec"}, starts)
	require.Equal(t, len("second"), w.Size)
}

func TestTheHandshakeKeepsWhatCameBehindIt(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	done := make(chan error, 1)
	go func() { // ends with the pipe
		rest, err := Accept(server)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%q behind the request", rest)
		}
		done <- err
	}()
	rest, err := Dial(client)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.NoError(t, <-done)

	go func() { // ends with the pipe
		_, _, _ = readHead(server)
		_, err := server.Write([]byte(response + accept(key) + "\r\n\r\nrest"))
		done <- err
	}()
	rest, err = Dial(client)
	require.NoError(t, err)
	require.Equal(t, "rest", string(rest))
	require.NoError(t, <-done)
}

func TestAHandshakeThatIsRefusedIsAnError(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 403 Forbidden\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: of another key\r\n\r\n",
	} {
		client, server := net.Pipe()
		go func() { // ends with the pipe
			_, _, _ = readHead(server)
			_, _ = io.WriteString(server, answer)
		}()
		_, err := Dial(client)
		require.ErrorContains(t, err, "the handshake was answered with")
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
	}
}

package wire

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestPullInflatesWhatWasUnreadAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := deflating()
		for range 3 {
			require.NoError(t, client.Write(t.Context(), ws.OpText, []byte("abcabcabcabc"), true))
		}
		client.Close(CloseInfo{})
		<-server.end.done.Done()
		for range 2 {
			_, got, err := server.Pull(t.Context(), nil)
			require.NoError(t, err)
			require.Equal(t, "abcabcabcabc", string(got))
		}
		var r Reader
		require.NoError(t, server.Next(t.Context(), &r))
		b, err := io.ReadAll(&oneByte{&r})
		require.NoError(t, err)
		require.Equal(t, "abcabcabcabc", string(b))
	})
}

// A Read with little room once waited for the next bytes of a compressed message, while the
// inflater had more of those that had come.
func TestReadDoesNotWaitWhileInflatedBytesAreLeft(t *testing.T) {
	s := deflate.Sender{Bits: 12}
	data := bytes.Repeat([]byte("abc"), 500)
	message := deflate.NewDeflater(deflate.DefaultLevel, s).Deflate(nil, data, deflate.End)
	for n := range len(message) + 1 {
		want, _, err := deflate.NewInflater(s).Inflate(nil, message[:n], len(data), false)
		require.NoError(t, err)
		for _, missing := range []int{0, 1} { // of the frame
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				c := started(t, Config{Client: true, Deflate: &Deflate{Ours: s, Peer: s}}, near, far)
				h := ws.Header{OpCode: ws.OpText, Rsv: rsv1, Length: int64(n + missing)}
				require.NoError(t, ws.WriteHeader(far, h))
				_, err := far.Write(message[:n])
				require.NoError(t, err)
				if len(want) == 0 {
					return
				}
				var r Reader
				require.NoError(t, c.Next(t.Context(), &r))
				got := make([]byte, len(want))
				_, err = io.ReadFull(&oneByte{&r}, got)
				require.NoError(t, err)
				require.Equal(t, want, got)
			})
		}
	}
}

// A few bytes of a compressed message kept the memory that another Conn, with a larger limit, had
// grown.
func TestScratchOfALargerLimitIsNotBorrowed(t *testing.T) {
	const small, large = 100_000, 1 << 20
	kept := make([]byte, 0, large)
	scratches.Put(&kept)
	z := &compression{}
	require.LessOrEqual(t, cap(z.borrowScratch(small)), 2*small)
	require.True(t, z.returnScratch(make([]byte, 0, small)))
}

package wire

import (
	"io"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
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

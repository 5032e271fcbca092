package wsstream_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
)

func TestBatchNowTakesTheMessagesThatHaveCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := wstest.Pair(t, nil)
		batches := stream.BatchNow(d.Client.Readable(), stream.Count(9))
		for _, text := range []string{"a", "b", "c"} {
			require.NoError(t, d.Server.Writable().Write(t.Context(), wsstream.Text(text)))
		}
		synctest.Wait()
		burst, err := batches.Pull(t.Context())
		require.NoError(t, err)
		require.Len(t, burst, 3)
		require.NoError(t, d.Server.Writable().Write(t.Context(), wsstream.Text("d")))
		later, err := batches.Pull(t.Context())
		require.NoError(t, err)
		require.Len(t, later, 1)
	})
}

package wsstream_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestA101AndACloseInOnePacketOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		conn := wsstream.Dial(t.Context(), "ws://example.test/", config{}.dial(near))
		req := peer.ReadRequest()
		peer.SendRaw(append(wstest.SwitchingProtocols(req), peer.Encode(wstest.Close(3001, "no"))...))
		_, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
		info, err := conn.Closed().Wait(patient(t))
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 3001, Reason: "no"}, info)
	})
}

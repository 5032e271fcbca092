package wsstream_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// An end is settled in the same moment in which the Acceptor forgets the Conn.
func TestAConnectionThatHasEndedIsNotFoundInItsAcceptor(t *testing.T) {
	for range 200 {
		var a wsstream.Acceptor
		conn, _ := enter(t, &a)
		go conn.CloseNow()
		<-conn.Closed().Done()
		require.Zero(t, a.Len())

		conn, _ = enter(t, &a)
		go conn.CloseNow()
		<-conn.Context().Done()
		require.Zero(t, a.Len())

		conn, _ = enter(t, &a)
		cut, stop := context.WithCancel(t.Context())
		stop()
		require.Error(t, a.Shutdown(cut))
		_, _, settled := conn.Closed().Peek()
		require.True(t, settled)
	}
}

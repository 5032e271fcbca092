//go:build e2e

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

func TestWhatAPageWritesIsReadAsItComesWhateverItsLength(t *testing.T) {
	s := serve(t, &wsstream.AcceptOptions{ReadWindow: 16 << 10, MaxMessageSize: 1 << 10})
	p := open(t, s.page())
	p.run(t, openStream)
	conn := s.accepted(t)
	p.run(t, `self.sent = (async () => { const m = binary(4 << 20); await writer.write(m); return await note(m); })();`)
	m, err := conn.Readable().NextMessage(patient(t))
	require.NoError(t, err)
	got, err := readNote(m)
	require.NoError(t, err)
	require.Equal(t, eval[note](t, p, `return await sent`), got)
	require.LessOrEqual(t, conn.Stats().Received.HeldMax, int64(16<<10))
}

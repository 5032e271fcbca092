//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

const row = `{"name":"水 😀","value":12345},`

// A compressed message uses the credit of its size on the wire. So a megabyte fits the window, and
// the peer's Close is seen behind it without a Pull.
func TestWhatChromiumAndNodeCompressIsHeldAsItCame(t *testing.T) {
	s := serve(t, &wsstream.AcceptOptions{Compression: &wsstream.CompressionOptions{},
		MaxMessageSize: 2 << 20})
	for name, send := range map[string]func(t *testing.T, program string){
		"a page": func(t *testing.T, program string) {
			open(t, s.page()).run(t, "self.ws = classic(url);"+program)
		},
		"ws": func(t *testing.T, program string) {
			node(t, "const ws = classic('"+s.ws()+"', [], WebSocket);"+program)
		},
	} {
		t.Run(name, func(t *testing.T) {
			send(t, `await ws.opened; ws.send('`+row+`'.repeat(1 << 15)); ws.close(4000)`)
			conn := s.accepted(t)
			info, err := conn.Closed().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, 4000, info.Code)
			require.Equal(t, strings.Repeat(row, 1<<15), string(pull(t, conn).Data))
		})
	}
}

func TestAPageThatDoesNotReadHoldsWhatWeSendAsItIsOnTheWire(t *testing.T) {
	s := serve(t, &wsstream.AcceptOptions{
		Compression:  &wsstream.CompressionOptions{},
		CloseTimeout: time.Minute, // a busy machine's page takes its time to inflate it all
	})
	p := open(t, s.page())
	p.run(t, openStream)
	conn := s.accepted(t)
	m := wsstream.Text(strings.Repeat(row, 1<<15))
	n := 16 << 20 / len(m.Data) // of which more than a megabyte would stall, were it not compressed
	for i := range n {
		write(t, conn, m)
		if i == 0 {
			require.Less(t, conn.Stats().Sent.HeldMax, int64(len(m.Data)/100))
		}
	}
	p.run(t, `self.got = (async () => {
		for (let n = 0, first; ; n++) {
			const { value, done } = await reader.read();
			if (done) return n;
			first ??= value;
			if (value !== first) throw new Error(n + ' is another');
		}
	})()`)
	require.NoError(t, conn.Writable().Close(patient(t)))
	require.Equal(t, n, eval[int](t, p, `return await got`))
}

//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// asks are what servers can ask of permessage-deflate, and what is agreed. The client offers
// client_max_window_bits and no more, as browsers and Node do.
var asks = []struct {
	name    string
	o       wsstream.CompressionOptions
	becomes string
}{
	{"with context takeover", wsstream.CompressionOptions{WindowBits: 15, PeerWindowBits: 15},
		"permessage-deflate"},
	{"small windows", wsstream.CompressionOptions{}, "permessage-deflate; client_max_window_bits=12"},
	{"without context takeover", wsstream.CompressionOptions{
		WindowBits:            15,
		PeerWindowBits:        15,
		NoContextTakeover:     true,
		PeerNoContextTakeover: true,
	}, "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
}

const row = `{"name":"水 😀","value":12345},`

// compressible returns text that deflate shortens, in which later messages repeat earlier ones,
// between messages that it does not shorten.
func compressible() (all []wsstream.Message) {
	for _, m := range samples() {
		if len(m.Data) <= 65_536 { // twice the largest window
			all = append(all, m, wsstream.Text(strings.Repeat(row, 1+len(m.Data)/len(row))))
		}
	}
	return all
}

func TestChromiumAgreesOnCompressionAndBothWaysAreIntact(t *testing.T) {
	for name, client := range clients {
		for _, c := range asks {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				s := serve(t, &wsstream.AcceptOptions{Compression: &c.o, MaxMessageSize: 4 << 20})
				p := open(t, s.page())
				p.run(t, client)
				conn := s.accepted(t)
				opened, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, c.becomes, opened.Extensions)
				require.Equal(t, c.becomes, eval[string](t, p, `return extensions`))
				p.run(t, `(async () => { for (;;) await send(await next()); })().catch(() => {})`)
				for _, m := range compressible() {
					write(t, conn, m)
					require.Equal(t, noteOf(m), noteOf(pull(t, conn)))
				}
				require.NoError(t, conn.Shutdown(patient(t), wsstream.CloseInfo{Code: 1000}))
			})
		}
	}
}

func TestNodesClientsAgreeOnCompressionAndBothWaysAreIntact(t *testing.T) {
	for _, c := range asks {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, &wsstream.AcceptOptions{Compression: &c.o, MaxMessageSize: 4 << 20})
			p := node(t, `
				const ws = classic('`+s.ws()+`', [], class extends WebSocket { constructor(u, p) { super(u, p, { perMessageDeflate: true }); } });
				await ws.opened;`+exchange)
			conn := s.accepted(t)
			opened, err := conn.Opened().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, c.becomes, opened.Extensions)
			piped := make(chan error, 1)
			go func() { piped <- stream.Pipe(t.Context(), conn.Writable(), conn.Readable(), nil) }()
			notes := said[struct{ Sent, Got []note }](t, p)
			require.Len(t, notes.Sent, 2*len(sizes))
			require.Equal(t, notes.Sent, notes.Got)
		})
	}
}

func TestANodeServerAgreesOnCompressionAndBothWaysAreIntact(t *testing.T) {
	p := node(t, `
		const ws = await accepted(await listen({ perMessageDeflate: { threshold: 0 } }));
		ws.on('message', (data, binary) => ws.send(data, { binary }));`)
	conn := wsstream.Dial(patient(t), said[string](t, p), &wsstream.DialOptions{
		Compression:    &wsstream.CompressionOptions{},
		MaxMessageSize: 4 << 20,
	})
	t.Cleanup(conn.CloseNow)
	opened, err := conn.Opened().Wait(patient(t))
	require.NoError(t, err)
	require.Contains(t, opened.Extensions, "permessage-deflate")
	for _, m := range compressible() {
		write(t, conn, m)
		require.Equal(t, noteOf(m), noteOf(pull(t, conn)))
	}
	require.NoError(t, conn.Shutdown(patient(t), wsstream.CloseInfo{Code: 1000}))
}

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

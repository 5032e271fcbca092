//go:build e2e

package e2e

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// sizes in bytes, beside the bounds of a frame's three lengths.
var sizes = []int{1, 125, 126, 65_535, 65_536, 1 << 20, 4 << 20}

// samples returns a binary and a text message of each size, at random.
func samples() (all []wsstream.Message) {
	chars := []string{"a", "é", "水", "😀"}
	for _, n := range sizes {
		b := make([]byte, n)
		rand.Read(b)
		var s []byte
		for i := 0; len(s) < n; i++ {
			s = append(s, chars[min(int(b[i]&3), n-len(s)-1)]...)
		}
		all = append(all, wsstream.Binary(b), wsstream.Text(string(s)))
	}
	return all
}

// clients are the two ways a page has to speak to us: open sets self.send, self.next and
// self.extensions.
var clients = map[string]string{
	"WebSocketStream": `
		self.wss = new WebSocketStream(url);
		const { readable, writable, extensions } = await wss.opened;
		self.extensions = extensions;
		const reader = readable.getReader(), writer = writable.getWriter();
		self.next = async () => (await reader.read()).value;
		self.send = (m) => writer.write(m);`,
	"WebSocket": `
		const ws = classic(url);
		await ws.opened;
		self.extensions = ws.extensions;
		self.next = ws.next;
		self.send = async (m) => ws.send(m);`,
}

func TestChromiumGetsTextAndBinaryOfEverySizeWholeAndInOrder(t *testing.T) {
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil)
			p := open(t, s.page())
			p.run(t, client)
			conn := s.accepted(t)
			p.run(t, `self.got = (async () => {
				const notes = [];
				for (let i = 0; i < 14; i++) notes.push(await note(await next()));
				return notes;
			})();`)
			var want []note
			for _, m := range samples() {
				want = append(want, noteOf(m))
				write(t, conn, m)
			}
			require.Equal(t, want, eval[[]note](t, p, `return await got`))
		})
	}
}

func TestWeGetTextAndBinaryOfEverySizeFromChromiumWholeAndInOrder(t *testing.T) {
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			s := serve(t, &wsstream.AcceptOptions{MaxMessageSize: 4 << 20})
			p := open(t, s.page())
			p.run(t, client)
			conn := s.accepted(t)
			p.run(t, `self.sent = (async () => {
				const notes = [];
				for (const n of [1, 125, 126, 65535, 65536, 1 << 20, 4 << 20]) {
					for (const m of [binary(n), text(n)]) {
						notes.push(await note(m));
						await send(m);
					}
				}
				return notes;
			})();`)
			var got []note
			for range 2 * len(sizes) {
				got = append(got, noteOf(pull(t, conn)))
			}
			require.Equal(t, eval[[]note](t, p, `return await sent`), got)
		})
	}
}

func TestWhatAPageWritesIsReadAsItComesWhateverItsLength(t *testing.T) {
	s := serve(t, &wsstream.AcceptOptions{ReadWindow: 16 << 10, MaxMessageSize: 1 << 10})
	p := open(t, s.page())
	p.run(t, clients["WebSocketStream"])
	conn := s.accepted(t)
	p.run(t, `self.sent = (async () => { const m = binary(4 << 20); await send(m); return await note(m); })();`)
	m, err := conn.Readable().NextMessage(patient(t))
	require.NoError(t, err)
	got, err := readNote(m)
	require.NoError(t, err)
	require.Equal(t, eval[note](t, p, `return await sent`), got)
	require.LessOrEqual(t, conn.Stats().Received.HeldMax, int64(16<<10))
}

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
)

// The long form is go test -tags e2e ./e2e -run PagesSession -resume.bytes 67108864 -v.
var resumeBytes = flag.Int("resume.bytes", 8<<20, "how much a page transfers each way")

// resumeJS returns the client of package resume, as a page and Node import it.
func resumeJS(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../resume/resume.js")
	require.NoError(t, err)
	return string(b)
}

// A mortal is a proxy in front of a server. It resets each connection after a random number of
// bytes.
type mortal struct {
	listener net.Listener
	target   string       // the server's address
	every    atomic.Int64 // bytes between two kills, on average; 0: no kills
	kills    atomic.Int64
	conns    sync.WaitGroup

	mu   sync.Mutex
	open map[*net.TCPConn]bool
	down bool // new connections are reset
}

func newMortal(t *testing.T, server string) *mortal {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &mortal{listener: l, target: server, open: map[*net.TCPConn]bool{}}
	m.conns.Go(m.accept)
	t.Cleanup(func() {
		l.Close()
		m.cut(true)
		m.conns.Wait()
	})
	return m
}

func (m *mortal) accept() {
	for {
		nc, err := m.listener.Accept()
		if err != nil {
			return
		}
		m.conns.Go(func() { m.carry(nc.(*net.TCPConn)) })
	}
}

// carry copies both ways until one end is done, or the connection is killed.
func (m *mortal) carry(client *net.TCPConn) {
	defer client.Close()
	nc, err := net.Dial("tcp", m.target)
	if err != nil {
		return
	}
	server := nc.(*net.TCPConn)
	defer server.Close()
	m.mu.Lock()
	if m.down {
		client.SetLinger(0)
		m.mu.Unlock()
		return
	}
	m.open[client], m.open[server] = true, true
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.open, client)
		delete(m.open, server)
	}()
	var left atomic.Int64
	every := m.every.Load()
	if every > 0 {
		left.Store(rand.Int64N(2 * every))
	}
	var both sync.WaitGroup
	defer both.Wait()
	for _, way := range [][2]*net.TCPConn{{client, server}, {server, client}} {
		both.Go(func() {
			defer way[0].Close()
			defer way[1].Close()
			b := make([]byte, 32<<10)
			for {
				n, err := way[0].Read(b)
				dies := every > 0 && left.Add(int64(-n)) < 0
				if dies {
					n += max(int(left.Load()), -n) // inside of a frame
				}
				if _, e := way[1].Write(b[:n]); e != nil || err != nil {
					return
				}
				if dies {
					m.kills.Add(1)
					client.SetLinger(0)
					server.SetLinger(0)
					return
				}
			}
		})
	}
}

// cut resets all connections. If down is set, new ones are reset, too.
func (m *mortal) cut(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
	for nc := range m.open {
		nc.SetLinger(0)
		nc.Close()
	}
}

// A resumer is a site whose page makes sessions, through a mortal.
type resumer struct {
	*mortal
	server   atomic.Pointer[resume.Server] // the last of servers
	servers  []*resume.Server
	options  resume.ServerOptions
	page     string
	sessions chan *resume.Session
	over     chan struct{} // closed when the test is
}

func resumes(t *testing.T, o resume.ServerOptions) *resumer {
	t.Helper()
	o.Conn = &wsstream.AcceptOptions{Origins: []string{"*"}, MaxMessageSize: 4 << 20}
	s := &resumer{options: o, sessions: make(chan *resume.Session, 1), over: make(chan struct{})}
	s.restart()
	script := resumeJS(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		s.server.Load().ServeHTTP(w, r)
	})
	mux.HandleFunc("/resume.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		io.WriteString(w, script)
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!doctype html><title>e2e</title><link rel=icon href=data:,><script>"+
			pageJS+resumeHelpersJS+"const url = '"+s.ws()+"';</script>")
	})
	server := httptest.NewServer(mux)
	s.mortal = newMortal(t, server.Listener.Addr().String())
	s.page = server.URL + "/"
	t.Cleanup(func() {
		close(s.over)
		ended, end := context.WithCancel(context.Background())
		end()
		for _, v := range s.servers {
			_ = v.Shutdown(ended) // cuts the sessions
		}
		s.cut(true)
		server.Close()
	})
	return s
}

// restart replaces the server by one without sessions.
func (s *resumer) restart() {
	serve := func(session *resume.Session, _ *http.Request) error {
		s.sessions <- session
		<-s.over
		return nil
	}
	s.servers = append(s.servers, resume.NewServer(serve, &s.options))
	s.server.Store(s.servers[len(s.servers)-1])
}

// ws is the address of the mortal's WebSockets.
func (s *resumer) ws() string { return "ws://" + s.listener.Addr().String() + "/ws" }

// resumeHelpersJS is what the pages and the Node programs of these tests have at hand.
const resumeHelpersJS = `
	// A sum hashes messages as summer does.
	const sum = () => {
		let state = new Uint8Array(32), at = 0;
		const buffer = new Uint8Array(1 << 20), utf8 = new TextEncoder();
		const flush = async () => {
			const all = new Uint8Array(32 + at);
			all.set(state);
			all.set(buffer.subarray(0, at), 32);
			[state, at] = [new Uint8Array(await crypto.subtle.digest('SHA-256', all)), 0];
		};
		return {
			async add(m) {
				const bytes = typeof m === 'string' ? utf8.encode(m) : m;
				if (at + 5 + bytes.length > buffer.length) await flush();
				buffer[at] = typeof m === 'string' ? 1 : 2;
				new DataView(buffer.buffer).setUint32(at + 1, bytes.length);
				buffer.set(bytes, at + 5);
				at += 5 + bytes.length;
				return bytes.length;
			},
			async end() { await flush(); return hex(state); },
		};
	};
	const sendAll = async (writer, total) => {
		const h = sum(), bytes = binary(300000), chars = text(300000).replaceAll('😀', '水水'), n = chars.length;
		while (total > 0) {
			const size = Math.floor(2 ** (Math.random() * 16)) - 1, from = Math.floor(Math.random() * n / 4);
			const m = Math.random() < 0.5 ? bytes.slice(from, from + size)
				: chars.slice(from, from + size / 3);
			await writer.write(m);
			total -= await h.add(m);
		}
		await writer.write('end');
		return h.end();
	};
	const receiveAll = async (reader) => {
		for (const h = sum();;) {
			const { value, done } = await reader.read();
			if (done) throw new Error('it ended before the end');
			if (value === 'end') return h.end();
			await h.add(value);
		}
	};
	// outcome tells how closed came out.
	const outcome = (session) => session.closed.then(
		(v) => ({ code: v.closeCode, reason: v.reason }),
		(e) => ({ code: e.closeCode ?? 0, error: e.constructor.name + ': ' + e.message,
			lost: (e.unacknowledged ?? []).map((m) => typeof m === 'string' ? m : hex(m)) }),
	);
`

// An outcome is how a session ended for a page.
type outcome struct {
	Code   int      `json:"code"`
	Reason string   `json:"reason"`
	Error  string   `json:"error"`
	Lost   []string `json:"lost"` // the messages that were not acknowledged
}

// startJS makes a session with options, which reconnects 1 ms after a loss.
func startJS(options string) string {
	return `
		const { ResumeStream } = await import('/resume.js');
		self.session = new ResumeStream(url, ` + options + `);
		self.losses = self.resumptions = 0;
		session.onlost = () => { losses++; setTimeout(session.reconnect, 1); };
		session.onresumed = () => { resumptions++; };
		const { readable, writable } = await session.opened;
		self.reader = readable.getReader();
		self.writer = writable.getWriter();`
}

// A summer hashes messages: SHA-256 of the state before and of about 1 MiB, again and again, which
// is what a page can do.
type summer struct {
	state [sha256.Size]byte
	h     hash.Hash
	n     int
}

func (s *summer) add(m wsstream.Message) {
	if s.h == nil || s.n+5+len(m.Data) > 1<<20 {
		s.flush()
	}
	n := len(m.Data)
	s.h.Write([]byte{byte(m.Type), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	s.h.Write(m.Data)
	s.n += 5 + n
}

func (s *summer) flush() {
	if s.h != nil {
		s.h.Sum(s.state[:0])
	}
	s.h, s.n = sha256.New(), 0
	s.h.Write(s.state[:])
}

func (s *summer) end() string {
	s.flush()
	return hex.EncodeToString(s.state[:])
}

// sendAll writes random messages of total bytes, and a last one. It returns their hash.
func sendAll(t *testing.T, session *resume.Session, total int) string {
	var h summer
	data := bytes.Repeat([]byte("wsstream \x00\x7f"), 30_000)
	for total > 0 {
		n := rand.IntN(1 << rand.IntN(17))
		from := rand.IntN(len(data) - n)
		m := wsstream.Message{Type: wsstream.Type(1 + rand.IntN(2)), Data: data[from : from+n]}
		if err := session.Writable().Write(t.Context(), m); err != nil {
			t.Error(err)
			return ""
		}
		h.add(m)
		total -= n
	}
	if err := session.Writable().Write(t.Context(), wsstream.Text("end")); err != nil {
		t.Error(err)
	}
	return h.end()
}

// receiveAll pulls until the last message. It returns the hash of what came before.
func receiveAll(t *testing.T, session *resume.Session) string {
	var h summer
	var m wsstream.Message
	for {
		if err := session.Readable().PullInto(t.Context(), &m); err != nil {
			t.Error(err)
			return ""
		}
		if string(m.Data) == "end" {
			return h.end()
		}
		h.add(m)
	}
}

// transfer sends and receives. It returns the hashes of what was sent and of what came.
func transfer(t *testing.T, session *resume.Session, down int) (sent, got string) {
	var both sync.WaitGroup
	both.Go(func() { sent = sendAll(t, session, down) })
	got = receiveAll(t, session)
	both.Wait()
	return sent, got
}

func TestTheJavaScriptClientHasFewerThan200LinesOfCode(t *testing.T) {
	code := 0
	for line := range strings.Lines(resumeJS(t)) {
		line = strings.TrimSpace(line)
		comment := strings.HasPrefix(line, "//") || strings.HasPrefix(line, "/*") ||
			strings.HasPrefix(line, "*")
		if line != "" && !comment {
			code++
		}
	}
	require.Less(t, code, 200)
}

func TestAPagesSessionLosesNothingWhenItsConnectionsAreKilled(t *testing.T) {
	s := resumes(t, resume.ServerOptions{})
	s.every.Store(240_000)
	p := open(t, s.page)
	p.run(t, startJS(`{ window: 64 << 10 }`)+fmt.Sprintf(`
		self.sent = sendAll(writer, %d);
		self.got = receiveAll(reader);`, *resumeBytes))
	session := <-s.sessions
	sent, got := transfer(t, session, *resumeBytes)
	require.Equal(t, sent, eval[string](t, p, `return await got`))
	require.Equal(t, got, eval[string](t, p, `return await sent`))
	t.Logf("%d kills, %d resumed", s.kills.Load(), session.Resumed())
	require.GreaterOrEqual(t, s.kills.Load(), int64(*resumeBytes/250_000), "half of what is expected")
	require.Positive(t, eval[int](t, p, `return losses`))
	require.Positive(t, eval[int](t, p, `return resumptions`))
	p.run(t, `session.close({ closeCode: 4321, reason: 'done' })`)
	require.Equal(t, outcome{Code: 4321, Reason: "done"},
		eval[outcome](t, p, `return await outcome(session)`))
	info, err := session.Closed().Wait(patient(t))
	require.NoError(t, err)
	require.Equal(t, wsstream.CloseInfo{Code: 4321, Reason: "done"}, info)
}

// Chromium's page dies if a WebSocketStream is lost while a write waits. So each loss comes while
// the page writes nothing.
func TestAPagesSessionOverWebSocketStreamLosesNothing(t *testing.T) {
	s := resumes(t, resume.ServerOptions{})
	p := open(t, s.page)
	p.run(t, startJS(`{ socket: WebSocketStream }`))
	session := <-s.sessions
	for round := range 3 {
		p.run(t, `
			self.sent = sendAll(writer, 2 << 20);
			self.got = receiveAll(reader);`)
		sent, got := transfer(t, session, 2<<20)
		require.Equal(t, sent, eval[string](t, p, `return await got`))
		require.Equal(t, got, eval[string](t, p, `return await sent`))
		require.NoError(t, session.Writable().Flush(patient(t)))
		s.cut(false)
		p.run(t, fmt.Sprintf(`while (losses < %d) await within(1, new Promise(() => {}))`, round+1))
	}
	p.run(t, `await writer.close()`)
	require.Equal(t, outcome{Code: 1005}, eval[outcome](t, p, `return await outcome(session)`))
	info, err := session.Closed().Wait(patient(t))
	require.NoError(t, err)
	require.Equal(t, wsstream.CloseInfo{Code: 1005}, info)
	require.Equal(t, 3, session.Resumed())
}

var sockets = []string{"WebSocket", "WebSocketStream"}

func TestAPageThatDoesNotReadStopsTheSessionsWriterAtItsWindow(t *testing.T) {
	for _, socket := range sockets {
		t.Run(socket, func(t *testing.T) {
			s := resumes(t, resume.ServerOptions{})
			p := open(t, s.page)
			p.run(t, startJS(`{ window: 256 << 10, socket: `+socket+` }`))
			session := <-s.sessions
			_, err := session.Opened().Wait(patient(t))
			require.NoError(t, err)
			n := 0
			for {
				ctx, cancel := context.WithTimeout(t.Context(), lull)
				err := session.Writable().Write(ctx, numbered(n))
				cancel()
				if err != nil {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					break
				}
				n++
			}
			// A record has 5 bytes in front. One message may exceed the window.
			require.Equal(t, (256<<10)/(piece+5)+1, n)
			require.NoError(t, session.Writable().Flush(patient(t)), "the page has received all")

			numbers := `
				const numbers = [];
				while (numbers.length < 100) {
					const { value } = await reader.read();
					numbers.push(new DataView(value.buffer).getUint32(0));
				}
				return numbers`
			written := make(chan error, 1)
			go func() {
				for i := n; i < 100; i++ {
					if err := session.Writable().Write(t.Context(), numbered(i)); err != nil {
						written <- err
						return
					}
				}
				written <- nil
			}()
			for i, number := range eval[[]int](t, p, numbers) {
				require.Equal(t, i, number)
			}
			require.NoError(t, <-written)
		})
	}
}

func TestAPagesWriteWaitsForTheSessionsPulls(t *testing.T) {
	for _, socket := range sockets {
		t.Run(socket, func(t *testing.T) {
			s := resumes(t, resume.ServerOptions{Window: 256 << 10})
			p := open(t, s.page)
			p.run(t, startJS(`{ socket: `+socket+` }`)+`
				self.n = 0;
				self.flooding = (async () => {
					for (; n < 100; n++) {
						const m = new Uint8Array(32 << 10);
						new DataView(m.buffer).setUint32(0, n);
						await writer.write(m);
					}
				})()`)
			session := <-s.sessions
			accepted := (256<<10)/(piece+5) + 1
			require.Equal(t, accepted, eval[int](t, p,
				`for (let before = -1; n > before;) { before = n; await within(1000, flooding); } return n`))
			for i := range 100 {
				m, err := session.Readable().Pull(patient(t))
				require.NoError(t, err)
				require.Equal(t, numbered(i), m)
			}
			p.run(t, `await flooding`)
		})
	}
}

func TestAPageThatIsAwayForTooLongEndsBothSidesWithWhatWasNotAcknowledged(t *testing.T) {
	s := resumes(t, resume.ServerOptions{AwayTimeout: time.Second})
	p := open(t, s.page)
	p.run(t, startJS(`{ away: 500 }`))
	session := <-s.sessions
	s.cut(true)
	got := eval[outcome](t, p, `
		while (!losses) await within(1, new Promise(() => {}));
		await writer.write('text');
		await writer.write(new Uint8Array([1, 255]));
		const end = await outcome(session);
		if (await reader.read().then(() => true, () => false)) throw new Error('a read succeeded');
		if (await writer.write('late').then(() => true, () => false)) throw new Error('a write succeeded');
		return end`)
	require.Equal(t, outcome{
		Code: 1006, Lost: []string{"text", "01ff"},
		Error: "LostError: session lost, 2 messages unacknowledged: it was away for 500 ms",
	}, got)
	_, err := session.Closed().Wait(patient(t))
	var lost *resume.LostError
	require.ErrorAs(t, err, &lost)
}

func TestAPageLearnsThatTheServerWasRestarted(t *testing.T) {
	s := resumes(t, resume.ServerOptions{})
	p := open(t, s.page)
	p.run(t, startJS(`{}`))
	<-s.sessions
	s.restart()
	s.cut(false)
	require.Equal(t, outcome{
		Code: 4001, Lost: []string{},
		Error: "LostError: session lost, 0 messages unacknowledged: the server does not have it any more",
	}, eval[outcome](t, p, `return await outcome(session)`))
}

func TestEachWayAPageEndsItsSessionIsTheServersEnd(t *testing.T) {
	for _, c := range []struct {
		how  string
		want wsstream.CloseInfo
	}{
		{`session.close()`, wsstream.CloseInfo{Code: 1005}},
		{`session.close({ closeCode: 1000 })`, wsstream.CloseInfo{Code: 1000}},
		{`session.close({ reason: '水 😀' })`, wsstream.CloseInfo{Code: 1000, Reason: "水 😀"}},
		{`session.close({ closeCode: 4999, reason: 'bye' })`,
			wsstream.CloseInfo{Code: 4999, Reason: "bye"}},
		{`writer.close()`, wsstream.CloseInfo{Code: 1005}},
		{`writer.abort()`, wsstream.CloseInfo{Code: 1011}},
		{`writer.abort(new Error('gone wrong'))`, wsstream.CloseInfo{Code: 1011}},
		{`writer.abort({ closeCode: 4002, reason: 'gone wrong' })`,
			wsstream.CloseInfo{Code: 4002, Reason: "gone wrong"}},
		{`reader.cancel()`, wsstream.CloseInfo{Code: 1005}},
		{`reader.cancel({ closeCode: 4003, reason: 'enough' })`,
			wsstream.CloseInfo{Code: 4003, Reason: "enough"}},
	} {
		t.Run(c.how, func(t *testing.T) {
			s := resumes(t, resume.ServerOptions{})
			p := open(t, s.page)
			p.run(t, startJS(`{}`)+`await writer.write('before');`)
			session := <-s.sessions
			got := eval[outcome](t, p, c.how+`; return await outcome(session)`)
			require.Equal(t, outcome{Code: c.want.Code, Reason: c.want.Reason}, got)
			m, err := session.Readable().Pull(patient(t))
			require.NoError(t, err)
			require.Equal(t, wsstream.Text("before"), m)
			info, err := session.Closed().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, c.want, info)
		})
	}
}

func TestTheServersEndOfASessionIsThePagesEnd(t *testing.T) {
	s := resumes(t, resume.ServerOptions{})
	p := open(t, s.page)
	p.run(t, startJS(`{}`))
	session := <-s.sessions
	require.NoError(t, session.Writable().Write(t.Context(), wsstream.Text("last")))
	require.NoError(t, session.Shutdown(patient(t), wsstream.CloseInfo{Code: 1001, Reason: "bye"}))
	p.run(t, `
		if ((await reader.read()).value !== 'last') throw new Error('not the last message');
		if (!(await reader.read()).done) throw new Error('not the end');
		if (await writer.write('late').then(() => true, () => false)) throw new Error('a write succeeded');`)
	require.Equal(t, outcome{Code: 1001, Reason: "bye"},
		eval[outcome](t, p, `return await outcome(session)`))
}

func TestAPagesSignalEndsASessionThatHasNotOpened(t *testing.T) {
	s := resumes(t, resume.ServerOptions{})
	s.cut(true)
	p := open(t, s.page)
	require.Equal(t, "TimeoutError TimeoutError", eval[string](t, p, `
		const { ResumeStream } = await import('/resume.js');
		const session = new ResumeStream(url, { signal: AbortSignal.timeout(100) });
		const name = (promise) => promise.then(() => 'it did not fail', (e) => e.name);
		return await name(session.opened) + ' ' + await name(session.closed)`))
}

func TestTheJavaScriptClientRunsInNode(t *testing.T) {
	s := resumes(t, resume.ServerOptions{})
	s.every.Store(200_000)
	p := node(t, resumeHelpersJS+`
		const script = Buffer.from((await heard()).value, 'base64');
		const { ResumeStream } = await import('data:text/javascript;base64,' + script.toString('base64'));
		const session = new ResumeStream('`+s.ws()+`', { socket: undici.WebSocket, window: 64 << 10 });
		session.onlost = () => setTimeout(session.reconnect, 1);
		const { readable, writable } = await session.opened;
		say(await Promise.all([sendAll(writable.getWriter(), 4 << 20), receiveAll(readable.getReader())]));
		session.close({ closeCode: 4321, reason: 'done' });
		say(await outcome(session));`)
	p.Tell(t, "%s", base64.StdEncoding.EncodeToString([]byte(resumeJS(t))))
	sent, got := transfer(t, <-s.sessions, 4<<20)
	require.Equal(t, []string{got, sent}, said[[]string](t, p))
	require.Equal(t, outcome{Code: 4321, Reason: "done"}, said[outcome](t, p))
	require.Positive(t, s.kills.Load())
}

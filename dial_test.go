package wsstream_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

func TestDialSendsWhatTheURLAndTheHeaderSay(t *testing.T) {
	for _, tc := range []struct{ url, uri, host string }{
		{"ws://example.test", "/", "example.test"},
		{"ws://example.test?a=b", "/?a=b", "example.test"},
		{"ws://example.test:8080/a%20b/?c=%2F", "/a%20b/?c=%2F", "example.test:8080"},
	} {
		t.Run(tc.url, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := wsstream.Dial(t.Context(), tc.url, &wsstream.DialOptions{
					Header: http.Header{
						"Cookie": {"a=b"},
						"X-Two":  {"1", "2"},
						"Origin": {"https://example.org"},
					},
					NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
				})
				defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
				req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake()
				require.Equal(t, tc.uri, req.RequestURI)
				require.Equal(t, tc.host, req.Host)
				require.Equal(t, "a=b", req.Header.Get("Cookie"))
				require.Equal(t, []string{"1", "2"}, req.Header.Values("X-Two"))
				require.Equal(t, "https://example.org", req.Header.Get("Origin"))
				require.NotContains(t, req.Header, "User-Agent")
				_, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
			})
		})
	}
}

func TestDialMakesANewKeyEachTime(t *testing.T) {
	seen := map[string]bool{}
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		dialOver(t, near, nil)
		key := wstest.NewPeer(t, far, wstest.AsServer).ReadRequest().Header.Get("Sec-WebSocket-Key")
		require.False(t, seen[key])
		seen[key] = true
	})
}

func TestDialWithAnEndedContextDialsNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errReason)
	var d dialled
	conn := wsstream.Dial(ctx, "ws://example.test/", &wsstream.DialOptions{NetDial: d.dial})
	require.Equal(t, errReason, notOpened(t, conn))
	require.Zero(t, d.calls.Load())
}

func TestDialDropsTheTransportWhenItsContextEnds(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		ctx, cancel := context.WithCancelCause(t.Context())
		conn := wsstream.Dial(ctx, "ws://example.test/", &wsstream.DialOptions{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
		})
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ReadRequest()
		pulled := goDo(func() (wsstream.Message, error) { return conn.Readable().Pull(patient(t)) })
		cancel(errReason)
		require.Equal(t, errReason, notOpened(t, conn))
		require.Equal(t, errReason, (<-pulled).err)
		require.Equal(t, errReason, conn.Writable().Write(t.Context(), wsstream.Text("x")))
		peer.WantEOF("the transport is dropped")
	})
}

func TestDialEndsNetDialWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		conn := wsstream.Dial(ctx, "ws://example.test/", &wsstream.DialOptions{
			NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		synctest.Wait()
		cancel(errReason)
		require.Equal(t, errReason, notOpened(t, conn))
	})
}

func TestDialsContextDoesNothingAfterOpening(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		conn := wsstream.Dial(ctx, "ws://example.test/", &wsstream.DialOptions{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
		})
		defer func() { conn.CloseNow(); <-conn.Closed().Done() }()
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.ServeHandshake()
		_, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
		cancel()
		peer.Send(wstest.Text("still here"))
		m, err := conn.Readable().Pull(patient(t))
		require.NoError(t, err)
		require.Equal(t, "still here", string(m.Data))
		require.NoError(t, conn.Writable().Write(patient(t), wsstream.Text("so am I")))
		peer.Want("it is sent", wstest.Text("so am I"))
	})
}

func TestDialKeepsFramesThatComeWithThe101(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, nil)
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		packet := wstest.SwitchingProtocols(peer.ReadRequest())
		for _, f := range []wstest.Frame{
			wstest.Text("one"), wstest.Ping("p"), wstest.Text("t").Part(), wstest.Cont([]byte("wo"), true),
		} {
			packet = append(packet, peer.Encode(f)...)
		}
		peer.SendRaw(packet)
		for _, want := range []string{"one", "two"} {
			m, err := conn.Readable().Pull(patient(t))
			require.NoError(t, err)
			require.Equal(t, want, string(m.Data))
		}
		peer.Want("the ping is answered", wstest.Pong("p"))
	})
}

func TestDialOpensAndClosesIfACloseComesWithThe101(t *testing.T) {
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, nil)
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		peer.SendRaw(
			append(
				wstest.SwitchingProtocols(peer.ReadRequest()),
				peer.Encode(wstest.Close(1001, "busy"))...),
		)
		_, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
		peer.WantClose("the Close is answered", 1001)
		peer.Close()
		info, err := conn.Closed().Wait(patient(t))
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 1001, Reason: "busy"}, info)
		_, err = conn.Readable().Pull(t.Context())
		told(1001, "busy")(t, nil, err)
	})
}

func TestDialRefusesHeaderFieldsOfTheHandshake(t *testing.T) {
	for _, field := range []string{
		"Host", "host", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Te", "Trailer",
		"Sec-WebSocket-Key", "sec-websocket-version", "Sec-WebSocket-Protocol",
		"Sec-WebSocket-Extensions", "Sec-WebSocket-Accept",
	} {
		t.Run(field, func(t *testing.T) {
			var d dialled
			h := http.Header{field: {"x"}}
			err := notOpened(
				t,
				wsstream.Dial(
					t.Context(),
					"ws://example.test/",
					&wsstream.DialOptions{Header: h, NetDial: d.dial},
				),
			)
			require.ErrorContains(t, err, "Header: the field")
			require.Zero(t, d.calls.Load())
		})
	}
}

func TestDialIsNotDoneBeforeItsRequestIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(1000)
		conn := dialOver(t, near,
			&wsstream.DialOptions{Header: http.Header{"Z": {strings.Repeat("x", 5000)}}})
		br := bufio.NewReaderSize(far, 16)
		var key string
		for key == "" {
			line, err := br.ReadString('\n')
			require.NoError(t, err)
			if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "Sec-WebSocket-Key") {
				key = strings.TrimSpace(value)
			}
		}
		req := &http.Request{Header: http.Header{"Sec-Websocket-Key": {key}}}
		_, err := far.Write(wstest.SwitchingProtocols(req))
		require.NoError(t, err)
		synctest.Wait()
		_, _, settled := conn.Opened().Peek()
		require.False(t, settled)
		_, err = io.ReadFull(br, make([]byte, 5000))
		require.NoError(t, err)
		_, err = conn.Opened().Wait(patient(t))
		require.NoError(t, err)
	})
}

func TestDialEndsWithItsContextWhileTheRequestIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(10)
		defer far.Close()
		ctx, cancel := withCause(t)
		conn := wsstream.Dial(ctx, "ws://example.test/", &wsstream.DialOptions{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
		})
		synctest.Wait()
		cancel(errReason)
		require.Equal(t, errReason, notOpened(t, conn))
		synctest.Wait()
		require.True(t, near.Closed())
	})
}

// floodDials is how many Dials of each kind are made into a flood.
func floodDials() int {
	if n, err := strconv.Atoi(os.Getenv("WSSTREAM_STRESS_DIALS")); err == nil {
		return n
	}
	return 1
}

// busy keeps n goroutines computing until the test ends.
func busy(t *testing.T, n int) {
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for x := uint64(1); !stop.Load(); x = x*6364136223846793005 + 1 {
				_ = x
			}
		})
	}
	t.Cleanup(func() { stop.Store(true); wg.Wait() })
}

// longFrame is the header of a frame of 16 MiB, and its payload.
func longFrame() []byte {
	return append([]byte{0x82, 0x7f, 0, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 16<<20)...)
}

// A Dial whose peer sends 16 MiB right behind the 101 ran into HandshakeTimeout now and then, on a
// machine under load. Until the handshake is done Dial waits for its request to be taken, for the
// header of the response, and for a processor. None of these waits for the flood: no time passes
// here, in whatever pieces the bytes come.
func TestDialIsNotSlowedByAFloodBehindThe101(t *testing.T) {
	behind := longFrame()
	for _, chunk := range []int{1, 7, 100, 4095, 4096, 4097, 0} {
		t.Run(strconv.Itoa(chunk), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				near.Chunk(chunk)
				conn := dialOver(t, near, nil)
				peer := wstest.NewPeer(t, far, wstest.AsServer)
				start := time.Now()
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					_, _ = far.Write(append(wstest.SwitchingProtocols(peer.ReadRequest()), behind...))
				}()
				_, err := conn.Opened().Wait(t.Context())
				require.NoError(t, err)
				require.Zero(t, time.Since(start))
				conn.CloseNow()
				<-sent
			})
		})
	}
}

// The control is a bare exchange of as many bytes. With busy processors the handshake takes as long
// as the control, times the goroutines that have to run one after another. WSSTREAM_STRESS_DIALS
// says how many Dials of each kind are made.
func TestDialReturnsDuringAFloodBehindThe101(t *testing.T) {
	behind := longFrame()
	for _, procs := range []int{1, 2, 8} {
		for _, kind := range []string{"memory", "tcp"} {
			t.Run(strconv.Itoa(procs)+" processors, "+kind, func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				busy(t, 2*procs)
				pipe := func() (near, far net.Conn) {
					if kind == "tcp" {
						return pipes.TCP(t, 0)
					}
					return memnet.Pipe(0)
				}
				var slowest, control time.Duration
				for range floodDials() {
					near, far := pipe()
					slowest = max(slowest, dialIntoFlood(t, near, far, behind))
					near, far = pipe()
					control = max(control, exchangeBeforeFlood(t, near, far, behind))
				}
				t.Logf("the slowest handshake took %v, the slowest control %v", slowest, control)
			})
		}
	}
}

// exchangeBeforeFlood exchanges as many bytes as a handshake, without wsstream.
func exchangeBeforeFlood(t *testing.T, near, far net.Conn, behind []byte) time.Duration {
	start := time.Now()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.ReadFull(far, make([]byte, 200))
		_, _ = far.Write(append(make([]byte, 200), behind...))
	}()
	opened := make(chan error, 1)
	go func() {
		_, err := near.Write(make([]byte, 200))
		if err == nil {
			_, err = io.ReadFull(near, make([]byte, 200))
		}
		opened <- err
	}()
	require.NoError(t, <-opened)
	took := time.Since(start)
	near.Close()
	<-sent
	far.Close()
	return took
}

// dialIntoFlood makes a Dial whose peer floods it, and returns how long the handshake took. One
// that takes long is shown with what all goroutines do.
func dialIntoFlood(t *testing.T, near, far net.Conn, behind []byte) time.Duration {
	peer := wstest.NewPeer(t, far, wstest.AsServer)
	late := time.AfterFunc(wsstream.DefaultHandshakeTimeout/2, func() {
		stacks := make([]byte, 1<<20)
		t.Logf("a handshake takes long:\n%s", stacks[:runtime.Stack(stacks, true)])
	})
	start := time.Now()
	conn := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{
		NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
	})
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = far.Write(append(wstest.SwitchingProtocols(peer.ReadRequest()), behind...))
	}()
	_, err := conn.Opened().Wait(t.Context())
	took := time.Since(start)
	late.Stop()
	require.NoError(t, err)
	r, err := conn.Readable().NextMessage(t.Context())
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, 256<<10)) // more than was read ahead
	require.NoError(t, err)
	conn.CloseNow()
	<-conn.Closed().Done()
	<-sent
	far.Close()
	return took
}

var failures = []failure{{
	event: "the handshake fails",
	fail: func(d *dialling) {
		d.peer.SendRaw([]byte("HTTP/1.1 403 Forbidden\r\nX-Why: you\r\nContent-Length: 5\r\n\r\nnever"))
	},
	check: func(t *testing.T, err error) {
		require.IsType(t, &wsstream.HandshakeError{}, err)
		he := err.(*wsstream.HandshakeError)
		require.Equal(t, http.StatusForbidden, he.Status)
		require.Equal(t, "you", he.Header.Get("X-Why"))
		require.Equal(t, "never", string(he.Body))
	},
}, {
	event: "the server drops the transport",
	fail:  func(d *dialling) { d.peer.Close() },
	check: func(t *testing.T, err error) { require.IsType(t, &wsstream.HandshakeError{}, err) },
}, {
	event: "the URL is bad",
	url:   "ws://example.test/#",
	check: plain("URL"),
}, {
	event: "an option is bad",
	opts:  wsstream.DialOptions{WriteWindow: 1},
	check: plain("WriteWindow"),
}, {
	event: "Close",
	fail: func(d *dialling) {
		require.Error(d.t, d.conn.Close(wsstream.CloseInfo{Code: 999}))
		_, err, settled := d.conn.Opened().Peek()
		require.False(d.t, settled, "a Close that fails changes nothing, yet Opened has settled: %v", err)
		require.NoError(d.t, d.conn.Close(wsstream.CloseInfo{Code: 1000, Reason: "first"}))
		require.NoError(d.t, d.conn.Close(wsstream.CloseInfo{Code: 3000}))
	},
	check: abandoned,
}, {
	event: "CloseNow",
	fail:  func(d *dialling) { d.conn.CloseNow() },
	check: abandoned,
}, {
	event: "Shutdown",
	fail:  func(d *dialling) { abandoned(d.t, d.conn.Shutdown(patient(d.t), wsstream.CloseInfo{})) },
	check: abandoned,
}, {
	event: "Readable.Cancel",
	fail:  func(d *dialling) { require.NoError(d.t, d.conn.Readable().Cancel(nil)) },
	check: abandoned,
}, {
	event: "Writable.Abort",
	fail:  func(d *dialling) { require.NoError(d.t, d.conn.Writable().Abort(errWhy)) },
	check: func(t *testing.T, err error) {
		abandoned(t, err)
		require.ErrorIs(t, err, errWhy)
	},
}, {
	event: "the end of Dial's context",
	fail:  func(d *dialling) { d.cancel(errWhy) },
	check: func(t *testing.T, err error) { require.Equal(t, errWhy, err) },
}}

func TestDialFailureIsTheErrorOfEveryCallAndFuture(t *testing.T) {
	calls := map[string]func(*dialling) error{
		"Pull": func(d *dialling) error { _, err := d.conn.Readable().Pull(d.ctx); return err },
		"Write": func(d *dialling) error {
			return d.conn.Writable().Write(d.ctx, wsstream.Text("x"))
		},
		"Closed": func(d *dialling) error { _, err := d.conn.Closed().Wait(d.ctx); return err },
		"Opened": func(d *dialling) error { _, err := d.conn.Opened().Wait(d.ctx); return err },
		"NextMessage": func(d *dialling) error {
			_, err := d.conn.Readable().NextMessage(d.ctx)
			return err
		},
		"NewMessage": func(d *dialling) error {
			_, err := d.conn.Writable().NewMessage(d.ctx, wsstream.TypeText)
			return err
		},
		"Ready":          func(d *dialling) error { return d.conn.Writable().Ready(d.ctx) },
		"Flush":          func(d *dialling) error { return d.conn.Writable().Flush(d.ctx) },
		"Writable.Close": func(d *dialling) error { return d.conn.Writable().Close(d.ctx) },
	}
	for _, f := range failures {
		for what, call := range calls {
			t.Run(f.event+"/"+what, func(t *testing.T) {
				whileDialling(t, f, func(d *dialling) {
					before := goErr(func() error { return call(d) })
					d.quiet()
					if f.fail != nil {
						f.fail(d)
					}
					err := (<-before).err
					f.check(t, err)
					require.Equal(t, err, call(d))
					require.Zero(t, d.conn.Writable().DesiredSize())
					<-d.conn.Readable().Done()
					<-d.conn.Writable().Done()
				})
			})
		}
	}
}

// plain wants an error of no type of ours, that says name.
func plain(name string) func(t *testing.T, err error) {
	return func(t *testing.T, err error) {
		require.ErrorContains(t, err, name)
		_, ok := errors.AsType[*wsstream.HandshakeError](err)
		require.False(t, ok)
		_, ok = errors.AsType[*wsstream.Error](err)
		require.False(t, ok)
	}
}

func abandoned(t *testing.T, err error) {
	require.IsType(t, &wsstream.Error{}, err)
	require.Equal(t, 1006, err.(*wsstream.Error).Code)
}

func TestSubprotocolIsOneTokenAndAppearsOnce(t *testing.T) {
	for _, tc := range []struct {
		protocols []string
		says      string
	}{
		{[]string{""}, "token"},
		{[]string{"a b"}, "token"},
		{[]string{"a,b"}, "token"},
		{[]string{`"x"`}, "token"},
		{[]string{"é"}, "token"},
		{[]string{"a\x7f"}, "token"},
		{[]string{"a\r\nX: y"}, "token"},
		{[]string{"a", "b", "a"}, "twice"},
		{[]string{"chat", "Chat"}, "twice"},
	} {
		t.Run(strings.Join(tc.protocols, " "), func(t *testing.T) {
			var d dialled
			err := notOpened(
				t,
				wsstream.Dial(
					t.Context(),
					"ws://example.test/",
					&wsstream.DialOptions{Subprotocols: tc.protocols, NetDial: d.dial},
				),
			)
			require.ErrorContains(t, err, "Subprotocols")
			require.ErrorContains(t, err, tc.says)
			require.Zero(t, d.calls.Load())
		})
	}
}

func TestSubprotocolMayUseEveryTokenCharacter(t *testing.T) {
	const all = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	onBothPaths(t, func(t *testing.T, near, far net.Conn) {
		conn := dialOver(t, near, &wsstream.DialOptions{Subprotocols: []string{all}})
		wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake("Sec-WebSocket-Protocol: " + all)
		opened, err := conn.Opened().Wait(patient(t))
		require.NoError(t, err)
		require.Equal(t, all, opened.Protocol)
	})
}

func TestSubprotocolThatIsNoTokenIsOfferedWhereAllowed(t *testing.T) {
	for _, name := range []string{
		"ZWS2.0/NULL", "{x}", "https://example.org/v1?a=b;c", "Bearer:a/b+c==",
	} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, &wsstream.DialOptions{Subprotocols: []string{name, "ZWS2.0"}})
				req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake("Sec-WebSocket-Protocol: " + name)
				require.Equal(t, []string{name + ", ZWS2.0"}, req.Header.Values("Sec-WebSocket-Protocol"))
				opened, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, name, opened.Protocol)
			})
		})
	}
}

func TestSubprotocolMayBeMissingInTheAnswerWhereOptional(t *testing.T) {
	for _, tc := range []struct{ name, answer, want, says string }{
		{name: "none", answer: "X-Nothing: here"},
		{name: "one of them", answer: "Sec-WebSocket-Protocol: a", want: "a"},
		{name: "another", answer: "Sec-WebSocket-Protocol: d", says: "not one of"},
		{name: "two", answer: "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b", says: "not one of"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near,
					&wsstream.DialOptions{Subprotocols: []string{"b", "a"}, SubprotocolOptional: true})
				wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake(tc.answer)
				if tc.says != "" {
					require.ErrorContains(t, notOpened(t, conn), tc.says)
					return
				}
				opened, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, tc.want, opened.Protocol)
			})
		})
	}
}

func TestSubprotocolOfTheAnswerMustBeOneThatWasOffered(t *testing.T) {
	for _, tc := range []struct{ name, answer, want string }{
		{"the first", "Sec-WebSocket-Protocol: b", "b"},
		{"the last", "Sec-WebSocket-Protocol: c", "c"},
		{"none", "X-Nothing: here", ""},
		{"an empty one", "Sec-WebSocket-Protocol: ", ""},
		{"another", "Sec-WebSocket-Protocol: d", ""},
		{"another by case", "Sec-WebSocket-Protocol: B", ""},
		{"two in one field", "Sec-WebSocket-Protocol: b, a", ""},
		{"two fields", "Sec-WebSocket-Protocol: b\r\nSec-WebSocket-Protocol: a", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, near, far net.Conn) {
				conn := dialOver(t, near, &wsstream.DialOptions{Subprotocols: []string{"b", "a", "c"}})
				req := wstest.NewPeer(t, far, wstest.AsServer).ServeHandshake(tc.answer)
				require.Equal(t, []string{"b, a, c"}, req.Header.Values("Sec-WebSocket-Protocol"))
				if tc.want == "" {
					require.ErrorContains(t, notOpened(t, conn), "the server chose")
					return
				}
				opened, err := conn.Opened().Wait(patient(t))
				require.NoError(t, err)
				require.Equal(t, tc.want, opened.Protocol)
			})
		})
	}
}

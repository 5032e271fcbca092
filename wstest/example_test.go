package wstest_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// run runs the body of a test, which an example has none of.
func run(test func(t testing.TB)) {
	ctx, cancel := context.WithCancel(context.Background())
	t := &example{ctx: ctx}
	defer func() {
		cancel() // before the cleanups, as in a test
		for _, f := range slices.Backward(t.cleanups) {
			f()
		}
	}()
	test(t)
}

// An example is a test that fails by a panic.
type example struct {
	testing.TB
	ctx      context.Context // of the test
	cleanups []func()
}

func (t *example) Helper()                        {}
func (t *example) Context() context.Context       { return t.ctx }
func (t *example) Cleanup(f func())               { t.cleanups = append(t.cleanups, f) }
func (t *example) Fatal(a ...any)                 { panic(fmt.Sprint(a...)) }
func (t *example) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

// Two Conns that are connected in memory, to test what runs on either end.
func ExamplePair() {
	run(func(t testing.TB) {
		d := wstest.Pair(t, nil)
		if err := d.Client.Writable().Write(t.Context(), wsstream.Text("hello")); err != nil {
			t.Fatal(err)
		}
		m, err := d.Server.Readable().Pull(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s\n", m.Data)
	})
	// Output: hello
}

// The ends of the transport make faults. Here the connection is lost.
func ExampleDuo() {
	run(func(t testing.TB) {
		d := wstest.Pair(t, nil)
		d.ServerNet.Cut()
		_, err := d.Client.Readable().Pull(t.Context())
		fmt.Println(wsstream.CloseCode(err))
	})
	// Output: 1006
}

// A handler is tested with a client, and without a network.
func ExampleNewServer() {
	greet := func(w http.ResponseWriter, r *http.Request) {
		conn, err := wsstream.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		_ = conn.Writable().Write(r.Context(), wsstream.Text("hello, "+r.URL.Query().Get("name")))
		_ = conn.Shutdown(r.Context(), wsstream.CloseInfo{Code: 1000})
	}
	run(func(t testing.TB) {
		server := wstest.NewServer(t, http.HandlerFunc(greet))
		conn := server.Dial("/?name=Ann", nil)
		for m, err := range conn.Readable().All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Printf("%s\n", m.Data)
		}
	})
	// Output: hello, Ann
}

// A scripted server tests a client, frame by frame.
func ExamplePeer() {
	run(func(t testing.TB) {
		near, far := memnet.Pipe(0)
		peer := wstest.NewPeer(t, far, wstest.AsServer)
		client := wsstream.Dial(t.Context(), "ws://example.test/", &wsstream.DialOptions{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
		})

		peer.ServeHandshake()
		peer.Send(wstest.Ping("are you there?"))
		peer.Want("the ping is answered", wstest.Pong("are you there?"))
		peer.Send(wstest.Text("hel").Part(), wstest.Cont([]byte("lo"), true))
		peer.Send(wstest.Close(4000, "that was all"))
		peer.WantClose("the Close is answered", 4000)

		m, err := client.Readable().Pull(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s\n", m.Data)
	})
	// Output: hello
}

// Frames print themselves, in the failures of a Peer too.
func ExampleFrame() {
	fmt.Println(wstest.Text("hello"))
	fmt.Println(wstest.Close(1000, "bye"))
	fmt.Println(wstest.Binary([]byte{1, 2, 3}).Part())
	// Output:
	// text "hello"
	// close 1000 "bye"
	// binary (not the last) 3 bytes 010203
}

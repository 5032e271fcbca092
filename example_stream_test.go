package wsstream_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A message of the chat in the examples.
type line struct {
	From string `json:"from"`
	Text string `json:"text"`
}

// serve returns the URL of a server that gives each connection to f and closes it in order, and a function that ends
// the server.
func serve(f func(ctx context.Context, conn *wsstream.Conn) error) (url string, stop func()) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := wsstream.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		if err := f(r.Context(), conn); err != nil {
			log.Print(err)
		}
		conn.Shutdown(r.Context(), wsstream.CloseInfo{Code: 1000})
	}))
	return srv.URL, srv.Close
}

// JSON makes a stream of values of a stream of messages, and the other way round.
func ExampleJSON() {
	url, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		lines := stream.Decode(conn.Readable(), wsstream.JSON[line]())
		answers := stream.Map(lines, func(l line) (line, error) {
			return line{From: "server", Text: l.From + " said " + l.Text}, nil
		})
		return stream.Pipe(ctx, stream.Encode(conn.Writable(), wsstream.JSON[line]()), answers, nil)
	})
	defer stop()

	ctx := context.Background()
	conn := wsstream.Dial(ctx, url, nil)
	defer conn.CloseNow()
	in := stream.Decode(conn.Readable(), wsstream.JSON[line]())
	out := stream.Encode(conn.Writable(), wsstream.JSON[line]())
	for _, text := range []string{"hello", "bye"} {
		if err := out.Write(ctx, line{"ann", text}); err != nil {
			log.Print(err)
		}
	}
	for range 2 {
		l, err := in.Pull(ctx)
		fmt.Println(l.From+":", l.Text, err)
	}
	conn.Shutdown(ctx, wsstream.CloseInfo{Code: 1000})
	// Output:
	// server: ann said hello <nil>
	// server: ann said bye <nil>
}

// A bad message need not end the stream.
func ExampleJSON_skipBad() {
	url, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		messages := stream.From(wsstream.Text(`{"from":"ann","text":"hello"}`), wsstream.Text("hello?"), wsstream.Text(`{"from":"ann","text":"bye"}`))
		return stream.Pipe(ctx, conn.Writable(), messages, nil)
	})
	defer stop()

	ctx := context.Background()
	conn := wsstream.Dial(ctx, url, nil)
	defer conn.CloseNow()
	codec := wsstream.JSON[line]().SkipBad(func(_ wsstream.Message, err error) { fmt.Println("skipped:", err) })
	for l, err := range stream.All(ctx, stream.Decode(conn.Readable(), codec)) {
		fmt.Println(l.From+":", l.Text, err)
	}
	// Output:
	// ann: hello <nil>
	// skipped: wsstream: text message of 6 bytes, "hello?": invalid character 'h' looking for beginning of value
	// ann: bye <nil>
}

// A relay is one line: backpressure, both ends' closing and their failures pass through it.
func ExampleConn_Duplex() {
	backend, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		return stream.Pipe(ctx, conn.Writable(), conn.Readable(), nil) // an echo
	})
	defer stop()
	relay, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		return stream.Join(ctx, conn.Duplex(), wsstream.Dial(ctx, backend, nil).Duplex())
	})
	defer stop()

	if err := shout(context.Background(), relay, "through", "and back"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// through
	// and back
}

// A queue of messages is bounded by their bytes.
func ExampleBytes() {
	q := stream.NewQueueOf(wsstream.Bytes(10))
	for _, text := range []string{"hello", "there, you", "?"} {
		ok, err := q.TryWrite(wsstream.Text(text))
		fmt.Println(ok, err, q.DesiredSize())
	}
	// Output:
	// true <nil> 5
	// true <nil> -5
	// false <nil> -5
}

// A Conn's halves are a source and a sink among others: here a log's lines are sent, and what comes back is printed.
func ExampleConn_Writable_pipe() {
	url, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		return stream.Pipe(ctx, conn.Writable(), conn.Readable(), nil) // an echo
	})
	defer stop()

	ctx := context.Background()
	conn := wsstream.Dial(ctx, url, nil)
	defer conn.CloseNow()
	lines := stream.Lines(stream.FromReader(strings.NewReader("started\nstopped\n"), 0), 80)
	texts := stream.Map(lines, func(s string) (wsstream.Message, error) { return wsstream.Text(s), nil })
	if err := stream.Pipe(ctx, conn.Writable(), texts, &stream.PipeOptions{PreventClose: true}); err != nil {
		log.Print(err)
	}
	for range 2 {
		msg, err := conn.Readable().Pull(ctx)
		fmt.Println(string(msg.Data), err)
	}
	conn.Shutdown(ctx, wsstream.CloseInfo{Code: 1000})
	// Output:
	// started <nil>
	// stopped <nil>
}

// One stream goes to many connections: a prepared message is encoded once for all of them, and a client that is slow
// loses messages, the oldest first, and holds nobody back.
func ExampleMessage_Prepare() {
	room := stream.NewBroadcast[wsstream.Message](nil)
	var here sync.WaitGroup
	here.Add(3)
	url, stop := serve(func(ctx context.Context, conn *wsstream.Conn) error {
		conn.Readable().Discard() // it only writes
		sub := stream.Subscribe(room, wsstream.Bytes(1<<20), stream.DropOldest())
		here.Done()
		return stream.Pipe(ctx, conn.Writable(), sub, nil)
	})
	defer stop()

	ctx := context.Background()
	var clients []*wsstream.Conn
	for range 3 {
		conn := wsstream.Dial(ctx, url, nil)
		defer conn.CloseNow()
		clients = append(clients, conn)
	}
	here.Wait()
	for _, news := range []string{"one", "two"} {
		if err := room.Publish(ctx, wsstream.Text(news).Prepare()); err != nil {
			log.Print(err)
		}
	}
	if err := room.Close(ctx); err != nil {
		log.Print(err)
	}
	for i, conn := range clients {
		for msg, err := range conn.Readable().All(ctx) {
			fmt.Printf("client %d: %s %v\n", i, msg.Data, err)
		}
	}
	// Output:
	// client 0: one <nil>
	// client 0: two <nil>
	// client 1: one <nil>
	// client 1: two <nil>
	// client 2: one <nil>
	// client 2: two <nil>
}

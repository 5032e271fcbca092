package adapters

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/hashicorp/yamux"
)

// Many streams over one connection, each with flow control of its own.
func Example_yamux() {
	config := yamux.DefaultConfig()
	config.LogOutput = io.Discard
	nc, stop := dial(func(nc net.Conn) {
		session, err := yamux.Server(nc, config)
		if err != nil {
			return
		}
		defer session.Close()
		for {
			stream, err := session.Accept()
			if err != nil {
				return // the client has closed the session
			}
			go func() { // the stream's own: it ends when the client closes it
				defer stream.Close()
				_, _ = io.Copy(stream, stream)
			}()
		}
	})
	defer stop()

	session, err := yamux.Client(nc, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	answers := make([]string, 3)
	var streams sync.WaitGroup
	for i := range answers {
		streams.Go(func() { answers[i] = ask(session, strings.Repeat("abc"[i:i+1], 10)) })
	}
	streams.Wait()
	fmt.Println(answers)
	// Output: [aaaaaaaaaa bbbbbbbbbb cccccccccc]
}

// ask sends a text on a stream of its own and returns what comes back.
func ask(session *yamux.Session, text string) string {
	stream, err := session.Open()
	if err != nil {
		return err.Error()
	}
	defer stream.Close()
	if _, err := io.WriteString(stream, text); err != nil {
		return err.Error()
	}
	answer := make([]byte, len(text))
	if _, err := io.ReadFull(stream, answer); err != nil {
		return err.Error()
	}
	return string(answer)
}

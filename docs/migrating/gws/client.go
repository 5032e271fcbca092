package gws

import (
	"context"

	"github.com/lxzan/gws"
)

// answers passes messages to the function that waits for them.
type answers struct {
	gws.BuiltinEventHandler
	texts chan string
	ended chan error // gets the end before texts is closed
}

func newAnswers() answers { return answers{texts: make(chan string), ended: make(chan error, 1)} }

func (a answers) OnMessage(_ *gws.Conn, msg *gws.Message) {
	defer msg.Close()
	a.texts <- msg.Data.String()
}

func (a answers) OnClose(_ *gws.Conn, err error) {
	a.ended <- err
	close(a.texts)
}

// Shout sends each word and collects the answers.
func Shout(ctx context.Context, url string, words ...string) (texts []string, err error) {
	a := newAnswers()
	conn, _, err := gws.NewClient(a, &gws.ClientOption{Addr: url}) // it knows no context
	if err != nil {
		return nil, err
	}
	go conn.ReadLoop()
	stop := context.AfterFunc(ctx, func() { conn.NetConn().Close() })
	defer stop()
	for _, word := range words {
		if err := conn.WriteString(word); err != nil {
			return nil, err
		}
		text, ok := <-a.texts
		if !ok {
			return nil, <-a.ended
		}
		texts = append(texts, text)
	}
	return texts, conn.WriteClose(1000, nil) // also closes the transport; waits for no answer
}

package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

//go:embed page.html
var page []byte

// The limits of the room.
const (
	longestName = 40       // characters
	longestText = 2 << 10  // bytes
	backlog     = 256      // things said that a person may be behind
	window      = 16 << 10 // bytes, each way
)

// A saying is what the room sends to all people.
type saying struct {
	N      int64  `json:"n"` // the first is 1
	From   string `json:"from"`
	Text   string `json:"text"`
	People int    `json:"people"` // in the room
}

// A room gives what one person says to all.
type room struct {
	all    *stream.Broadcast[wsstream.Message]
	accept wsstream.Acceptor

	mu     sync.Mutex // guards all below, and the order of what is said
	n      int64
	people int
}

// errName is the end of a person without a proper name.
var errName = &wsstream.Error{
	CloseInfo: wsstream.CloseInfo{Code: 4000, Reason: "a name has 1 to 40 characters"},
}

// errSlow is the end of a slow person.
var errSlow = &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 4008, Reason: "too slow"}}

func newRoom() *room {
	r := &room{all: stream.NewBroadcast(
		&stream.BroadcastOptions[wsstream.Message]{SlowError: errSlow})}
	r.accept.Options = wsstream.AcceptOptions{
		ReadWindow:     window,
		WriteWindow:    window,
		MaxMessageSize: longestText,
	}
	return r
}

// handler serves the page, and the room behind it.
func (r *room) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	mux.Handle("GET /room", r.accept.Handler(r.join))
	return mux
}

// join lets a person talk and listen. When it returns, the person costs no goroutine: the messages
// come to say.
func (r *room) join(conn *wsstream.Conn, req *http.Request) error {
	name := strings.TrimSpace(req.URL.Query().Get("name"))
	if name == "" || utf8.RuneCountInString(name) > longestName {
		return errName
	}
	r.count(1)
	r.listen(conn)
	return conn.Readable().Handle(
		func(m wsstream.Message) error { return r.say(name, string(m.Data)) },
		func(error) { r.count(-1) },
	)
}

// listen gives all that is said from now on to a person.
func (r *room) listen(conn *wsstream.Conn) {
	heard := stream.Subscribe(r.all, stream.Count(backlog), stream.Disconnect())
	heard.Feed(conn.Context(), conn.Writable(), nil)
}

func (r *room) count(by int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.people += by
}

// say gives a text to all people. It never waits: slow people are sent away. The
// message is encoded once for all.
func (r *room) say(name, text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	b, err := json.Marshal(saying{r.n, name, text, r.people})
	if err != nil {
		return err
	}
	return r.all.Publish(context.Background(), wsstream.Text(string(b)).Prepare())
}

// close sends all people away.
func (r *room) close(ctx context.Context) error {
	_ = r.all.Abort(&wsstream.Error{CloseInfo: goingAway})
	return r.accept.Shutdown(ctx)
}

package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

//go:embed page
var files embed.FS

const (
	chunk       = 16 << 10 // bytes of a message of the flood
	reportEvery = 200 * time.Millisecond
)

// The lanes of a show.
const (
	classic   = "classic" // to the page's WebSocket
	streaming = "stream"  // to the page's WebSocketStream
	goClient  = "go"      // to a client in this program
)

// errShow is the end of a lane of no show, or of no such lane.
var errShow = &wsstream.Error{
	CloseInfo: wsstream.CloseInfo{Code: 4004, Reason: "there is no such show or lane"},
}

// A site serves the page, and a show for each page that is open.
type site struct {
	accept wsstream.Acceptor

	mu    sync.Mutex // guards all below
	shows map[string]*show
	last  int
}

func newSite() *site { return &site{shows: map[string]*show{}} }

func (s *site) handler() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the folder is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(page))
	mux.Handle("GET /show", s.accept.Handler(s.show))
	mux.Handle("GET /flood", s.accept.Handler(s.flood))
	return mux
}

// A show is what one page looks at: three lanes with the same flood.
type show struct {
	id     string
	ended  context.Context // with the page
	lanes  map[string]*lane
	client *speed // of the client in Go
}

// A lane is one way of the flood.
type lane struct {
	producer *speed

	mu     sync.Mutex
	conn   *wsstream.Conn // the server's end; nil before the lane is open
	client *wsstream.Conn // the other end, if it is in this program
}

// A control is what the page's sliders say.
type control struct {
	Producer float64 `json:"producer"` // bytes a second, on each lane
	Client   float64 `json:"client"`   // bytes a second that the client in Go takes
}

// A report is what the page learns of the server.
type report struct {
	ID    string                `json:"id"`
	Lanes map[string]laneReport `json:"lanes"`
}

// A laneReport has bytes.
type laneReport struct {
	Sent     int64 `json:"sent"`     // accepted from the producer
	Held     int64 `json:"held"`     // of those, still in the server's Conn
	Received int64 `json:"received"` // by the client in Go
	Waiting  int64 `json:"waiting"`  // in the Conn of the client in Go
}

func (s *site) open(ctx context.Context) *show {
	sh := &show{ended: ctx, lanes: map[string]*lane{}, client: newSpeed(2 << 20)}
	for _, name := range []string{classic, streaming, goClient} {
		sh.lanes[name] = &lane{producer: newSpeed(16 << 20)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	sh.id = fmt.Sprint(s.last)
	s.shows[sh.id] = sh
	return sh
}

func (s *site) close(sh *show) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.shows, sh.id)
}

func (s *site) lane(show, name string) (*show, *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shows[show]
	if sh == nil {
		return nil, nil
	}
	return sh, sh.lanes[name]
}

// show reports to a page, and obeys its sliders, until the page is gone.
func (s *site) show(conn *wsstream.Conn, r *http.Request) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	sh := s.open(ctx)
	defer s.close(sh)
	addr := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	url := fmt.Sprintf("ws://%s/flood?show=%s&lane=%s", addr, sh.id, goClient)
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	working.Go(func() { sh.consume(ctx, url) })
	working.Go(func() { sh.report(ctx, conn) })
	for c, err := range stream.All(ctx, stream.Decode(conn.Readable(), wsstream.JSON[control]())) {
		if err != nil {
			return err
		}
		sh.client.set(c.Client)
		for _, l := range sh.lanes {
			l.producer.set(c.Producer)
		}
	}
	return nil
}

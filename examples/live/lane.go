package main

import (
	"context"
	"net/http"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// flood sends the flood on a lane until the other end or the show is gone.
func (s *site) flood(conn *wsstream.Conn, r *http.Request) error {
	sh, l := s.lane(r.URL.Query().Get("show"), r.URL.Query().Get("lane"))
	if l == nil {
		return errShow
	}
	l.open(conn)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(sh.ended, cancel)()
	endless := stream.FromSeq(func(yield func(wsstream.Message) bool) {
		for m := wsstream.Binary(make([]byte, chunk)).Prepare(); yield(m); {
		}
	})
	return stream.Pipe(ctx, conn.Writable(), stream.Throttle(endless, l.producer), nil)
}

func (l *lane) open(conn *wsstream.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
}

// consume is the client in Go: it takes the flood at the speed of its slider.
func (sh *show) consume(ctx context.Context, url string) {
	conn := wsstream.Dial(ctx, url, nil)
	defer conn.CloseNow()
	l := sh.lanes[goClient]
	l.mu.Lock()
	l.client = conn
	l.mu.Unlock()
	_ = stream.Pipe(ctx, stream.Discard[wsstream.Message](), // the show has ended, or the server stops
		stream.Throttle(conn.Readable(), sh.client), nil)
}

// report tells the page how the lanes are, until ctx ends or the page is gone.
func (sh *show) report(ctx context.Context, conn *wsstream.Conn) {
	out := stream.Encode(conn.Writable(), wsstream.JSON[report]())
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		r := report{ID: sh.id, Lanes: map[string]laneReport{}}
		for name, l := range sh.lanes {
			r.Lanes[name] = l.report()
		}
		if out.Write(ctx, r) != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *lane) report() (r laneReport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		sent := l.conn.Stats().Sent
		r.Sent, r.Held = sent.Bytes, sent.Held
	}
	if l.client != nil {
		received := l.client.Stats().Received
		r.Received, r.Waiting = received.Bytes, received.Held
	}
	return r
}

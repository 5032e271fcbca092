package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/wsstream/wsstream"
)

// notice shows a control frame later: its caller must not block. If there are too many to show,
// some are not.
func (d *dialer) notice(text string) {
	select {
	case d.notices <- text:
	default:
	}
}

// watch shows control frames and figures until finish is called, which shows the last ones.
func (d *dialer) watch(conn *wsstream.Conn) (finish func()) {
	var tick <-chan time.Time
	if d.stats {
		ticker := time.NewTicker(time.Second)
		tick = ticker.C
	}
	began, last := time.Now(), conn.Stats()
	quit := make(chan struct{}) // closed by finish
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case text := <-d.notices:
				d.note("%s", text)
			case <-tick:
				now := conn.Stats()
				d.figures(rates(now, last) + "; " + roundTrip(conn))
				last = now
			case <-quit:
				return
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
		for len(d.notices) > 0 {
			d.note("%s", <-d.notices)
		}
		if d.control {
			d.note("%s", ending(conn))
		}
		if d.stats {
			d.figures("")
			d.note("%s", totals(conn.Stats(), time.Since(began)))
		}
	}
}

// figures shows a line that replaces the last one on a terminal.
func (d *dialer) figures(text string) {
	_, live := terminal(d.stderr)
	switch {
	case live && d.prompt == nil:
		_, _ = io.WriteString(d.stderr, "\r\x1b[K"+text)
	case text != "":
		d.note("%s", text)
	}
}

// rates describes the second between two figures.
func rates(now, last wsstream.Stats) string {
	flow := func(name string, now, last wsstream.Flow) string {
		return fmt.Sprintf("%s %s/s, held %s, stalled %d %%", name, bytes(now.Bytes-last.Bytes),
			bytes(now.Held), min((now.Stalled-last.Stalled)*100/time.Second, 100))
	}
	return flow("received", now.Received, last.Received) + "; " + flow("sent", now.Sent, last.Sent)
}

// totals describes a whole connection.
func totals(s wsstream.Stats, took time.Duration) string {
	flow := func(name string, f wsstream.Flow) string {
		return fmt.Sprintf("%s %d messages, %s, held at most %s, stalled %v", name, f.Messages,
			bytes(f.Bytes), bytes(f.HeldMax), f.Stalled.Round(time.Millisecond))
	}
	return fmt.Sprintf("%s; %s; in %v", flow("received", s.Received), flow("sent", s.Sent),
		took.Round(time.Millisecond))
}

// roundTrip measures it. While standard output stalls, no pong is read.
func roundTrip(conn *wsstream.Conn) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	took, err := conn.Ping(ctx)
	if err != nil {
		return "no round trip"
	}
	return fmt.Sprint("round trip ", took.Round(10*time.Microsecond))
}

// ending describes how the connection ended.
func ending(conn *wsstream.Conn) string {
	info, err, ended := conn.Closed().Peek()
	switch {
	case !ended:
		return "closed without waiting"
	case err != nil:
		return oneLine(err)
	default:
		return "close " + info.String()
	}
}

func bytes(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

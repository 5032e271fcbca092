package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/examples/internal/console"
)

// cast are the viewers of the demonstration. The archive needs every line, and so may hold back all
// others. The wall reads as fast as it can. The rest read a tenth of the lines.
func cast(lines rate.Limit) []viewer {
	return []viewer{
		{"archive", "block", lines / 2},
		{"wall", "drop-oldest", rate.Inf},
		{"history", "drop-newest", lines / 10},
		{"terminal", "drop-oldest", lines / 10},
		{"dashboard", "latest", lines / 10},
		{"alarm", "disconnect", lines / 10},
	}
}

// A row is what has become of a viewer.
type row struct {
	viewer
	received int64
	dropped  int64
	end      wsstream.CloseInfo
}

// demonstrate concurrently writes a log, serves it and views it, and reports. Until then stderr
// tells how it comes along.
func demonstrate(ctx context.Context, o options, stdout, stderr io.Writer) error {
	dir, err := os.MkdirTemp("", "logtail")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	path := filepath.Join(dir, "app.log")
	f, err := createAndOpen(path)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	viewers := cast(o.rate)
	var mu sync.Mutex
	dropped := map[string]int64{} // guarded by mu
	come := make(chan struct{}, len(viewers))
	s, err := listen(ctx, "127.0.0.1:0", func(v visit) {
		if !v.left {
			come <- struct{}{}
			return
		}
		mu.Lock()
		defer mu.Unlock()
		dropped[v.name] = v.dropped
	})
	if err != nil {
		_ = f.Close()
		return err
	}
	rows := make([]row, len(viewers))
	for i, v := range viewers {
		g.Go(func() (err error) {
			rows[i].viewer = v
			rows[i].received, rows[i].end, err = v.watch(ctx, s.url, func(entry) error { return nil })
			return err
		})
	}
	var written atomic.Int64
	var published int64
	var took time.Duration          // from the log's first line until the last was published
	complete := make(chan struct{}) // closed when the log is
	g.Go(func() error {
		defer close(complete)
		for range viewers {
			select {
			case <-come:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return writeLog(ctx, path, o.rate, o.length, &written)
	})
	g.Go(func() (err error) {
		begin := time.Now()
		published, err = s.broadcast(ctx, items(follow(f, path, complete), o.level))
		took = time.Since(begin)
		return err
	})
	lines := int64(float64(o.rate) * o.length.Seconds())
	_, _ = fmt.Fprintf(stderr, "writing a log of %s lines in %v, for %d viewers\n",
		humanize.Comma(lines), o.length, len(viewers))
	stop := console.Progress(stderr, time.Second, func() console.State {
		n := written.Load()
		return console.State{Done: n, Total: lines, Text: []string{
			humanize.Comma(n) + " written",
			humanize.Comma(s.published.Load()) + " published",
		}}
	})
	err = g.Wait()
	s.close()
	stop()
	if err != nil {
		return err
	}
	for i := range rows {
		rows[i].dropped = dropped[rows[i].name]
	}
	_, err = fmt.Fprintf(stdout, "%s lines written in %v, %s of them published in %v\n\n",
		humanize.Comma(written.Load()), o.length,
		humanize.Comma(published), took.Round(100*time.Millisecond))
	return errors.Join(err, report(stdout, rows), check(rows, published))
}

func report(w io.Writer, rows []row) error {
	table := [][]string{{"viewer", "policy", "speed", "received", "dropped", "end"}}
	for _, r := range rows {
		speed := "max"
		if r.speed != rate.Inf {
			speed = humanize.Ftoa(float64(r.speed)) + "/s"
		}
		end := strings.TrimSpace(fmt.Sprint(r.end.Code, " ", r.end.Reason))
		table = append(table,
			[]string{r.name, r.policy, speed, humanize.Comma(r.received), humanize.Comma(r.dropped), end})
	}
	return console.Table(w, table...)
}

// check checks that each viewer received each published line or counted it as dropped. A viewer
// that was disconnected is an exception.
func check(rows []row, published int64) error {
	for _, r := range rows {
		if r.policy != "disconnect" && r.received+r.dropped != published {
			return fmt.Errorf("of %d lines %s has received %d, and %d were dropped", published, r.name,
				r.received, r.dropped)
		}
	}
	return nil
}

func createAndOpen(path string) (*os.File, error) {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// writeLog writes a log at a speed for some time, and rotates it half-way. It counts the lines as
// it writes them.
func writeLog(
	ctx context.Context, path string, speed rate.Limit, length time.Duration, lines *atomic.Int64,
) error {
	half := func() error {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		return errors.Join(writeLines(ctx, f, speed, length/2, lines), f.Close())
	}
	if err := half(); err != nil {
		return err
	}
	if err := os.Rename(path, path+".1"); err != nil {
		return err
	}
	return half()
}

// writeLines writes lines at an even speed.
func writeLines(
	ctx context.Context, w io.Writer, speed rate.Limit, length time.Duration, lines *atomic.Int64,
) error {
	services := []string{"web", "database", "mail", "search"}
	levels := []slog.Level{slog.LevelInfo, slog.LevelDebug, slog.LevelWarn, slog.LevelInfo,
		slog.LevelError}
	out := &firstError{w: w}
	log := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	n := int64(0)
	for begin := time.Now(); ; {
		took := min(time.Since(begin), length)
		for due := int64(float64(speed) * took.Seconds()); n < due && ctx.Err() == nil; n++ {
			// Lines as long as real ones: what the kernel holds is then not too many of them.
			log.LogAttrs(ctx, levels[n%5], fmt.Sprintf("request %d was answered; trace %0200x", n, n*n),
				slog.String("service", services[n%4]))
			lines.Add(1)
		}
		if took == length || out.err != nil {
			return out.err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// A firstError is a writer that remembers the first error, which a slog.Logger does not tell.
type firstError struct {
	w   io.Writer
	err error
}

func (f *firstError) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.err = cmp.Or(f.err, err)
	return n, err
}

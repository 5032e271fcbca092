package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/browser"
	"github.com/wsstream/wsstream/interop/trial"
)

// browserRows are the APIs of browsers, each in a page or in a Worker.
func browserRows() (all []*trial.Row) {
	for _, b := range []struct {
		browser, api, in string
		start            func(t trial.TB, dir, page string) *trial.Process
		need             *trial.Debian
		core             bool
	}{
		{"Chromium", "WebSocketStream", "page", startChromium, browser.NeedChromium, true},
		{"Chromium", "WebSocketStream", "worker", startChromium, browser.NeedChromium, false},
		{"Chromium", "WebSocket", "page", startChromium, browser.NeedChromium, false},
		{"Chromium", "WebSocket", "worker", startChromium, browser.NeedChromium, false},
		{"Firefox", "WebSocket", "page", browser.Firefox, browser.NeedFirefox, false},
	} {
		name := b.browser + " " + b.api
		if b.in == "worker" {
			name += " in a Worker"
		}
		all = append(all, &trial.Row{
			Name:  name,
			Role:  trial.Client,
			Core:  b.core,
			Needs: []trial.Need{b.need},
			Version: func(ctx context.Context) (string, error) {
				out, err := trial.Output(ctx, b.need.Packages[0], "--version")
				return lastWithDot(out), err
			},
			Run: func(t *trial.T) {
				query := url.Values{"api": {b.api}, "in": {b.in}}
				s := servePage(t, b.start, "/page/?"+query.Encode())
				settings := battery.Settings{EveryClose: true, Waits: b.api == "WebSocketStream"}
				if b.browser == "Chromium" { // Firefox offers no parameter
					settings.Agreed = battery.Ours
				}
				battery.Run(t, &page{s, battery.NewSite(t)}, settings)
			},
		})
	}
	return all
}

// lastWithDot returns the version in what a browser says of itself.
func lastWithDot(s string) (version string) {
	for word := range strings.FieldsSeq(s) {
		if strings.Contains(word, ".") {
			version = word
		}
	}
	return version
}

// A page is a peer in a browser.
type page struct {
	*pageServer
	site *battery.Site
}

func (p *page) Process() *trial.Process { return p.pageServer.Process }

func (p *page) Open(t *trial.T, o battery.Options) *wsstream.Conn {
	p.site.Options <- o
	p.Tell(t, "%s", p.site.URL)
	return p.site.Accepted(t)
}

// A pageServer gives a browser its page, and the page lines, as if they were its standard input. The
// page's events are the process's.
type pageServer struct {
	*trial.Process
	http.ServeMux
	next chan string // closed at the end
}

// servePage starts a browser that shows a page of ours.
func servePage(
	t *trial.T, start func(t trial.TB, dir, page string) *trial.Process, path string,
) *pageServer {
	s := newPageServer()
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	t.Cleanup(func() { close(s.next) })
	s.Process = start(t, t.TempDir(), h.URL+path)
	return s
}

// Tell gives the page a line.
func (s *pageServer) Tell(t trial.TB, format string, args ...any) {
	select {
	case s.next <- fmt.Sprintf(format, args...):
	case <-s.Ended():
		require.Fail(t, "the browser has ended")
	case <-t.Context().Done():
		require.Fail(t, "the page does not ask what to do")
	}
}

func newPageServer() *pageServer {
	s := &pageServer{next: make(chan string)}
	s.Handle("GET /", http.FileServer(http.Dir("peers")))
	s.HandleFunc("GET /next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case u, ok := <-s.next:
			if !ok {
				http.Error(w, "the row has ended", http.StatusGone)
				return
			}
			_, _ = fmt.Fprint(w, u)
		case <-r.Context().Done():
		}
	})
	s.HandleFunc("POST /events", func(w http.ResponseWriter, r *http.Request) {
		var events []trial.Event
		if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, e := range events {
			s.Hear(e)
		}
	})
	return s
}

func startChromium(t trial.TB, dir, page string) *trial.Process {
	return browser.Chromium(t, dir, 0, page)
}

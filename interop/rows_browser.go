package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
)

// nowhere is a proxy that is not there. Browsers ask no proxy for loopback addresses: so they reach
// these and no others.
const nowhere = "127.0.0.1:9"

var (
	chromium = trial.Program("chromium", "chromium")
	firefox  = trial.Program("firefox-esr", "firefox-esr")
)

// browserRows are the APIs of browsers, each in a page or in a Worker.
func browserRows() (all []*trial.Row) {
	for _, b := range []struct {
		browser, api, in string
		start            func(t *trial.T, page string) *trial.Process
		need             *trial.Debian
		core             bool
	}{
		{"Chromium", "WebSocketStream", "page", startChromium, chromium, true},
		{"Chromium", "WebSocketStream", "worker", startChromium, chromium, false},
		{"Chromium", "WebSocket", "page", startChromium, chromium, false},
		{"Chromium", "WebSocket", "worker", startChromium, chromium, false},
		{"Firefox", "WebSocket", "page", startFirefox, firefox, false},
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
				s := newPageServer()
				h := httptest.NewServer(s)
				t.Cleanup(h.Close)
				t.Cleanup(func() { close(s.next) })
				query := url.Values{"api": {b.api}, "in": {b.in}}
				s.process = b.start(t, h.URL+"/page/?"+query.Encode())
				battery.Run(t, &page{s, battery.NewSite(t)}, battery.Settings{EveryClose: true})
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

func (p *page) Process() *trial.Process { return p.process }

func (p *page) Open(t *trial.T, o battery.Options) *wsstream.Conn {
	p.site.Options <- o
	select {
	case p.next <- p.site.URL:
	case <-p.process.Ended():
		require.Fail(t, "the browser has ended")
	case <-t.Context().Done():
		require.Fail(t, "the page does not ask what to dial")
	}
	return p.site.Accepted(t)
}

// A pageServer gives a browser its page, and the page what it is to dial. The page's events are the
// process's.
type pageServer struct {
	http.ServeMux
	process *trial.Process
	next    chan string // closed at the end
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
			fmt.Fprint(w, u)
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
			s.process.Hear(e)
		}
	})
	return s
}

func startChromium(t *trial.T, page string) *trial.Process {
	return t.Start("", nil, "chromium",
		"--headless",
		"--remote-debugging-port=0", // or it shows the page and ends
		"--user-data-dir="+t.TempDir(),
		"--no-sandbox", // it may run as root, and visits only our page
		"--proxy-server="+nowhere,
		"--disable-gpu",
		"--disable-dev-shm-usage",
		"--disable-background-networking",
		"--disable-component-update",
		"--disable-sync",
		"--disable-breakpad",
		"--no-first-run",
		page)
}

func startFirefox(t *trial.T, page string) *trial.Process {
	host, port, _ := strings.Cut(nowhere, ":")
	var prefs strings.Builder
	for name, value := range map[string]any{
		"network.proxy.type":                                          1, // the one below
		"network.proxy.http":                                          host,
		"network.proxy.http_port":                                     json.Number(port),
		"network.proxy.ssl":                                           host,
		"network.proxy.ssl_port":                                      json.Number(port),
		"browser.shell.checkDefaultBrowser":                           false,
		"browser.aboutwelcome.enabled":                                false,
		"browser.startup.homepage_override.mstone":                    "ignore",
		"datareporting.policy.dataSubmissionEnabled":                  false,
		"toolkit.telemetry.reportingpolicy.firstRun":                  false,
		"network.captive-portal-service.enabled":                      false,
		"network.connectivity-service.enabled":                        false,
		"browser.tabs.remote.autostart":                               true,
		"browser.sessionstore.resume_from_crash":                      false,
		"datareporting.policy.dataSubmissionPolicyBypassNotification": true,
	} {
		v, err := json.Marshal(value)
		require.NoError(t, err)
		fmt.Fprintf(&prefs, "user_pref(%q, %s);\n", name, v)
	}
	require.NoError(t, os.WriteFile(filepath.Join(t.TempDir(), "user.js"), []byte(prefs.String()), 0o600))
	env := []string{"HOME=" + t.TempDir(), "MOZ_CRASHREPORTER_DISABLE=1"}
	return t.Start("", env, "firefox-esr", "--headless", "--no-remote", "--profile", t.TempDir(), page)
}

//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/trial"
)

// documented returns the configuration of nginx that docs/proxies.md shows.
func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/proxies.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindAllSubmatch(page, -1)
	require.Len(t, block, 1)
	return string(block[0][1])
}

// without returns a configuration without the lines that hold s, of which there is one.
func without(t *testing.T, config, s string) string { return with(t, config, s, "") }

// with returns a configuration in which line stands in the place of the one that holds s.
func with(t *testing.T, config, s, line string) string {
	t.Helper()
	at := regexp.MustCompile(`(?m)^.*` + regexp.QuoteMeta(s) + `.*$`)
	require.Len(t, at.FindAllString(config, -1), 1)
	return at.ReplaceAllLiteralString(config, line)
}

// proxied starts nginx with config in front of the site, and returns the site as it is seen through
// nginx. The end of the test stops it.
func proxied(t *testing.T, s *site, config string) *site {
	t.Helper()
	dir, addr := configured(t, s.URL, config)
	runNginx(t, dir, addr)
	return &site{"http://" + addr, s.conns, s.refused}
}

// configured writes an nginx.conf for a proxy in front of url. It returns the folder of that, and
// the address at which nginx will listen.
func configured(t *testing.T, url, config string) (dir, addr string) {
	t.Helper()
	const backend = "http://127.0.0.1:8080"
	require.Equal(t, 1, strings.Count(config, backend))
	inHTTP, inServer, ok := strings.Cut(strings.Replace(config, backend, url, 1), "location")
	require.True(t, ok)

	addr = fmt.Sprintf("127.0.0.1:%d", trial.FreePort(t))

	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), fmt.Appendf(nil, `
		daemon off;
		master_process off;
		pid nginx.pid;
		error_log stderr error;
		events {}
		http {
			access_log off;
			client_body_temp_path body;
			proxy_temp_path proxy;
			fastcgi_temp_path fastcgi;
			uwsgi_temp_path uwsgi;
			scgi_temp_path scgi;
			%s
			server {
				listen %s;
				location %s
			}
		}`, inHTTP, addr, inServer), 0o600))
	return dir, addr
}

// runNginx starts nginx with the nginx.conf in dir, and waits until it listens at addr. It returns
// the function that stops it.
func runNginx(t *testing.T, dir, addr string) (stop func()) {
	t.Helper()
	p := trial.Start(t, dir, nil, "nginx", "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	p.Listens(patiently{t}, addr)
	return func() {
		p.Signal(syscall.SIGTERM)
		select {
		case <-p.Ended():
		case <-patient(t).Done():
			require.Fail(t, "nginx does not end")
		}
	}
}

func dial(t *testing.T, s *site, o *wsstream.DialOptions) *wsstream.Conn {
	conn := wsstream.Dial(patient(t), s.ws(), o)
	t.Cleanup(conn.CloseNow)
	return conn
}

// fromItsPage is the header that a page of the site's sends.
func fromItsPage(s *site) *wsstream.DialOptions {
	return &wsstream.DialOptions{Header: http.Header{"Origin": {s.URL}}}
}

func TestThroughNginxAsDocumentedAPageOfTheSiteIsOfItsOrigin(t *testing.T) {
	s := proxied(t, serve(t, nil), documented(t))
	p := open(t, s.page())
	p.run(t, `self.wss = new WebSocketStream(url);
		const { readable, writable } = await wss.opened;
		writable.getWriter().write('hello');
		self.reader = readable.getReader();`)
	conn := s.accepted(t)
	require.Equal(t, s.ws(), conn.URL(), "the Host is the client's")
	require.Equal(t, "hello", string(pull(t, conn).Data))
	require.NoError(t, conn.Shutdown(patient(t), wsstream.CloseInfo{Code: 1001, Reason: "bye"}))
	require.Equal(t, ended{Code: 1001, Reason: "bye", Clean: true},
		eval[ended](t, p, `return await end(wss.closed)`))
}

func TestHostWithNginxsPortIsTheSameHost(t *testing.T) {
	s := proxied(t, serve(t, nil),
		with(t, documented(t), "$http_host", "proxy_set_header Host $host:$server_port;"))
	_, err := dial(t, s, fromItsPage(s)).Opened().Wait(patient(t))
	require.NoError(t, err)
	s.accepted(t)
}

// What goes wrong without one of nginx's lines is what the page's table of symptoms says.
func TestNginxWithoutOneOfTheDocumentedLinesShowsTheDocumentedSymptom(t *testing.T) {
	page, err := os.ReadFile("../docs/proxies.md")
	require.NoError(t, err)
	for _, c := range []struct {
		without string
		status  int
		says    string
		symptom string // as the page has it
	}{
		{"Upgrade $http_upgrade", http.StatusUpgradeRequired, `Upgrade is "", not websocket`,
			"status 426, `Upgrade is \"\", not websocket`"},
		{"Connection $connection_upgrade", http.StatusUpgradeRequired,
			`Connection is "close", not Upgrade`, "`Connection is \"close\", not Upgrade`"},
		{"proxy_http_version", http.StatusHTTPVersionNotSupported,
			"WebSocket is served over HTTP/1.1 only", "status 505, `WebSocket is served over HTTP/1.1 only`"},
		{"Host $http_host", http.StatusForbidden, "is not the host",
			"status 403, `the origin … is not the host …`"},
	} {
		t.Run(c.without, func(t *testing.T) {
			require.Contains(t, string(page), c.symptom)
			s := proxied(t, serve(t, nil), without(t, documented(t), c.without))
			_, err := dial(t, s, fromItsPage(s)).Opened().Wait(patient(t))
			refused, ok := errors.AsType[*wsstream.HandshakeError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.status, refused.Status)
			require.Contains(t, string(refused.Body), c.says)
			require.ErrorContains(t, s.refusal(t), c.says)
		})
	}
}

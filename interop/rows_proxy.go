package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
)

// A proxy is a program between a client and a server of ours, which runs with a configuration of
// docs/proxies.md.
type proxy struct {
	name     string
	needs    []trial.Need
	version  func(ctx context.Context) (string, error)
	language string // of its block in docs/proxies.md
	block    int    // which of the blocks in that language
	core     bool
	pitfalls []string
	known    map[string]string

	// start starts it with the configuration in dir.
	start func(t *trial.T, dir, config string, at address) *trial.Process

	// short replaces a line of the configuration: then a second of silence is too long.
	line, short string

	// reload lets it read its configuration again. A connection must live on.
	reload func(t *trial.T, p *trial.Process, dir string)

	command bool // it relays the standard streams of a command, too

	secure bool // the client speaks TLS with it, and it offers HTTP/2
}

// An address is where a proxy listens.
type address struct {
	host  string // with the port
	admin string // another one, for its administration
	cert  string // files for TLS
	key   string
}

var (
	nginxNeed  = trial.Program("nginx", "nginx-light")
	apacheNeed = trial.Program("apache2", "apache2")
	caddyNeed  = &trial.GoProgram{Package: peersModule + "caddy", Module: "peers/caddy"}
	ourNeed    = &trial.GoProgram{Package: "../cmd/wsstream"}
	frontNeed  = &trial.GoProgram{Package: "./peers/reverseproxy"}

	// The Go module proxy does not have all that later releases require.
	traefikNeed = &trial.GoProgram{
		Package: "github.com/traefik/traefik/v3/cmd/traefik", Module: "peers/traefik",
	}
)

// peersModule begins the paths of the peers that are modules of their own.
const peersModule = "github.com/wsstream/wsstream/interop/peers/"

func nginxVersion(ctx context.Context) (string, error) { return trial.Output(ctx, "nginx", "-v") }

func apacheVersion(ctx context.Context) (string, error) {
	return trial.Output(ctx, "apache2", "-v")
}

func traefikVersion(ctx context.Context) (string, error) {
	return trial.Output(ctx, "env", "GOWORK=off", "go", "-C", traefikNeed.Module,
		"list", "-m", "github.com/traefik/traefik/v3")
}

// proxyRows are the proxies, each with the configuration that docs/proxies.md shows.
func proxyRows() (all []*trial.Row) {
	for _, p := range []*proxy{
		{
			name: "nginx", needs: []trial.Need{nginxNeed}, version: nginxVersion,
			language: "nginx", core: true, start: startNginx, reload: signalled(syscall.SIGHUP),
			line: "proxy_read_timeout 1h", short: "proxy_read_timeout 1s",
			pitfalls: []string{"A reload leaves its old process running until its connections have ended."},
		},
		{
			name: "nginx with TLS and HTTP/2", needs: []trial.Need{nginxNeed}, version: nginxVersion,
			language: "nginx", start: startNginx, secure: true,
			pitfalls: []string{"`Dial` offers HTTP/1.1 alone, so the proxy does not choose HTTP/2."},
		},
		{
			name: "HAProxy", needs: []trial.Need{trial.Program("haproxy", "haproxy")},
			version:  func(ctx context.Context) (string, error) { return trial.Output(ctx, "haproxy", "-v") },
			language: "haproxy", start: startHAProxy, reload: signalled(syscall.SIGUSR2),
			line: "timeout tunnel 1h", short: "timeout tunnel 1s",
		},
		{
			name: "Apache httpd, upgrade=websocket", needs: []trial.Need{apacheNeed},
			version: apacheVersion, language: "apache", start: startApache,
			line: "ProxyTimeout 3600", short: "Timeout 1\nProxyTimeout 1", reload: signalled(syscall.SIGUSR1),
		},
		{
			name: "Apache httpd, mod_proxy_wstunnel", needs: []trial.Need{apacheNeed},
			version: apacheVersion, language: "apache", block: 1, start: startApache,
			line: "ProxyTimeout 3600", short: "Timeout 1\nProxyTimeout 1", reload: signalled(syscall.SIGUSR1),
		},
		{
			name: "Caddy", needs: []trial.Need{caddyNeed, ourNeed},
			version: func(ctx context.Context) (string, error) {
				return trial.Output(ctx, caddyNeed.Path(), "version")
			},
			language: "caddy", start: startCaddy, reload: reloadCaddy,
			line: "stream_close_delay 1h", short: "stream_timeout 1s", command: true,
		},
		{
			name: "httputil.ReverseProxy", needs: []trial.Need{frontNeed},
			version: func(ctx context.Context) (string, error) { return trial.Output(ctx, "go", "version") },
			start:   startReverseProxy,
		},
		{
			name: "traefik", needs: []trial.Need{traefikNeed}, version: traefikVersion,
			language: "yaml", start: startTraefik, reload: reloadTraefik,
			pitfalls: []string{
				"It listens before it has read its routes. Until then it answers 404.",
				"Its `respondingTimeouts`, here 1 s, do not end a connection.",
			},
		},
	} {
		all = append(all, &trial.Row{
			Name: p.name, Role: trial.Proxy, Needs: p.needs, Version: p.version, Core: p.core,
			Pitfalls: p.pitfalls, Known: p.known, Run: p.run,
		})
	}
	return all
}

// documented returns the configuration that docs/proxies.md shows.
func (p *proxy) documented(t *trial.T) string {
	if p.language == "" {
		return ""
	}
	page, err := os.ReadFile("../docs/proxies.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```"+p.language+"\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(blocks), p.block)
	return blocks[p.block][1]
}

// front starts the proxy in front of a new site. change replaces a part of the configuration.
func (p *proxy) front(t *trial.T, old, change string) (*battery.Front, *trial.Process, string) {
	site := battery.NewSite(t)
	f, process, dir := p.before(t, battery.Addr(t, site.URL), old, change)
	f.Site = site
	return f, process, dir
}

// before starts the proxy in front of an address.
func (p *proxy) before(t *trial.T, addr, old, change string) (*battery.Front, *trial.Process, string) {
	dir, err := os.MkdirTemp(t.TempDir(), "proxy")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755)) // its workers may be another user
	at := address{
		host:  fmt.Sprintf("127.0.0.1:%d", t.FreePort()),
		admin: fmt.Sprintf("127.0.0.1:%d", t.FreePort()),
	}
	f := &battery.Front{URL: "ws://" + at.host + "/feed"}
	if p.secure {
		at.cert, at.key, f.TLS = certificate(t, dir)
		f.URL = "wss://" + at.host + "/feed"
	}
	config := p.documented(t)
	if old != "" {
		require.Equal(t, 1, strings.Count(config, old), "%q", old)
		config = strings.Replace(config, old, change, 1)
	}
	config = strings.NewReplacer(
		"127.0.0.1:8080", addr,
		"127.0.0.1:8000", at.host,
	).Replace(config)
	if config == "" {
		config = "http://" + addr
	}
	process := p.start(t, dir, config, at)
	process.Listens(t, at.host)
	f.Kill = process.Kill
	return f, process, dir
}

func (p *proxy) run(t *trial.T) {
	if p.short != "" {
		t.Check("a timeout that is too short cuts a silent connection", func(t *trial.T) {
			f, _, _ := p.front(t, p.line, p.short)
			client, _ := f.Open(t, battery.Options{})
			require.Equal(t, 1006, wsstream.CloseCode(battery.Quiet(t, client, 20*time.Second)))
		})
		t.Check("silence as documented", func(t *trial.T) {
			f, _, _ := p.front(t, "", "")
			client, _ := f.Open(t, battery.Options{})
			require.NoError(t, battery.Quiet(t, client, 3*time.Second))
		})
	}
	if p.reload != nil {
		t.Check("a reload keeps connections", func(t *trial.T) {
			f, process, dir := p.front(t, "", "")
			client, server := f.Open(t, battery.Options{})
			p.reload(t, process, dir)
			require.NoError(t, battery.Quiet(t, client, 2*time.Second))
			require.NoError(t, client.Writable().Write(t.Context(), wsstream.Text("still here")))
			m, err := server.Readable().Pull(t.Context())
			require.NoError(t, err)
			require.Equal(t, "still here", string(m.Data))
		})
	}
	if p.command {
		p.runCommand(t)
	}
	f, _, _ := p.front(t, "", "")
	battery.Through(t, f)
}

func signalled(s syscall.Signal) func(*trial.T, *trial.Process, string) {
	return func(_ *trial.T, p *trial.Process, _ string) { p.Signal(s) }
}

func write(t *trial.T, dir, name, format string, args ...any) string {
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o644))
	return path
}

func startNginx(t *trial.T, dir, config string, at address) *trial.Process {
	inHTTP, inServer, ok := strings.Cut(config, "location")
	require.True(t, ok)
	listen := at.host + ";"
	if at.cert != "" {
		listen = fmt.Sprintf("%s ssl http2; ssl_certificate %s; ssl_certificate_key %s;",
			at.host, at.cert, at.key)
	}
	write(t, dir, "nginx.conf", `
		daemon off;
		worker_processes 1;
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
				listen %s
				location %s
			}
		}`, inHTTP, listen, inServer)
	return t.Start(dir, nil, "nginx", "-p", dir, "-c", "nginx.conf", "-e", "stderr")
}

func startHAProxy(t *trial.T, dir, config string, _ address) *trial.Process {
	return t.Start(dir, nil, "haproxy", "-W", "-f", write(t, dir, "haproxy.cfg", "%s", config))
}

func startApache(t *trial.T, dir, config string, at address) *trial.Process {
	var modules strings.Builder
	for _, m := range []string{"mpm_event", "authz_core", "proxy", "proxy_http", "proxy_wstunnel"} {
		_, _ = fmt.Fprintf(&modules, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	path := write(t, dir, "apache.conf", `%s
ServerName 127.0.0.1
ServerRoot %s
DefaultRuntimeDir %s
PidFile %s/pid
Listen %s
ErrorLog /dev/stderr
User www-data
Group www-data
%s`, modules.String(), dir, dir, dir, at.host, config)
	return t.Start(dir, nil, "apache2", "-D", "FOREGROUND", "-f", path)
}

func startCaddy(t *trial.T, dir, config string, at address) *trial.Process {
	path := write(t, dir, "Caddyfile", "{\nadmin %s\nauto_https off\n}\n%s", at.admin, config)
	env := []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "ADMIN=" + at.admin}
	write(t, dir, "admin", "%s", at.admin)
	return t.Start(dir, env, caddyNeed.Path(), "run", "--config", path)
}

func reloadCaddy(t *trial.T, _ *trial.Process, dir string) {
	admin, err := os.ReadFile(filepath.Join(dir, "admin"))
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), caddyNeed.Path(), "reload", "--force",
		"--config", filepath.Join(dir, "Caddyfile"), "--address", string(admin))
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	require.NoError(t, cmd.Run())
}

func startReverseProxy(t *trial.T, dir, config string, at address) *trial.Process {
	return t.Start(dir, nil, frontNeed.Path(), at.host, config)
}

// startTraefik has the routes in a file. Its timeouts are shorter than the silence of the checks.
// The global settings keep it from talking to its makers.
func startTraefik(t *trial.T, dir, config string, at address) *trial.Process {
	write(t, dir, "traefik.yaml", `
entryPoints: {web: {address: %q, transport: {respondingTimeouts: {
  readTimeout: 1s, writeTimeout: 1s, idleTimeout: 1s}}}}
providers: {file: {filename: %q}}
global: {checkNewVersion: false, sendAnonymousUsage: false}
log: {level: WARN}
`, at.host, write(t, dir, "routes.yaml", "%s", config))
	write(t, dir, "host", "%s", at.host)
	p := t.Start(dir, []string{"HOME=" + dir}, traefikNeed.Path(), "--configfile=traefik.yaml")
	p.Listens(t, at.host)
	routed(t, at.host, "/feed")
	return p
}

// reloadTraefik adds a route to the file that traefik watches.
func reloadTraefik(t *trial.T, _ *trial.Process, dir string) {
	path := filepath.Join(dir, "routes.yaml")
	routes, err := os.ReadFile(path)
	require.NoError(t, err)
	const feed, reloaded = "PathPrefix(`/feed`)", "PathPrefix(`/feed`) || Path(`/reloaded`)"
	require.Contains(t, string(routes), feed)
	write(t, dir, "routes.yaml", "%s", strings.Replace(string(routes), feed, reloaded, 1))
	host, err := os.ReadFile(filepath.Join(dir, "host"))
	require.NoError(t, err)
	routed(t, string(host), "/reloaded")
}

// routed waits until a proxy has a route for a path.
func routed(t *trial.T, host, path string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for status(t, "http://"+host+path) == http.StatusNotFound {
		trial.Take(t, tick.C, "there is no route for "+path)
	}
}

// status returns the status of the answer to a request.
func status(t *trial.T, url string) int {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}

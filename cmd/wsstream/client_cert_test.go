package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// certified returns a folder with a certificate, and the flags of a client that shows it.
func certified(t *testing.T) (folder string, flags []string) {
	folder = t.TempDir()
	certificate(t, folder)
	return folder, []string{"--client-cert", folder + "/cert.pem", "--client-key", folder + "/key.pem"}
}

func TestAClientCARefusesClientsWithoutItsCertificate(t *testing.T) {
	folder, known := certified(t)
	_, unknown := certified(t)
	server, url := listens(t, "serve", "--cert", folder+"/cert.pem", "--key", folder+"/key.pem",
		"--client-ca", folder+"/cert.pem", "--", "cat")
	for name, tc := range map[string]struct {
		flags   []string
		message string // of a refusal
	}{
		"its certificate": {known, ""},
		"none":            {nil, "certificate required"},
		// The client shows it even though the server names another authority.
		"another": {unknown, "unknown certificate authority"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, append([]string{"dial", "--insecure", "--count", "1", url}, tc.flags...)...)
			p.send("hello\n")
			if tc.message == "" {
				p.wantLine("hello")
				p.wantEnd(0)
				return
			}
			_, stderr := p.wantEnd(3)
			require.Regexp(t, `^wsstream: [^\n]+\n$`, stderr)
			require.Contains(t, stderr, tc.message)
			require.Regexp(t, `^wsstream: `, server.wantError("TLS handshake error"), "as all its errors")
		})
	}
}

func TestRelayAndBenchShowTheClientCertificate(t *testing.T) {
	folder, flags := certified(t)
	shown := make(chan *x509.Certificate, 1)
	s := httptest.NewUnstartedServer(accept(t, nil,
		func(conn *wsstream.Conn, r *http.Request) error {
			shown <- r.TLS.PeerCertificates[0]
			return echo(conn, r)
		}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	target := "wss://" + s.Listener.Addr().String()
	flags = append(flags, "--insecure")
	relayed := append([]string{"--cert", folder + "/cert.pem", "--key", folder + "/key.pem",
		"--client-ca", folder + "/cert.pem", "wss://127.0.0.1:0", target}, flags...)
	_, url := relays(t, relayed...)
	load := []string{"bench", "--connections", "1", "--duration", "50ms"}
	start(t, append(append(load, url), flags...)...).wantEnd(0)
	start(t, append(load, "--insecure", url)...).wantEnd(3) // the relay demands one, too
	require.Equal(t, []string{"localhost"}, (<-shown).DNSNames)
	require.Empty(t, shown)
}

func TestBadCertificateFlagsAreReported(t *testing.T) {
	folder, flags := certified(t)
	other, _ := certified(t)
	cert, key := folder+"/cert.pem", folder+"/key.pem"
	serves := func(flags ...string) []string {
		return append(append([]string{"serve"}, flags...), "--", "cat")
	}
	for name, tc := range map[string]struct {
		args    []string
		status  int
		message string
	}{
		"no key": {[]string{"dial", "--client-cert", cert, "wss://a"}, 2,
			"--client-cert needs --client-key"},
		"no certificate": {[]string{"bench", "--client-key", key, "wss://a"}, 2,
			"--client-key needs --client-cert"},
		"no such file": {[]string{"dial", "--client-cert", "no/such", "--client-key", key, "wss://a"}, 1,
			"no/such"},
		"the key of another": {[]string{"dial", "--client-cert", cert, "--client-key",
			other + "/key.pem", "wss://a"}, 1, "does not match"},
		"no TLS": {append([]string{"dial", "ws://a"}, flags...), 2,
			"--client-cert needs a URL of wss, not ws://a"},
		"a socket as target": {append([]string{"relay", "tcp:a:1", "tcp:b:1"}, flags...), 2,
			"--client-cert needs a URL of wss, not tcp:b:1"},
		"an authority without TLS": {serves("--client-ca", cert), 2, "--client-ca needs --cert"},
		"no authority": {serves("--cert", cert, "--key", key, "--client-ca", "no/such"), 1,
			"--client-ca: open no/such"},
		"a key as authority": {serves("--cert", cert, "--key", key, "--client-ca", key), 1,
			"--client-ca: no certificate in"},
		"an authority of a socket": {[]string{"relay", "tcp:a:1", "tcp:b:1", "--client-ca", cert}, 2,
			"a LISTEN of wss"},
	} {
		t.Run(name, func(t *testing.T) {
			_, stderr := start(t, tc.args...).wantEnd(tc.status)
			require.Regexp(t, `^wsstream: [^\n]+\n$`, stderr)
			require.Contains(t, stderr, tc.message)
		})
	}
}

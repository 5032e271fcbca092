package wsstream_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

func TestOriginPatterns(t *testing.T) {
	for _, tc := range []struct {
		origin, host string
		patterns     []string
		in           bool
	}{
		{"https://example.org", "example.org", nil, true},
		{"http://example.org", "example.org", nil, true},
		{"https://EXAMPLE.org", "example.ORG", nil, true},
		{"http://localhost:8080", "localhost:8080", nil, true},
		{"http://[::1]:8080", "[::1]:8080", nil, true},
		{"http://localhost:8081", "localhost:8080", nil, false},
		{"https://www.example.org", "example.org", nil, false},
		{"https://example.org.evil.test", "example.org", nil, false},
		{"https://evil.test/example.org", "example.org", nil, false},
		{"https://evil.test", "example.org", nil, false},
		{"null", "example.org", nil, false},
		{"example.org", "example.org", nil, false},
		{"%zz", "example.org", nil, false},
		{"https://app.test", "example.org", []string{"app.test"}, true},
		{"https://APP.test", "example.org", []string{"App.Test"}, true},
		{"https://example.org", "example.org", []string{"app.test"}, true},
		{"https://app.test:444", "example.org", []string{"app.test"}, false},
		{"https://app.test:444", "example.org", []string{"app.test:*"}, true},
		{"https://app.test", "example.org", []string{"app.test:*"}, false},
		{"https://a.app.test", "example.org", []string{"app.test"}, false},
		{"https://a.app.test", "example.org", []string{"*.app.test"}, true},
		{"https://a.b.app.test", "example.org", []string{"*.app.test"}, true},
		{"https://app.test", "example.org", []string{"*.app.test"}, false},
		{"https://evilapp.test", "example.org", []string{"*.app.test"}, false},
		{"https://app.test.evil.test", "example.org", []string{"*.app.test"}, false},
		{"https://evil.test/.app.test", "example.org", []string{"*.app.test"}, false},
		{"https://app.test", "example.org", []string{"https://app.test"}, true},
		{"http://app.test", "example.org", []string{"https://app.test"}, false},
		{"https://a.app.test", "example.org", []string{"https://*.app.test"}, true},
		{"https://evil.test/a.app.test", "example.org", []string{"https://*.app.test"}, false},
		{"https://b.test", "example.org", []string{"a.test", "b.test"}, true},
		{"https://c.test", "example.org", []string{"a.test", "b.test"}, false},
		{"https://a1.test", "example.org", []string{"a[0-9].test"}, true},
		{"null", "example.org", []string{"null"}, true},
		{"null", "example.org", []string{"*"}, true},
		{"https://evil.test", "example.org", []string{"*"}, true},
		{"chrome-extension://abc", "example.org", []string{"chrome-extension://*"}, true},
		{"chrome-extension://abc", "example.org", nil, false},
		{"https://example.org", "example.org:443", nil, true}, // as proxies write it
		{"http://example.org", "example.org:80", nil, true},
		{"https://example.org", "example.org:80", nil, false},
		{"https://example.org", "example.org:8443", nil, false},
		{"https://example.org:443", "example.org:443", nil, true},
		{"https://example.org:8443", "example.org", nil, false},
		{"https://app.test@evil.test", "example.org", []string{"https://app.test*"}, false},
		{"https://app.test@evil.test", "app.test", nil, false},
		{"http://[::1]:3000", "example.org", []string{"[::1]:3000"}, true},
		{"http://[::1]:3001", "example.org", []string{"[::1]:3000"}, false},
		{"http://[::1]:80", "example.org", []string{"[::1]:*"}, true},
		{"http://[::1]:3000", "example.org", []string{"[::1]:*"}, true},
		{"http://1:80", "example.org", []string{"[::1]:*"}, false},
		{"http://::80", "example.org", []string{"[::1]:*"}, false},
		{"https://[::1]", "example.org", []string{"https://[::1]"}, true},
		{"https://[::1]", "example.org", []string{"https://[::1]:443"}, true},
		{"https://[::1]:8443", "example.org", []string{"https://[::1]"}, false},
		{"https://[2001:db8::1]", "example.org", []string{"[2001:DB8:0:0::1]"}, true},
		{"https://[2001:db8::5]", "example.org", []string{"[2001:db8::*]"}, true},
		{"https://[2001:db9::5]", "example.org", []string{"[2001:db8::*]"}, false},
		{"http://[::ffff:102:304]", "example.org", []string{"[::ffff:102:304]"}, true},
		{"https://a.test", "example.org", []string{"[ab].test"}, true},
		{"https://c.test", "example.org", []string{"[ab].test"}, false},
		{"https://example.com", "example.org", []string{"https://example.com:443"}, true},
		{"https://example.com:443", "example.org", []string{"https://example.com:443"}, true},
		{"https://example.com:8443", "example.org", []string{"https://example.com:443"}, false},
		{"http://example.com", "example.org", []string{"https://example.com:443"}, false},
		{"http://example.com", "example.org", []string{"http://example.com:80"}, true},
		{"https://example.com", "example.org", []string{"http://example.com:80"}, false},
		{"https://example.com", "example.org", []string{"example.com:443"}, true},
		{"http://example.com", "example.org", []string{"example.com:443"}, false},
		{"http://example.com:443", "example.org", []string{"example.com:443"}, true},
		{"https://a.example.com", "example.org", []string{"https://*.example.com:443"}, true},
		{"capacitor://localhost", "example.org", []string{"capacitor://localhost"}, true},
		{"capacitor://localhost", "example.org", []string{"localhost:80"}, false},
		{"file://", "example.org", []string{"file://"}, true},
		{"file://", "example.org", nil, false},
	} {
		t.Run(tc.origin+" at "+tc.host, func(t *testing.T) {
			onEveryService(t, &wsstream.AcceptOptions{Origins: tc.patterns}, func(t *testing.T, s service) {
				res, err := s.ask(t, wstest.UpgradeRequest("/", "Host: "+tc.host, "Origin: "+tc.origin))
				if tc.in {
					require.NoError(t, err)
					require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
					return
				}
				wantRefusal(t, res, err, http.StatusForbidden, "the origin")
			})
		})
	}
}

func TestOriginMayBeMissing(t *testing.T) {
	onEveryService(t, nil, func(t *testing.T, s service) {
		res, err := s.ask(t, wstest.UpgradeRequest("/"))
		require.NoError(t, err)
		require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	})
}

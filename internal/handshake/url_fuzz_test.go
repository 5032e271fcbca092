package handshake

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// secret stands for a password in URLs of fuzz targets.
const secret = "zq7secret"

// plainHost is a host in ASCII. The zone of an address may name an interface with other characters.
var plainHost = regexp.MustCompile(`(?s)^(\[[0-9a-fA-F:.]+(%[^][]+)?\]|[!-?A-~]+)(:[0-9]*)?$`)

// FuzzURL compares ParseURL with net/url. What it returns is in ASCII and reads the same again.
func FuzzURL(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		u, user, err := ParseURL(s)
		want, wantErr := url.Parse(s)
		if wantErr != nil {
			require.Error(t, err)
		}
		if err != nil {
			require.Nil(t, u)
			return
		}
		require.Equal(t, want.User, user)
		require.Nil(t, u.User)
		require.Equal(t, want.EscapedPath(), u.EscapedPath())
		require.Contains(t, []string{"ws", "wss"}, u.Scheme)
		require.Equal(t, want.Scheme == "wss" || want.Scheme == "https", u.Scheme == "wss")
		require.NotContains(t, s, "#")
		require.Regexp(t, plainHost, u.Host)
		require.Regexp(t, `^[!-~]*$`, u.RequestURI())
		require.False(t, strings.ContainsAny(u.RawQuery, `"#<>'`))
		if query, err := url.QueryUnescape(want.RawQuery); err == nil {
			escaped, err := url.QueryUnescape(u.RawQuery)
			require.NoError(t, err)
			require.Equal(t, query, escaped)
		}
		require.Equal(t, want.Port(), u.Port())
		host, port, err := net.SplitHostPort(hostPort(u))
		require.NoError(t, err)
		require.Equal(t, u.Hostname(), host)
		require.NotEmpty(t, port)

		if strings.Contains(u.Host, "%") {
			return // net/url does not read every zone that it writes
		}
		again, user, err := ParseURL(u.String())
		require.NoError(t, err)
		require.Nil(t, user)
		require.Equal(t, u.String(), again.String())
		require.Equal(t, u.Host, again.Host)
		require.Equal(t, u.RequestURI(), again.RequestURI())
		own, err := CheckHost(u.Host)
		require.NoError(t, err)
		require.Equal(t, u.Host, own)
	})
}

// ats are the forms of an @ before which a password may stand.
var ats = []string{"@", "%40", "\uff20", "\ufe6b", "%EF%BC%A0", "%ef%b9%ab"}

// FuzzCredentials makes URLs with a password before an @, well formed or not. No error shows it.
func FuzzCredentials(f *testing.F) {
	f.Fuzz(func(t *testing.T, before, between, after string, at uint) {
		s := before + secret + between + ats[at%uint(len(ats))] + after
		require.NotContains(t, Redact(s), secret)
		if _, user, err := ParseURL(s); err != nil {
			require.NotContains(t, err.Error(), secret)
			require.Nil(t, user)
		}
		u, err := url.Parse(s)
		if known, _, _ := strings.Cut(s, "#"); strings.Contains(Redact(known), secret) {
			return // net/url quotes no fragment: an @ in the password seems to end it
		}
		if err == nil {
			shown := *u
			shown.User = nil
			require.NotContains(t, Redact(shown.String()), secret)
			err = fmt.Errorf("no proxy %s", u)
		}
		for _, err := range []error{
			err,
			fmt.Errorf("invalid proxy address %q: %w", s, err), // as net/http words it
			fmt.Errorf("parse %q: %w", s, err),
		} {
			clean := withoutCredentials(err)
			require.NotContains(t, clean.Error(), secret)
			if e, ok := errors.AsType[*url.Error](clean); ok {
				require.NotContains(t, e.Error(), secret)
			}
		}
	})
}

// FuzzOrigin compares the check of an origin with a naive one.
func FuzzOrigin(f *testing.F) {
	f.Fuzz(func(t *testing.T, origin, host, pattern string) {
		r := &http.Request{Host: host, Header: http.Header{"Origin": {origin}}}
		same := origin == "" || naiveOrigin(origin, host)
		own := Origins(nil).check(r) == nil
		require.True(t, same || !own, "%q is let in by %q", origin, host)
		browsers := browserOrigin.MatchString(origin) && !defaultPort.MatchString(origin)
		if browsers {
			require.Equal(t, same, own, "%q and %q", origin, host)
		}

		suffix, err := ParseOrigins([]string{"https://*.example.test"})
		require.NoError(t, err)
		if suffix.check(r) == nil && !own {
			u, err := url.Parse(strings.ToLower(origin))
			require.NoError(t, err)
			require.Equal(t, "https", u.Scheme)
			require.True(t, strings.HasSuffix(u.Host, ".example.test"))
		}

		all, err := ParseOrigins([]string{pattern})
		if err != nil {
			require.Empty(t, all)
			return
		}
		if own {
			require.NoError(t, all.check(r), "a pattern adds to the server's own origin")
		} else if strings.EqualFold(pattern, origin) {
			return
		} else if !strings.ContainsAny(pattern, `*?[\`) && all.check(r) == nil {
			_, bare, whole := strings.Cut(pattern, "://")
			if !whole {
				bare = pattern
			}
			u, _ := url.Parse(strings.ToLower(origin))
			require.True(t, naiveOrigin(origin, bare))
			require.True(t, !whole || strings.EqualFold(pattern[:len(u.Scheme)+3], u.Scheme+"://"))
		} else if browsers && browserOrigin.MatchString("http://"+pattern) {
			require.False(t, naiveOrigin(origin, pattern), "%q does not match %q", pattern, origin)
		}
	})
}

var (
	browserOrigin = regexp.MustCompile(`^https?://[a-z0-9.-]+(:[1-9][0-9]{0,4})?$`)
	defaultPort   = regexp.MustCompile(`^http:.*:80$|^https:.*:443$`) // which browsers leave out
)

// naiveOrigin reports whether an origin is of that host, with the default ports written out.
func naiveOrigin(origin, host string) bool {
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil || u.Host == "" {
		return false
	}
	withPort := func(host string) string {
		if port := defaultPorts[u.Scheme]; port != "" && !regexp.MustCompile(`:\d+$`).MatchString(host) {
			return host + ":" + port
		}
		return host
	}
	return withPort(u.Host) == withPort(strings.ToLower(host))
}

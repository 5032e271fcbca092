package wsstream

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// parseURL parses the address of a server, and takes the credentials out of it. The host is in
// ASCII and the query escaped, as browsers send them. Errors show nothing that stands before an @.
func parseURL(s string) (u *url.URL, user *url.Userinfo, err error) {
	u, err = url.Parse(s)
	if e, ok := errors.AsType[*url.Error](err); ok {
		why := e.Err.Error()
		if clean(s) != s {
			why = cleanText(why)
		}
		return nil, nil, fmt.Errorf("wsstream: bad URL %q: %s", clean(s), why)
	}
	bad := func(what string) (*url.URL, *url.Userinfo, error) {
		return nil, nil, fmt.Errorf("wsstream: URL %q%s", clean(s), what)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	case "ws", "wss":
	case "":
		return bad(" is relative")
	default:
		return bad(": the scheme is not ws, wss, http or https")
	}
	switch {
	case u.Hostname() == "":
		return bad(" has no host")
	case strings.Contains(s, "#"):
		return bad(" has a fragment")
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return bad(": the port is not a number up to 65535")
		}
	}
	if u.Host, err = asciiHost(u.Host); err != nil {
		return bad(": " + err.Error())
	}
	user, u.User = u.User, nil
	u.RawQuery = escapeQuery(u.RawQuery)
	return u, user, nil
}

// escapeQuery escapes what browsers escape in the query of a URL. Escapes stay as they are.
// URL Standard, special-query percent-encode set.
func escapeQuery(q string) string {
	var b strings.Builder
	for i := range len(q) {
		if c := q[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"#<>'`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// names maps names as browsers do: UTS #46, nontransitional. Underscores and hyphens may stand
// anywhere.
var names = idna.New(
	idna.MapForLookup(),
	idna.StrictDomainName(false),
	idna.CheckHyphens(false),
	idna.BidiRule(),
)

var errBadHost = errors.New("the host is neither a name nor an address")

// asciiHost returns a host, or a host and a port, with its name in ASCII: labels of other
// characters become A-labels. A name in ASCII stays as it is.
// RFC 5890, section 2.3.2.1.
func asciiHost(host string) (string, error) {
	if strings.HasPrefix(host, "[") {
		_, err := netip.ParseAddr((&url.URL{Host: host}).Hostname())
		if err != nil || strings.Contains(host, "@") {
			return "", errBadHost
		}
		return host, nil
	}
	name, port, hasPort := strings.Cut(host, ":")
	if strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 }) {
		var err error
		if name, err = names.ToASCII(name); err != nil {
			return "", errBadHost
		}
	}
	if !hostName.MatchString(name) || strings.Trim(port, "0123456789") != "" {
		return "", errBadHost
	}
	if hasPort {
		name += ":" + port
	}
	return name, nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9._~!$&'()*+,;=-]+$`) // RFC 3986, section 3.2.2

var (
	// An at sign, in the forms that URLs and names have it.
	atSign   = regexp.MustCompile(`(?i)@|%40|＠|﹫|%EF%BC%A0|%EF%B9%AB`)
	urlStart = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*:)?//`)

	quotation  = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	quotations = regexp.MustCompile(`(?s)".*"`)
	quotesURL  = regexp.MustCompile(`//|parse "|` + atSign.String())
)

// clean returns a URL without what stands before its last @: a password, parsed or not.
func clean(s string) string {
	behind := behindAt(s)
	return urlStart.FindString(s[:len(s)-len(behind)]) + behind
}

// behindAt returns what stands behind the last @, s if there is none.
func behindAt(s string) string {
	if all := atSign.FindAllStringIndex(s, -1); len(all) > 0 {
		return s[all[len(all)-1][1]:]
	}
	return s
}

// cleanText returns what an error says of a URL, without what stands before an @. What the error
// quotes may be a part of that, even where no @ is left: net/url quotes a URL without its fragment.
// Whole URLs are shown.
func cleanText(s string) string {
	if behind := behindAt(s); behind != s {
		return quotations.ReplaceAllString("…"+behind, "…")
	}
	return quotation.ReplaceAllStringFunc(s, func(q string) string {
		if text, err := strconv.Unquote(q); err == nil && cleanURL(text) == text {
			return q
		}
		return `"…"`
	})
}

// cleanURL returns the URL of a *url.Error as it may be shown.
func cleanURL(s string) string {
	if cleaned := clean(s); cleaned != s {
		return cleaned
	}
	if u, err := url.Parse(s); err != nil || u.Host == "" {
		return "…"
	}
	return s
}

// withoutCredentials returns an error whose text is clean. For errors.Is it is all that err is, for
// errors.As those errors whose text is clean. A *url.Error is made so.
func withoutCredentials(err error) error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if quotesURL.MatchString(e.Error()) {
			return &cleanError{err}
		}
	}
	return err
}

// A cleanError stands for an error that may show a URL.
type cleanError struct{ err error }

func (e *cleanError) Error() string { return cleanText(e.err.Error()) }

// Is reports whether the error that e stands for is target.
func (e *cleanError) Is(target error) bool { return errors.Is(e.err, target) }

// As finds those errors that show nothing.
func (e *cleanError) As(target any) bool {
	if found, ok := target.(**url.Error); ok {
		u, ok := errors.AsType[*url.Error](e.err)
		if ok {
			*found = &url.Error{Op: u.Op, URL: cleanURL(u.URL), Err: &cleanError{u.Err}}
		}
		return ok
	}
	found := reflect.New(reflect.TypeOf(target).Elem())
	if !errors.As(e.err, found.Interface()) {
		return false
	}
	inner, ok := reflect.TypeAssert[error](found.Elem())
	if !ok || cleanText(inner.Error()) != inner.Error() {
		return false
	}
	reflect.ValueOf(target).Elem().Set(found.Elem())
	return true
}

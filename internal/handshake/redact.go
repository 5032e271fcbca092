package handshake

import (
	"errors"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
)

var (
	// An at sign, in the forms that it has in URLs and names.
	atSign   = regexp.MustCompile(`(?i)@|%40|＠|﹫|%EF%BC%A0|%EF%B9%AB`)
	urlStart = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*:)?//`)

	quotation  = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	quotations = regexp.MustCompile(`(?s)".*"`)
	quotesURL  = regexp.MustCompile(`//|parse "|` + atSign.String())
)

// Redact returns a URL without the part before its last @, which may have a password, parsed or
// not.
func Redact(s string) string {
	behind := behindAt(s)
	return urlStart.FindString(s[:len(s)-len(behind)]) + behind
}

// behindAt returns the part of s behind its last @, or s if there is none.
func behindAt(s string) string {
	if all := atSign.FindAllStringIndex(s, -1); len(all) > 0 {
		return s[all[len(all)-1][1]:]
	}
	return s
}

// redactText returns the text of an error about a URL, without the part before an @. A quotation in
// the text may be a piece of that part even if it has no @. The reason is that net/url quotes a URL
// without its fragment. Whole URLs are shown.
func redactText(s string) string {
	if behind := behindAt(s); behind != s {
		return quotations.ReplaceAllString("…"+behind, "…")
	}
	return quotation.ReplaceAllStringFunc(s, func(q string) string {
		if text, err := strconv.Unquote(q); err == nil && redactURL(text) == text {
			return q
		}
		return `"…"`
	})
}

// redactURL returns the URL of a *url.Error as it may be shown.
func redactURL(s string) string {
	if cleaned := Redact(s); cleaned != s {
		return cleaned
	}
	if u, err := url.Parse(s); err != nil || u.Host == "" {
		return "…"
	}
	return s
}

// withoutCredentials returns an error whose text shows no credentials. errors.Is finds all errors
// that err wraps. errors.As finds only errors whose text shows no credentials, and a *url.Error
// that is redacted.
func withoutCredentials(err error) error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if quotesURL.MatchString(e.Error()) {
			return &redactedError{err}
		}
	}
	return err
}

// A redactedError wraps an error whose text may show a URL.
type redactedError struct{ err error }

// Error returns the text without credentials.
func (e *redactedError) Error() string { return redactText(e.err.Error()) }

// Is reports whether the wrapped error is target.
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }

// As finds errors whose text shows no credentials.
func (e *redactedError) As(target any) bool {
	if found, ok := target.(**url.Error); ok {
		u, ok := errors.AsType[*url.Error](e.err)
		if ok {
			*found = &url.Error{Op: u.Op, URL: redactURL(u.URL), Err: &redactedError{u.Err}}
		}
		return ok
	}
	found := reflect.New(reflect.TypeOf(target).Elem())
	if !errors.As(e.err, found.Interface()) {
		return false
	}
	inner, ok := reflect.TypeAssert[error](found.Elem())
	if !ok || redactText(inner.Error()) != inner.Error() {
		return false
	}
	reflect.ValueOf(target).Elem().Set(found.Elem())
	return true
}

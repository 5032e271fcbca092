package handshake

import (
	"errors"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
)

var (
	// An at sign, in the forms that URLs and names have it.
	atSign   = regexp.MustCompile(`(?i)@|%40|＠|﹫|%EF%BC%A0|%EF%B9%AB`)
	urlStart = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*:)?//`)

	quotation  = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	quotations = regexp.MustCompile(`(?s)".*"`)
	quotesURL  = regexp.MustCompile(`//|parse "|` + atSign.String())
)

// Redact returns a URL without what stands before its last @: a password, parsed or not.
func Redact(s string) string {
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

// redactText returns what an error says of a URL, without what stands before an @. What the error
// quotes may be a part of that, even where no @ is left: net/url quotes a URL without its fragment.
// Whole URLs are shown.
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

// withoutCredentials returns an error whose text shows no credentials. For errors.Is it is all that err is, for
// errors.As those errors whose text shows no credentials. A *url.Error is made so.
func withoutCredentials(err error) error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if quotesURL.MatchString(e.Error()) {
			return &redactedError{err}
		}
	}
	return err
}

// A redactedError stands for an error that may show a URL.
type redactedError struct{ err error }

func (e *redactedError) Error() string { return redactText(e.err.Error()) }

// Is reports whether the error that e stands for is target.
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }

// As finds those errors that show nothing.
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

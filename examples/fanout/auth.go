package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A Hook checks a token. It returns what the token allows, or errRefused. Any other error means
// that the hook has no answer now, and the client may try again. It may be called concurrently.
type Hook func(ctx context.Context, token string) (*Grant, error)

// errRefused is a Hook's refusal of a token.
var errRefused = errors.New("the token is refused")

// A Grant is what a token allows. The patterns are those of NATS. They are matched against the
// topic and the key, with a dot between them. "orders.>" is the whole topic orders, and
// "orders.eu.*" has the keys of one region.
type Grant struct {
	User  string   `json:"user"`
	Read  []string `json:"read"`
	Write []string `json:"write"`
}

// mayRead reports whether the grant covers all keys of a pattern.
func (g *Grant) mayRead(topic, keys string) bool { return covers(g.Read, topic+"."+keys) }

// mayWrite reports whether the grant covers a key.
func (g *Grant) mayWrite(topic, key string) bool { return covers(g.Write, topic+"."+key) }

func covers(patterns []string, subject string) bool {
	for _, p := range patterns {
		if server.SubjectMatchesFilter(subject, p) {
			return true
		}
	}
	return false
}

// check returns what is wrong with a grant.
func (g *Grant) check() error {
	if g.User == "" {
		return errors.New("a grant names its user")
	}
	for _, p := range append(slices.Clip(g.Read), g.Write...) {
		if !server.IsValidSubject(p) {
			return fmt.Errorf("%q is no pattern of subjects", p)
		}
	}
	return nil
}

// newHook returns the hook that -auth names: a file of tokens, a URL, or nothing. Without a hook
// each client may read and write all topics.
func newHook(from string) (Hook, error) {
	switch {
	case from == "":
		everything := &Grant{User: "anonymous", Read: []string{">"}, Write: []string{">"}}
		return func(context.Context, string) (*Grant, error) { return everything, nil }, nil
	case strings.HasPrefix(from, "http://"), strings.HasPrefix(from, "https://"):
		return askURL(from), nil
	}
	return readTokens(from)
}

// readTokens reads a file of tokens: {"TOKEN": {"user": …, "read": […], "write": […]}, …}.
func readTokens(path string) (Hook, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var tokens map[string]*Grant
	if err := json.Unmarshal(b, &tokens); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	grants := make(map[[32]byte]*Grant, len(tokens)) // by hash: a look-up tells nothing by its time
	for token, g := range tokens {
		if g == nil {
			return nil, fmt.Errorf("%s: a token without a grant", path)
		}
		if err := g.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		grants[sha256.Sum256([]byte(token))] = g
	}
	return func(_ context.Context, token string) (*Grant, error) {
		if g := grants[sha256.Sum256([]byte(token))]; g != nil {
			return g, nil
		}
		return nil, errRefused
	}, nil
}

// askURL returns a hook that posts {"token": …} to a URL. The answer is 200 with a Grant, or 401 or
// 403 for a refusal.
func askURL(url string) Hook {
	client := &http.Client{Timeout: 5 * time.Second}
	return func(ctx context.Context, token string) (*Grant, error) {
		body, err := json.Marshal(map[string]string{"token": token})
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		switch resp.StatusCode {
		case http.StatusOK:
			g := &Grant{}
			if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 1<<20)).Decode(g); err != nil {
				return nil, err
			}
			return g, g.check()
		case http.StatusUnauthorized, http.StatusForbidden:
			return nil, errRefused
		}
		return nil, fmt.Errorf("the hook answered %s", resp.Status)
	}
}

// tokenOf returns the token of a handshake.
func tokenOf(r *http.Request) string {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return token
	}
	return r.URL.Query().Get("token")
}

// short returns a short name for a user, in the characters that a key of NATS may have.
func short(user string) string {
	h := sha256.Sum256([]byte(user))
	return base64.RawURLEncoding.EncodeToString(h[:12])
}

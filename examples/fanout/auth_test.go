package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const tokens = `{
	"t-all": {"user": "ann", "read": [">"], "write": [">"]},
	"t-eu": {"user": "bob", "read": ["orders.eu.>", "prices.*"]}
}`

// tokenFile writes the tokens into a file.
func tokenFile(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "tokens.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestATokenOfTheFileHasItsGrant(t *testing.T) {
	hook, err := newHook(tokenFile(t, tokens))
	require.NoError(t, err)
	g, err := hook(t.Context(), "t-eu")
	require.NoError(t, err)
	require.Equal(t, "bob", g.User)
	for keys, may := range map[string]bool{
		"eu.de": true, "eu.*": true, "eu.>": true, ">": false, "us.ny": false, "*.de": false,
	} {
		require.Equal(t, may, g.mayRead("orders", keys), keys)
	}
	require.False(t, g.mayWrite("orders", "eu.de"))
	for _, token := range []string{"", "t-EU", "t-eu "} {
		_, err = hook(t.Context(), token)
		require.ErrorIs(t, err, errRefused, "%q", token)
	}
}

func TestABadFileOfTokensIsAnError(t *testing.T) {
	for text, says := range map[string]string{
		`{`:                                   "tokens.json",
		`{"t": null}`:                         "without a grant",
		`{"t": {"read": [">"]}}`:              "names its user",
		`{"t": {"user": "a", "read": ["."]}}`: "no pattern",
	} {
		_, err := newHook(tokenFile(t, text))
		require.ErrorContains(t, err, says, text)
	}
}

func TestAHookIsAskedForEachToken(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask map[string]string
		if json.NewDecoder(r.Body).Decode(&ask) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		switch ask["token"] {
		case "good":
			_, _ = w.Write([]byte(`{"user": "ann", "read": ["orders.>"]}`))
		case "broken":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	hook, err := newHook(s.URL)
	require.NoError(t, err)
	g, err := hook(t.Context(), "good")
	require.NoError(t, err)
	require.True(t, g.mayRead("orders", ">"))
	_, err = hook(t.Context(), "bad")
	require.ErrorIs(t, err, errRefused)
	_, err = hook(t.Context(), "broken")
	require.ErrorContains(t, err, "500")
	require.NotErrorIs(t, err, errRefused)
}

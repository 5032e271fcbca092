package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBadArgumentsAreOneLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for args, says := range map[string]string{
		"-listen nowhere:1:2 -dir " + t.TempDir(): "nowhere",
		"more":              "more",
		"-what":             "what",
		"-dir=":             "-dir is empty",
		"-dir " + file:      "not a directory",
		"-max-bytes little": `-max-bytes "little"`,
		"-max-bytes 0":      `-max-bytes "0"`,
		"-disk-rate fast/s": `-disk-rate "fast"`,
		"-idle 0s":          "-idle 0s",
		"-keep -1s":         "-keep -1s",
	} {
		t.Run(args, func(t *testing.T) {
			var out, errs bytes.Buffer
			require.Equal(t, 1, run(t.Context(), strings.Fields(args), &out, &errs))
			require.Contains(t, errs.String(), says)
			require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
		})
	}
}

func TestHelpNamesEachFlag(t *testing.T) {
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, &out, &errs))
	for _, name := range []string{"-listen", "-dir", "-max-bytes", "-disk-rate", "-idle", "-keep"} {
		require.Contains(t, out.String(), "\n  "+name+" ")
	}
	require.Empty(t, errs.String())
}

func TestAServerEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	dir := filepath.Join(t.TempDir(), "made")
	args := []string{"-listen", "127.0.0.1:0", "-dir", dir}
	require.Zero(t, run(ctx, args, &out, &errs), errs.String())
	require.Contains(t, out.String(), "open http://127.0.0.1:")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestThePageAndItsPartsAreServed(t *testing.T) {
	h := (&site{}).handler()
	for path, says := range map[string]string{
		"/":            "Drop files here",
		"/upload.js":   "Transfer",
		"/transfer.js": "WebSocketStream",
		"/sha256.js":   "SHA256",
		"/upload.css":  "prefers-color-scheme",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Body.String(), says)
	}
}

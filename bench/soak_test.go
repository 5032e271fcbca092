package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSoakReportsWhatItFound(t *testing.T) {
	dir := t.TempDir()
	figures, picture := filepath.Join(dir, "soak.json"), filepath.Join(dir, "soak.svg")
	var out, errs bytes.Buffer
	code := run([]string{"soak", "-for", "10s", "-conns", "50", "-restarts", "1", "-seed", "7",
		"-json", figures, "-chart", picture}, &out, &errs)
	require.Equal(t, 0, code, errs.String())
	require.Contains(t, out.String(), "| server: Shutdown(1001) | 1001 in order, error |")
	require.Contains(t, out.String(), "clients came back")
	require.Contains(t, errs.String(), "0 faults")
	data, err := os.ReadFile(figures)
	require.NoError(t, err)
	var file struct {
		Machine struct{ Go string }
		Result  struct {
			Points     []struct{ Open int }
			RestartsAt []struct{ From, To float64 }
		}
	}
	require.NoError(t, json.Unmarshal(data, &file))
	require.NotEmpty(t, file.Machine.Go)
	require.Greater(t, len(file.Result.Points), 5)
	require.Len(t, file.Result.RestartsAt, 1)
	svg, err := os.ReadFile(picture)
	require.NoError(t, err)
	require.Contains(t, string(svg), "Goroutines")
}

func TestSoaksWrongArgumentsAreOneClearLine(t *testing.T) {
	for _, c := range []struct {
		args string
		says string
		code int
	}{
		{"extra", "soak takes no arguments", 1},
		{"-for 1s", "-for is 1s, and must be at least 5s", 1},
		{"-conns 0", "-conns is 0, and must be at least 1", 1},
		{"-restarts -2", "-restarts is -2", 1},
		{"-for 10s -restarts 3", "there is no room for so many", 1},
		{"-conns 100000000", "ulimit -n 100000256", 1},
		{"-json no\x00file", "invalid argument", 1},
		{"-for long", `invalid value "long" for flag -for`, 2},
		{"-fast", "-fast; soak -h shows all flags", 2},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"soak"}, strings.Fields(c.args)...)
		require.Equal(t, c.code, run(args, &out, &errs), c.args)
		require.Equal(t, 1, strings.Count(errs.String(), "\n"), "%s: %s", c.args, errs.String())
		require.Contains(t, errs.String(), c.says)
		require.Empty(t, out.String())
	}
}

func TestHelpMentionsSoak(t *testing.T) {
	var out bytes.Buffer
	require.Equal(t, 0, run([]string{"-h"}, &out, io.Discard))
	require.Contains(t, out.String(), "bench soak")
	out.Reset()
	require.Equal(t, 0, run([]string{"soak", "-h"}, &out, io.Discard))
	require.Contains(t, out.String(), "-conns number")
}

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/bench/internal/proc"
	"github.com/wsstream/wsstream/bench/internal/report"
	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// TestMain lets the children of a test be what the program's are.
func TestMain(m *testing.M) {
	if proc.Role() != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestEveryLibraryIsMeasured(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	var out bytes.Buffer
	args := []string{"-quick", "-time", "10ms", "-only",
		"^(ping-pong, |client, sink|.* calls, reading)", "-json", file}
	require.Equal(t, 0, run(args, &out, io.Discard), out.String())
	results, err := report.Read(file)
	require.NoError(t, err)
	require.NotEmpty(t, results.Machine.Go)
	require.Len(t, results.Results, 3)
	for _, r := range results.Results {
		require.Contains(t, out.String(), "### "+r.Scenario)
		require.Equal(t, results.Machine.Date, r.Date)
		require.Equal(t, results.Machine.Commit, r.Commit)
		if r.Scenario != scenario.Reading {
			require.Len(t, r.Lines, len(scenario.Libraries()))
		}
		for _, l := range r.Lines {
			require.Positive(t, l.Stat(r.Metrics[0].Name).Median, "%s, %s", r.Scenario, l.Name())
			require.Empty(t, l.Errors)
		}
	}

	var again bytes.Buffer
	require.Equal(t, 0, run([]string{"-from", file}, &again, io.Discard))
	require.Equal(t, out.String(), again.String(), "what was written says as much as what was shown")
}

func TestARoomAndABroadcastAreMeasuredInEachWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	args := []string{"-quick", "-time", "20ms", "-libs", "wsstream,gws", "-json", file,
		"-only", "^(one to 10 at full speed|broadcast to 100)"}
	var out bytes.Buffer
	require.Equal(t, 0, run(args, &out, io.Discard), out.String())
	results, err := report.Read(file)
	require.NoError(t, err)
	require.Len(t, results.Results, 4)
	for _, r := range results.Results {
		require.Len(t, r.Lines, 5)
		for _, l := range r.Lines {
			require.Len(t, l.Runs, 1)
			if l.Note() == "" {
				require.Positive(t, l.Stat(r.Metrics[0].Name).Median, "%s, %s", r.Scenario, l.Name())
			}
		}
	}
}

func TestAChildEndsWithItsInput(t *testing.T) {
	for _, role := range []string{scenario.RoleLibrary, scenario.RolePeer} {
		c, err := proc.Start(role)
		require.NoError(t, err)
		require.ErrorContains(t, c.Call("dance", nil, nil), "no ")
		require.NoError(t, c.Close(), "or else it had to be killed")
		require.ErrorContains(t, c.Call("dance", nil, nil), "the process has ended")
	}
	c, err := proc.Start("cook")
	require.NoError(t, err)
	require.Error(t, c.Close())
}

func TestLibrariesAndScenariosCanBeChosen(t *testing.T) {
	var out bytes.Buffer
	require.Equal(t, 0, run([]string{"-quick", "-time", "5ms", "-only", "^sink", "-libs", "gws,raw"},
		&out, io.Discard))
	require.Contains(t, out.String(), "| gws ")
	require.Contains(t, out.String(), "| raw ")
	require.NotContains(t, out.String(), "| gorilla ")
}

func TestASmokeTestHasNoGoals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	for _, quick := range []bool{true, false} {
		results := report.File{Machine: report.Machine{Quick: quick}}
		results.Goals = report.Goals(nil, scenario.Options{}) // as earlier versions wrote them
		require.NoError(t, results.Write(file))
		again := filepath.Join(t.TempDir(), "again.json")
		var out bytes.Buffer
		require.Equal(t, 0, run([]string{"-from", file, "-json", again}, &out, io.Discard))
		written, err := report.Read(again)
		require.NoError(t, err)
		if quick {
			require.NotContains(t, out.String(), "goals")
			require.Empty(t, written.Goals)
			continue
		}
		require.Contains(t, out.String(), "### goals")
		require.Contains(t, out.String(), "not measured")
		require.NotEmpty(t, written.Goals)
	}
}

func TestWrongArgumentsAreOneClearLine(t *testing.T) {
	for _, c := range []struct {
		args string
		says string
	}{
		{"extra", "it takes no arguments"},
		{"-runs 0", "-runs is 0"},
		{"-time -1s", "-time is -1s"},
		{"-only (", "-only: error parsing regexp"},
		{"-only nothing-of-this-name", `no scenario matches "nothing-of-this-name"`},
		{"-libs gorilla,nobody", `no library "nobody"`},
		{"-json no/such/directory/file", "no such file or directory"},
		{"-libs gws -only calls",
			`no scenario matches "calls", of those that the libraries take part in`},
		{"-from no/such/file", "-from shows what was measured before"},
	} {
		var out, errs bytes.Buffer
		// if it measures, then little
		args := append(strings.Fields("-quick -only ^sink -libs raw"), strings.Fields(c.args)...)
		require.Equal(t, 1, run(args, &out, &errs), c.args)
		require.Equal(t, 1, strings.Count(errs.String(), "\n"), "%s: %s", c.args, errs.String())
		require.Contains(t, errs.String(), c.says)
		require.Empty(t, out.String())
	}
}

func TestWrongFlagsAreExitCodeTwo(t *testing.T) {
	var out, errs bytes.Buffer
	require.Equal(t, 2, run([]string{"-fast"}, &out, &errs))
	require.Equal(t, "bench: flag provided but not defined: -fast; -h shows all flags\n",
		errs.String())
	errs.Reset()
	require.Equal(t, 2, run([]string{"-time", "5"}, &out, &errs))
	require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
	require.Empty(t, out.String())
	require.Equal(t, 0, run([]string{"-h"}, &out, &errs))
	require.Contains(t, out.String(), "-runs times")
}

func TestAFileThatIsNoneOfOursIsNamed(t *testing.T) {
	var out, errs bytes.Buffer
	require.Equal(t, 1, run([]string{"-from", "no/such/file"}, &out, &errs))
	require.Contains(t, errs.String(), "no/such/file: no such file or directory")
	errs.Reset()
	require.Equal(t, 1, run([]string{"-from", "run.go"}, &out, &errs))
	require.Contains(t, errs.String(), "run.go is no file that -json wrote: ")
}

package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// onto runs the program to its end, with a file as its standard output.
func onto(t *testing.T, file *os.File, args ...string) (status int, stderr string) {
	cmd := exec.CommandContext(t.Context(), binary, args...)
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = file, &errs
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), errs.String()
}

func TestHelpOnAFullDiskWasNoFailureAndAVersionWasAWrongArgument(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	for _, args := range [][]string{{"--version"}, {"dial", "--help"}, {"completion", "bash"}} {
		status, stderr := onto(t, full, args...)
		require.Equal(t, 1, status, args)
		require.Equal(t, "wsstream: write /dev/stdout: no space left on device\n", stderr, args)
	}
}

func TestACompletionWhoseReaderHasEnoughWasAFailure(t *testing.T) {
	ends := pipe(t)
	require.NoError(t, ends[0].Close())
	status, stderr := onto(t, ends[1], "completion", "bash")
	require.Zero(t, status)
	require.Empty(t, stderr)
}

func TestAFullDiskForTheRecordWasAFailureOfTheInput(t *testing.T) {
	p := start(t, "dial", "--record", "/dev/full", server(t, nil, echo))
	p.send("hello\n")
	_, stderr := p.wantEnd(1)
	require.Equal(t, "wsstream: --record: write /dev/full: no space left on device\n", stderr)
}

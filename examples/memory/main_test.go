package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// The program calls itself for each row, and for the far ends: here it is the test's own binary
// that it calls.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "-row" || os.Args[1] == "-far") {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestEachRowIsMeasured(t *testing.T) {
	require.Len(t, rows, len(order), "two rows of one name")
	var out strings.Builder
	require.NoError(t, run(t.Context(), []string{"-n", "3", "-only", "Dial, no Pull"},
		strings.NewReader(""), &out))
	require.Regexp(t, `(?m)^Dial, no Pull +-?\d+\.\d +-?\d+\.\d$`, out.String())
}

func TestWhatCannotBeMeasuredIsAnError(t *testing.T) {
	for _, args := range [][]string{
		{"-n", "x"},
		{"-n", "0"},
		{"-n", "-3"},
		{"-only", "no row"},
		{"-row", "no row"},
		{"-far", "no row"},
		{"-addr", "127.0.0.1:1"},
		{"argument"},
		{"-nosuch"},
	} {
		var out strings.Builder
		require.Error(t, run(t.Context(), args, strings.NewReader(""), &out), "%q", args)
		require.Empty(t, out.String())
	}
}

func TestHelpIsNoError(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), []string{"-h"}, strings.NewReader(""), &out))
	require.Contains(t, out.String(), "Usage: memory")
}

func TestAFarEndThatHasEndedIsAnErrorThatSaysWhy(t *testing.T) {
	far, err := startFar(t.Context(), "Dial, no Pull", "")
	require.NoError(t, err)
	_, err = far.line() // its address
	require.NoError(t, err)
	_, err = far.stdin.Write([]byte("many\n"))
	require.NoError(t, err)
	h := host{row: row{client: false}, settled: make(chan error)}
	require.ErrorContains(t, h.open(t.Context(), far, "", 1),
		`the far end has ended: exit status 1: strconv.Atoi: parsing "many"`)
	far.stop()
}

func TestAnInterruptIsTheErrorAndNotTheEndOfAProcess(t *testing.T) {
	ctx, interrupt := context.WithCancelCause(t.Context())
	var out strings.Builder
	errs := make(chan error, 1)
	go func() {
		errs <- run(ctx, []string{"-n", "3", "-only", "Dial, no Pull"}, strings.NewReader(""), &out)
	}()
	interrupt(errors.New("interrupt signal received"))
	require.EqualError(t, <-errs, "interrupt signal received")
}

func TestARowThatFailsIsAnError(t *testing.T) {
	var out strings.Builder
	require.Error(t, beFar(t.Context(), row{}, "127.0.0.1:1", strings.NewReader("1\n"), &out),
		"no server listens")
}

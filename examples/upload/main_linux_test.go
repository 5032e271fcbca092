package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

func TestAFolderThatCannotBeWrittenIsToldAtTheStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a server that starts ends immediately
	var out, errs bytes.Buffer
	require.Equal(t, 1, run(ctx, []string{"-listen", "127.0.0.1:0", "-dir", "/proc"}, &out, &errs))
	require.Regexp(t, `^upload: the folder /proc cannot be written: [^\n]+\n$`, errs.String())
	require.Empty(t, out.String())
}

func TestTwoServersDoNotOverwriteEachOthersFiles(t *testing.T) {
	dir := t.TempDir()
	st, err := openStore(dir, rate.Inf)
	require.NoError(t, err)
	_, err = openStore(dir, rate.Inf)
	require.EqualError(t, err, "another server uses the folder "+dir)
	st.close()
	st, err = openStore(dir, rate.Inf)
	require.NoError(t, err)
	st.close()
}

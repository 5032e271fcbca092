package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

// following returns the lines of a file that is followed, for a test in a bubble.
func following(t *testing.T, path string, last <-chan struct{}) stream.Readable[string] {
	f, err := os.Open(path)
	require.NoError(t, err)
	lines := stream.Lines(follow(f, path, last), 0)
	t.Cleanup(func() {
		_ = lines.Cancel(nil)
		synctest.Wait()
	})
	return lines
}

func TestAFileIsFollowedAcrossWhatBecomesOfIt(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(t *testing.T, path string)
		want   []string
	}{
		"growth": {
			change: func(t *testing.T, path string) { add(t, path, "two\n") },
			want:   []string{"two"},
		},
		"growth in the middle of a line": {
			change: func(t *testing.T, path string) {
				add(t, path, "tw")
				synctest.Wait()
				add(t, path, "o\n")
			},
			want: []string{"two"},
		},
		"rotation": {
			change: func(t *testing.T, path string) {
				require.NoError(t, os.Rename(path, path+".1"))
				add(t, path, "two\n")
			},
			want: []string{"two"},
		},
		"what was added before and after the rotation": {
			change: func(t *testing.T, path string) {
				require.NoError(t, os.Rename(path, path+".1"))
				add(t, path+".1", "two\n")
				add(t, path, "three\n")
			},
			want: []string{"two", "three"},
		},
		"rotation in the middle of a line": {
			change: func(t *testing.T, path string) {
				add(t, path, "tw")
				require.NoError(t, os.Rename(path, path+".1"))
				add(t, path, "three\n")
			},
			want: []string{"tw", "three"},
		},
		"truncation": {
			change: func(t *testing.T, path string) {
				require.NoError(t, os.Truncate(path, 0))
				add(t, path, "2\n")
			},
			want: []string{"2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := aLog(t, "one\n")
				lines := following(t, path, nil)
				got, err := lines.Pull(t.Context())
				require.NoError(t, err)
				require.Equal(t, "one", got)
				synctest.Wait() // it waits for more
				tc.change(t, path)
				for _, want := range tc.want {
					got, err := lines.Pull(t.Context())
					require.NoError(t, err)
					require.Equal(t, want, got)
				}
			})
		})
	}
}

func TestAFileThatIsAwayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := aLog(t, "")
		lines := following(t, path, nil)
		require.NoError(t, os.Remove(path))
		ctx, cancel := context.WithTimeout(t.Context(), 10*poll)
		defer cancel()
		_, err := lines.Pull(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		add(t, path, "back\n")
		got, err := lines.Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, "back", got)
	})
}

func TestTheLastOfAFileIsItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, last := aLog(t, "one\n"), make(chan struct{})
		lines := following(t, path, last)
		_, err := lines.Pull(t.Context())
		require.NoError(t, err)
		add(t, path, "two\nthree")
		close(last)
		rest, err := stream.Collect(t.Context(), lines)
		require.NoError(t, err)
		require.Equal(t, []string{"two", "three"}, rest)
	})
}

func TestAFileThatCannotBeReadIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := aLog(t, "one\n")
		f, err := os.Open(path)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		_, err = follow(f, path, nil).Pull(t.Context())
		require.ErrorIs(t, err, os.ErrClosed)
	})
}

func TestLinesAreParsed(t *testing.T) {
	for in, want := range map[string]entry{
		`{"level":"WARN","service":"db","msg":"slow","took":3}`: {Level: slog.LevelWarn, Service: "db",
			Msg: "slow"},
		`{"level":"error","msg":"gone"}`: {Level: slog.LevelError, Msg: "gone"},
		`{"level":"WARN"}`: {Level: slog.LevelWarn,
			Msg: `{"level":"WARN"}`},
		`{"level":7,"msg":"?"}`: {Msg: `{"level":7,"msg":"?"}`},
		`{broken`:               {Msg: `{broken`},
		`12:00 ERROR disk full`: {Level: slog.LevelError,
			Msg: `12:00 ERROR disk full`},
		`DEBUG x`: {Level: slog.LevelDebug, Msg: `DEBUG x`},
	} {
		got, err := parse(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	_, err := parse(" \t")
	require.ErrorIs(t, err, stream.Skip)
}

func TestWhatIsNoUTF8IsSentAllTheSame(t *testing.T) {
	src := items(stream.From([]byte("bad \xff byte\n\n"), []byte("good\n")), slog.LevelInfo)
	for _, want := range []string{"bad \ufffd byte", "good"} {
		i, err := src.Pull(t.Context())
		require.NoError(t, err)
		e, err := entries.Decode(i.msg)
		require.NoError(t, err)
		require.Equal(t, want, e.Msg)
	}
	_, err := src.Pull(t.Context())
	require.Equal(t, io.EOF, err)
}

func TestALineWithoutEndIsAnError(t *testing.T) {
	_, err := items(stream.From([]byte(strings.Repeat("x", 2<<20))), slog.LevelInfo).Pull(t.Context())
	require.ErrorContains(t, err, "line of more than 1048576 bytes")
}

func TestALineThatIsNotAccountedForIsAFailure(t *testing.T) {
	good := row{viewer: viewer{name: "a", policy: "latest"}, received: 1, dropped: 2}
	require.NoError(t, check([]row{good, {viewer: viewer{policy: "disconnect"}}}, 3))
	require.EqualError(t, check([]row{good}, 4), "of 4 lines a has received 1, and 2 were dropped")
}

func TestALogThatCannotBeWrittenEndsTheDemonstration(t *testing.T) {
	var lines atomic.Int64
	require.Error(t, writeLog(t.Context(), t.TempDir(), 100, poll, &lines))
	f, err := os.Open(aLog(t, ""))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.ErrorIs(t, writeLines(t.Context(), f, 100, time.Hour, &lines), os.ErrClosed)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("interrupted")
	cancel(cause)
	require.ErrorIs(t, writeLog(ctx, aLog(t, ""), 100, poll, &lines), cause)
}

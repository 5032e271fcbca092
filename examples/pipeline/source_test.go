package main

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// copied is what src copies.
func copied(t *testing.T, src *source) []byte {
	var b bytes.Buffer
	require.NoError(t, src.copyTo(t.Context(), &b))
	return b.Bytes()
}

func TestADirectoryIsATarStreamOfAllThatIsInIt(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("a-long-name-", 15)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub", "empty"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "file"), []byte("content"), 0o640))
	require.NoError(t, os.WriteFile(filepath.Join(dir, long), bytes.Repeat([]byte("x"), 100_000),
		0o600))
	require.NoError(t, os.Symlink("sub/file", filepath.Join(dir, "link")))

	src, err := openSource(t.Context(), dir, nil)
	require.NoError(t, err)
	stream := copied(t, src)
	require.InDelta(t, len(stream), src.size, 3*tarBlock, "the size that the bar shows")

	got := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(stream)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		got[h.Name] = h.Linkname + string(content)
	}
	require.Equal(t, map[string]string{
		"sub/":       "",
		"sub/empty/": "",
		"sub/file":   "content",
		"link":       "sub/file",
		long:         strings.Repeat("x", 100_000),
	}, got)
}

// onFirst is a writer that calls f when it is first written to.
func onFirst(f func() error) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		if g := f; g != nil {
			f = nil
			if err := g(); err != nil {
				return 0, err
			}
		}
		return len(p), nil
	})
}

func TestAFileThatChangesWhileItIsReadIsAnError(t *testing.T) {
	grow := func(path string) error {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString("more")
		return cmpErr(err, f.Close())
	}
	shrink := func(path string) error { return os.Truncate(path, 100) }
	for name, change := range map[string]func(string) error{"grows": grow, "shrinks": shrink} {
		t.Run("a file "+name, func(t *testing.T) {
			path := aFile(t, 200_000)
			src, err := openSource(t.Context(), path, nil)
			require.NoError(t, err)
			err = src.copyTo(t.Context(), onFirst(func() error { return change(path) }))
			require.ErrorIs(t, err, errChanged)
			require.ErrorContains(t, err, "file: changed")
		})
		t.Run("a directory's file "+name, func(t *testing.T) {
			path := aFile(t, 200_000)
			src, err := openSource(t.Context(), filepath.Dir(path), nil)
			require.NoError(t, err)
			err = src.copyTo(t.Context(), onFirst(func() error { return change(path) }))
			require.ErrorIs(t, err, errChanged)
			require.ErrorContains(t, err, "file: changed")
		})
	}
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// closedTo is a file system where one name may not be opened.
type closedTo struct {
	fs.FS
	name string
}

func (c closedTo) Open(name string) (fs.File, error) {
	if name == c.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return c.FS.Open(name)
}

func TestADirectoryThatCannotBeListedIsKnownBeforeAnythingIsSent(t *testing.T) {
	files := fstest.MapFS{"sub/file": {Data: []byte("content")}}
	for _, name := range []string{".", "sub"} {
		_, err := dirSource("dir", closedTo{files, name})
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, "dir: open "+name)
	}
}

func TestAFileThatCannotBeReadEndsTheTransfer(t *testing.T) {
	src, err := dirSource("dir", closedTo{fstest.MapFS{"file": {Data: []byte("content")}}, "file"})
	require.NoError(t, err)
	_, err = runBoth(t, src)
	require.EqualError(t, err, "dir: open file: permission denied",
		"and not that the peer hung up, which is true too")
}

func TestAFileThatShrinksEndsTheTransfer(t *testing.T) {
	path := aFile(t, 1<<20)
	src, err := openSource(t.Context(), path, nil)
	require.NoError(t, err)
	inner := src.copyTo
	src.copyTo = func(ctx context.Context, w io.Writer) error {
		return inner(ctx, io.MultiWriter(w, onFirst(func() error { return os.Truncate(path, 100) })))
	}
	_, err = runBoth(t, src)
	require.EqualError(t, err, "file: changed while it was read")
}

// runBoth sends src from one side to the other.
func runBoth(t *testing.T, src *source) ([]outcome, error) {
	o, err := parseOptions([]string{"-rate", "max"}, io.Discard)
	require.NoError(t, err)
	l, err := listen(o)
	require.NoError(t, err)
	defer l.close()
	o.dial = l.url
	var m meter
	return runAll(t.Context(), []side{
		func(ctx context.Context) (outcome, error) { return sendTo(ctx, o, src, &m) },
		func(ctx context.Context) (outcome, error) { return receiveFrom(ctx, l, o, &m) },
	})
}

func TestAConnectionThatFailsIsNotTheSourcesFault(t *testing.T) {
	src, err := openSource(t.Context(), filepath.Dir(aFile(t, 200_000)), nil)
	require.NoError(t, err)
	conn := wsstream.Dial(t.Context(), "nowhere", nil)
	_, want := conn.Opened().Wait(t.Context())
	_, err = sendAll(t.Context(), conn.Writable(), src)
	require.Equal(t, want, err)
}

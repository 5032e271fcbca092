package main

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A source is a stream of bytes that can be copied once.
type source struct {
	size int64 // about how much it is, 0 if unknown
	// ends early when w fails, or with ctx if it has to wait
	copyTo func(ctx context.Context, w io.Writer) error
}

// openSource opens path: a file, a directory (as a tar stream), or - for standard input. An empty
// path is the Go installation's src directory.
func openSource(ctx context.Context, path string, stdin io.Reader) (*source, error) {
	switch path {
	case "-":
		return streamSource(stdin), nil
	case "":
		var err error
		if path, err = goSource(ctx); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return dirSource(path, os.DirFS(path))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return streamSource(f), nil
	}
	return fileSource(f)
}

// goSource returns the directory of the standard library's source, which is wherever Go is.
func goSource(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("no -in, and no Go installation to take its src instead: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "src"), nil
}

// errChanged is the error of a file that has changed since its copying began. The bytes that were
// sent are no version of the file.
var errChanged = errors.New("changed while it was read")

func fileSource(f *os.File) (*source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &source{size: info.Size(), copyTo: func(_ context.Context, w io.Writer) error {
		defer f.Close() //nolint:errcheck // nothing was written
		if _, err := io.Copy(w, f); err != nil {
			return err
		}
		return unchanged(f, info)
	}}, nil
}

// streamSource is what may keep its reader waiting, as a terminal does.
func streamSource(r io.Reader) *source {
	return &source{copyTo: func(ctx context.Context, w io.Writer) error {
		pr, pw := io.Pipe()
		defer pr.Close() //nolint:errcheck // it returns nil
		stop := context.AfterFunc(ctx, func() { _ = pw.CloseWithError(context.Cause(ctx)) })
		defer stop()
		// The copy ends with r, or with the first piece that it gets after the return. Nothing wakes a
		// Read of a terminal, so the program does not wait for it.
		go func() {
			_, err := io.Copy(pw, r)
			_ = pw.CloseWithError(err)
		}()
		_, err := io.Copy(w, pr)
		return err
	}}
}

// unchanged fails if f has another size or time than when info was taken.
func unchanged(f fs.File, info fs.FileInfo) error {
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if now.Size() != info.Size() || !now.ModTime().Equal(info.ModTime()) {
		return fmt.Errorf("%s: %w", info.Name(), errChanged)
	}
	return nil
}

// dirSource is a directory as a tar stream. It is walked once for its size, so that what can't be
// listed is known before anything is sent.
func dirSource(name string, dir fs.FS) (*source, error) {
	size, err := tarSize(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &source{size: size, copyTo: func(_ context.Context, w io.Writer) error {
		buf := bufio.NewWriterSize(w, chunk)
		if err := tarTo(buf, dir); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return buf.Flush()
	}}, nil
}

const tarBlock = 512

// tarSize is about how long a tar stream of dir is: long names may add to it.
func tarSize(dir fs.FS) (int64, error) {
	size := int64(2 * tarBlock)
	err := fs.WalkDir(dir, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		size += tarBlock
		if info.Mode().IsRegular() {
			size += (info.Size() + tarBlock - 1) / tarBlock * tarBlock
		}
		return nil
	})
	return size, err
}

// tarTo writes dir to w as a tar stream, symbolic links as links.
func tarTo(w io.Writer, dir fs.FS) error {
	tw := tar.NewWriter(w)
	err := fs.WalkDir(dir, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
			return err
		case e.Type().IsRegular():
			return tarFile(tw, dir, name)
		}
		return tarEntry(tw, dir, name, e)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func tarFile(tw *tar.Writer, dir fs.FS, name string) error {
	f, err := dir.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := tarHeader(tw, name, info, ""); err != nil {
		return err
	}
	if _, err := io.CopyN(tw, f, info.Size()); errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", name, errChanged)
	} else if err != nil {
		return err
	}
	return unchanged(f, info)
}

// tarEntry writes what has a name and no content: a directory or a symbolic link, say.
func tarEntry(tw *tar.Writer, dir fs.FS, name string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	var link string
	if e.Type()&fs.ModeSymlink != 0 {
		if link, err = fs.ReadLink(dir, name); err != nil {
			return err
		}
	}
	return tarHeader(tw, name, info, link)
}

func tarHeader(tw *tar.Writer, name string, info fs.FileInfo, link string) error {
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	h.Name = name
	if info.IsDir() {
		h.Name += "/"
	}
	return tw.WriteHeader(h)
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/time/rate"

	"github.com/wsstream/wsstream/stream"
)

// chunk is the most that is written with one call, in bytes.
const chunk = 32 << 10

// A store is the folder of the files, and of the parts of those that are not complete. The part of
// x is the file .x.part beside it.
type store struct {
	root  *os.Root
	lone  *flock.Flock                                  // of the folder
	rate  rate.Limit                                    // of each part, in bytes a second
	write func(f *os.File, p []byte) (n int, err error) // (*os.File).Write

	mu   sync.Mutex
	busy map[string]bool // names of files that are being uploaded; guarded by mu
}

func openStore(dir string, limit rate.Limit) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if err := writable(root); err != nil {
		return nil, errors.Join(
			fmt.Errorf("the folder %s cannot be written: %w", dir, err), root.Close())
	}
	lone, err := alone(dir)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &store{
		root: root, lone: lone, rate: limit, write: (*os.File).Write, busy: map[string]bool{},
	}, nil
}

// alone locks a folder. Two servers on one folder would write the same part, also when it has got
// its name. Some file systems, and Windows, have no locks of folders.
func alone(dir string) (*flock.Flock, error) {
	lone := flock.New(dir, flock.SetFlag(os.O_RDONLY))
	if runtime.GOOS == "windows" {
		return lone, nil
	}
	if locked, err := lone.TryLock(); !locked && err == nil {
		return nil, errors.Join(fmt.Errorf("another server uses the folder %s", dir), lone.Close())
	}
	return lone, nil
}

// writable makes and removes a file. No upload has its name, nor has a part.
func writable(root *os.Root) error {
	name := fmt.Sprintf(".written-%d", os.Getpid())
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), root.Remove(name))
}

func (s *store) close() {
	_ = s.root.Close()
	_ = s.lone.Close()
}

// lock takes a name for one upload. It reports whether the name was free.
func (s *store) lock(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[name] {
		return false
	}
	s.busy[name] = true
	return true
}

func (s *store) unlock(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, name)
}

func partOf(name string) string { return "." + name + ".part" }

// A part is what has come of a file. One goroutine uses it, and any may call size.
type part struct {
	store *store
	name  string // of the file
	file  *os.File
	slow  *rate.Limiter
	sum   hash.Hash
	n     atomic.Int64 // bytes in file and sum
}

// open opens the part of a file at the offset. The caller has locked the name. ctx ends the reading
// of what the part has.
func (s *store) open(ctx context.Context, name string, offset int64) (*part, error) {
	p := &part{store: s, name: name, sum: sha256.New(), slow: rate.NewLimiter(s.rate, chunk)}
	if offset == 0 {
		// A new file, and not the old one truncated: it may have another name by now, see commit.
		if err := s.root.Remove(partOf(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	var err error
	p.file, err = s.root.OpenFile(partOf(name), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	n, err := add(ctx, p.sum, p.file)
	if err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	p.n.Store(n)
	if offset != atPart && offset != n {
		return nil, errors.Join(
			refuse(badOffset, "bad offset %d: the server has %d bytes", offset, n), p.close())
	}
	return p, nil
}

// add adds what is in a file to a hash, and returns how much that is. It leaves the file open.
func add(ctx context.Context, sum hash.Hash, f *os.File) (n int64, err error) {
	content := stream.FromReader(struct{ io.Reader }{f}, 0)
	for b, err := range stream.All(ctx, content) {
		if err != nil {
			return n, err
		}
		n += int64(len(b))
		sum.Write(b)
	}
	return n, nil
}

// existing returns the answer for a file that exists, and an error that wraps fs.ErrNotExist if
// there is none.
func (s *store) existing(ctx context.Context, name string) (a answer, err error) {
	f, err := s.root.Open(name)
	if err != nil {
		return a, err
	}
	sum := sha256.New()
	n, err := add(ctx, sum, f)
	return answer{exists, n, hex.EncodeToString(sum.Sum(nil))}, errors.Join(err, f.Close())
}

func (p *part) size() int64 { return p.n.Load() }

func (p *part) answer(kind string) answer {
	return answer{kind, p.size(), hex.EncodeToString(p.sum.Sum(nil))}
}

// append writes at most a chunk behind what the part has. What has come is written also if the
// client is gone. Then ctx has ended, and the disk is as fast as it can be.
func (p *part) append(ctx context.Context, b []byte) error {
	_ = p.slow.WaitN(ctx, len(b)) // fails only if ctx ends
	n, err := p.store.write(p.file, b)
	p.sum.Write(b[:n])
	p.n.Add(int64(n))
	return orFull(err)
}

// sync returns when all that was appended is on the disk.
func (p *part) sync() error { return orFull(p.file.Sync()) }

func orFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errors.Join(refuse(diskFull, "the server's disk is full"), err)
	}
	return err
}

// commit gives the file its name, unless there is a file of that name by now. The part must have
// been synced. A link is made and the part's name removed: unlike a rename, that replaces no file.
func (p *part) commit() error {
	root := p.store.root
	err := root.Link(partOf(p.name), p.name)
	if errors.Is(err, fs.ErrExist) {
		return errExists
	}
	if err != nil {
		return err
	}
	if err := root.Remove(partOf(p.name)); err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // where folders cannot be synced
		return nil
	}
	folder, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// discard removes what has come.
func (p *part) discard() error { return p.store.root.Remove(partOf(p.name)) }

// close keeps what has come, if any, for a client that continues.
func (p *part) close() error {
	err := errors.Join(p.sync(), p.file.Close())
	if p.size() > 0 {
		return err
	}
	if e := p.discard(); !errors.Is(e, fs.ErrNotExist) { // discarded before, or an empty file stored
		err = errors.Join(err, e)
	}
	return err
}

// sweepEach sweeps now and after each interval, until ctx ends.
func (s *store) sweepEach(
	ctx context.Context, interval, keep time.Duration, note func(format string, args ...any),
) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := s.sweep(keep, note); err != nil {
			note("parts are not swept: %v", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweep removes the parts of files that exist, which a crash in commit leaves, and those that were
// not continued for longer than keep.
func (s *store) sweep(keep time.Duration, note func(format string, args ...any)) error {
	parts, err := fs.Glob(s.root.FS(), ".*.part")
	for _, path := range parts {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "."), ".part")
		if s.lock(name) {
			err = errors.Join(err, s.sweepPart(name, keep, note))
			s.unlock(name)
		}
	}
	return err
}

func (s *store) sweepPart(
	name string, keep time.Duration, note func(format string, args ...any),
) error {
	part, err := s.root.Lstat(partOf(name))
	switch {
	case errors.Is(err, fs.ErrNotExist): // it was complete before its name was locked
		return nil
	case err != nil:
		return err
	}
	if _, err := s.root.Lstat(name); err != nil && time.Since(part.ModTime()) < keep {
		return nil
	}
	note("%s: its part is removed", name)
	return s.root.Remove(partOf(name))
}

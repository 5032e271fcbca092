package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Need is something that a row needs on the machine.
type Need interface {
	fmt.Stringer

	// Install installs it, unless it is there. It is called once or more, also concurrently.
	Install(ctx context.Context) error
}

// An installation happens once, whatever the number of rows that need it.
type installation struct {
	mu   sync.Mutex
	done bool
	err  error
}

func (i *installation) once(f func() error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.done {
		i.err = f()
		i.done = true
	}
	return i.err
}

// installTime limits one installation. Two busy cores build a large program in more than ten minutes.
const installTime = 20 * time.Minute

// A Debian is a set of Debian packages.
type Debian struct {
	Packages []string
	command  string // that is there if the packages, or others like them, are; "": ask dpkg
	inst     installation
}

// Packages needs Debian packages, which root installs with apt-get.
func Packages(names ...string) *Debian { return &Debian{Packages: names} }

// Program needs a command, which the Debian packages install if it is not there.
func Program(command string, packages ...string) *Debian {
	return &Debian{Packages: packages, command: command}
}

func (d *Debian) String() string { return "Debian " + strings.Join(d.Packages, ", ") }

// apt is held while apt-get runs: it locks its database, and does not wait.
var apt sync.Mutex

// Install runs apt-get, unless what is needed is there.
func (d *Debian) Install(ctx context.Context) error {
	return d.inst.once(func() error {
		apt.Lock()
		defer apt.Unlock()
		if d.installed(ctx) {
			return nil
		}
		if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
			return errors.New("not installed, and only root on Debian can install it here")
		}
		restore, err := noServices()
		if err != nil {
			return err
		}
		defer restore()
		if err := updated.once(func() error { return run(ctx, "", "apt-get", "update", "-qq") }); err != nil {
			return err
		}
		if err := run(ctx, "", "dpkg", "--configure", "-a"); err != nil { // an interrupted run left it so
			return err
		}
		args := []string{"install", "-y", "-qq", "--no-install-recommends"}
		return run(ctx, "", "apt-get", append(args, d.Packages...)...)
	})
}

var updated installation // of apt's lists

func (d *Debian) installed(ctx context.Context) bool {
	if d.command != "" {
		_, err := lookPath(d.command)
		return err == nil
	}
	for _, name := range d.Packages {
		out, err := command(ctx, "dpkg-query", "-W", "-f", "${Status}", name).Output()
		if err != nil || !strings.HasSuffix(string(out), " installed") {
			return false
		}
	}
	return true
}

// lookPath finds a program. Some are in a folder that is in the PATH of root alone.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		if found, err := exec.LookPath(filepath.Join("/usr/sbin", name)); err == nil {
			return found, nil
		}
	}
	return path, err
}

// noServices lets apt-get start no service of what it installs. Debian's packages ask the program
// policy-rc.d before they start one. restore removes it again, unless the machine had one.
func noServices() (restore func(), err error) {
	const policy = "/usr/sbin/policy-rc.d"
	f, err := os.OpenFile(policy, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if errors.Is(err, os.ErrExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString("#!/bin/sh\nexit 101\n")
	return func() { _ = os.Remove(policy) }, errors.Join(err, f.Close())
}

// NPM is the folder of the peers for Node, with its package-lock.json.
type NPM struct {
	Dir  string
	inst installation
}

func (n *NPM) String() string { return "npm ci in " + n.Dir }

// Install runs npm ci, unless the lock file in node_modules is that of the folder.
func (n *NPM) Install(ctx context.Context) error {
	return n.inst.once(func() error {
		want, err := os.Stat(filepath.Join(n.Dir, "package-lock.json"))
		if err != nil {
			return err
		}
		got, err := os.Stat(filepath.Join(n.Dir, "node_modules", ".package-lock.json"))
		if err == nil && !got.ModTime().Before(want.ModTime()) {
			return nil
		}
		return run(ctx, n.Dir, "npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts")
	})
}

// A GoProgram is a program of this module or of its workspace, which is built into the folder Bin.
type GoProgram struct {
	Package string // relative to the folder of the module, or its path
	Module  string // the folder of the go.mod that has Package, if it is in no go.work
	inst    installation
	path    string
}

// Bin is the folder of the programs that are built.
var Bin = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "interop-bin") })

func (g *GoProgram) String() string { return "go build " + g.Package }

// Install builds the program.
func (g *GoProgram) Install(ctx context.Context) error {
	return g.inst.once(func() error {
		bin, err := Bin()
		if err != nil {
			return err
		}
		g.path = filepath.Join(bin, filepath.Base(g.Package))
		if g.Module != "" {
			return run(ctx, g.Module, "env", "GOWORK=off", "go", "build", "-o", g.path, g.Package)
		}
		return run(ctx, "", "go", "build", "-o", g.path, g.Package)
	})
}

// Path returns the program.
func (g *GoProgram) Path() string { return g.path }

// A CProgram is a program of one file, which gcc builds into the folder Bin.
type CProgram struct {
	Source string   // relative to the folder of the module
	Flags  []string // after the source: the libraries
	inst   installation
	path   string
}

func (c *CProgram) String() string { return "gcc " + c.Source }

// Install builds the program.
func (c *CProgram) Install(ctx context.Context) error {
	return c.inst.once(func() error {
		bin, err := Bin()
		if err != nil {
			return err
		}
		c.path = filepath.Join(bin, strings.TrimSuffix(filepath.Base(c.Source), ".c"))
		return run(ctx, "", "gcc", append([]string{"-O2", "-o", c.path, c.Source}, c.Flags...)...)
	})
}

// Path returns the program.
func (c *CProgram) Path() string { return c.path }

// run runs a command to its end. Its error has the end of what the command said.
func run(ctx context.Context, dir, name string, args ...string) error {
	late := fmt.Errorf("it did not end within %v", installTime)
	ctx, cancel := context.WithTimeoutCause(ctx, installTime, late)
	defer cancel()
	cmd := command(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), cmp.Or(context.Cause(ctx), err), tail(out))
	}
	return nil
}

// command returns a command that the end of the context kills, with all that it has started.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

func tail(b []byte) string { return plain(string(b[max(0, len(b)-600):])) }

// ErrAbsent is the error of what no registry has that this program uses. It is no failure.
var ErrAbsent = errors.New("it cannot be installed")

// An Absent is something that cannot be installed.
type Absent struct{ Name, Why string }

func (a *Absent) String() string { return a.Name }

// Install says why not.
func (a *Absent) Install(context.Context) error { return fmt.Errorf("%w: %s", ErrAbsent, a.Why) }

var number = regexp.MustCompile(`\d+(\.\d+)+\S*`)

// Output runs a command and returns the first version number that it writes, such as 1.22.1, or else
// its first line.
func Output(ctx context.Context, name string, args ...string) (string, error) {
	path, err := lookPath(name)
	if err != nil {
		return "", err
	}
	out, err := command(ctx, path, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, tail(out))
	}
	if v := number.Find(out); v != nil {
		return string(v), nil
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return strings.TrimSpace(line), nil
}

// ModuleDir returns the folder of this module: the folder of the program's own go.mod.
func ModuleDir() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w; run it in a checkout of the project", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}

const module = "github.com/wsstream/wsstream/interop"

// RemoveBuilt removes the programs that were built.
func RemoveBuilt() {
	if bin, err := Bin(); err == nil {
		_ = os.RemoveAll(bin)
	}
}

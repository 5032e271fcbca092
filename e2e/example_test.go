//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/interop/trial"
)

// example builds a program of examples and starts it with args. It returns the address of its page.
func example(t *testing.T, name string, args ...string) (page string) {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", trial.FreePort(t))
	args = append([]string{"-listen", addr}, args...)
	start(t, addr, build(t, "../examples", name), args...)
	return "http://" + addr + "/"
}

// built are the programs that build has built.
var built struct {
	mu    sync.Mutex
	dir   string          // guarded by mu, as is paths
	paths map[string]bool // that are there
}

// build builds the program in a folder of a module, once, and returns its path.
func build(t *testing.T, module, name string) (binary string) {
	t.Helper()
	built.mu.Lock()
	defer built.mu.Unlock()
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "e2e") //nolint:usetesting // it outlives this test
		require.NoError(t, err)
		built.dir, built.paths = dir, map[string]bool{}
	}
	binary = filepath.Join(built.dir, name)
	if built.paths[binary] {
		return binary
	}
	build := exec.Command("go", "build", "-o", binary, "./"+name)
	build.Dir = module
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	built.paths[binary] = true
	return binary
}

// start starts a program and waits until it listens at addr.
func start(t *testing.T, addr, program string, args ...string) *trial.Process {
	t.Helper()
	p := trial.Start(t, "", nil, program, args...)
	p.Listens(patiently{t}, addr)
	return p
}

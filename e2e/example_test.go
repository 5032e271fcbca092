//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/interop/trial"
)

// example builds a program of examples and starts it. It returns the address of its page.
func example(t *testing.T, name string) (page string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-o", binary, "./"+name)
	build.Dir = "../examples"
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	addr := fmt.Sprintf("127.0.0.1:%d", trial.FreePort(t))
	trial.Start(t, "", nil, binary, "-listen", addr).Listens(patiently{t}, addr)
	return "http://" + addr + "/"
}

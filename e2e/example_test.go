//go:build e2e

package e2e

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// example builds a program of examples and starts it. It returns the address of its page.
func example(t *testing.T, name string) (page string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	build := exec.Command(found(t, "go"), "build", "-o", binary, "./"+name)
	build.Dir = "../examples"
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	cmd := exec.CommandContext(t.Context(), binary, "-listen", "127.0.0.1:0")
	own(cmd)
	cmd.Cancel = func() error { kill(cmd); return nil }
	cmd.Stderr = t.Output()
	said, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		kill(cmd)
		_ = cmd.Wait() // it was killed
	})
	line, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	page = regexp.MustCompile(`http://\S+`).FindString(line)
	require.NotEmpty(t, page, line)
	return page
}

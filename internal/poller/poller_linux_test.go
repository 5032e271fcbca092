package poller

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAProgramThatIsStartedDoesNotGetThePoller(t *testing.T) {
	armed(t)
	fd := current.p.kernel.fd
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
	require.Zero(t, errno)
	require.NotZero(t, flags&syscall.FD_CLOEXEC)
	out, err := exec.Command("/bin/sh", "-c", "ls -l /proc/$$/fd").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "eventpoll")
	var names []string
	for _, fd := range descriptors() {
		name, err := os.Readlink(fmt.Sprint("/proc/self/fd/", fd))
		require.NoError(t, err)
		names = append(names, name)
	}
	require.Contains(t, strings.Join(names, " "), "eventpoll")
}

package console

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// aTerminal returns the two ends of a terminal: what a program writes to, and what a user sees and
// types.
func aTerminal(t *testing.T, columns uint16) (tty, user *os.File) {
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = user.Close() })
	fd := int(user.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	tty, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tty.Close() })
	require.NoError(t, unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ,
		&unix.Winsize{Row: 24, Col: columns}))
	return tty, user
}

// sees returns what the user sees next.
func sees(t *testing.T, user *os.File) string {
	b := make([]byte, 4096)
	n, err := user.Read(b)
	require.NoError(t, err)
	return string(b[:n])
}

func TestOnATerminalProgressIsABarOfTheWindowsWidth(t *testing.T) {
	tty, user := aTerminal(t, 40)
	stop := Progress(tty, time.Hour, func() State { return state(50) })
	stop()
	seen := sees(t, user)
	require.Contains(t, seen, "\r  50% |█████     |  first ")
	require.NotContains(t, seen, "second", "which has no room")
}

func TestOnATerminalAnErrorReplacesTheInterruptsEcho(t *testing.T) {
	tty, user := aTerminal(t, 40)
	Fail(tty, "program", errors.New("interrupted"))
	require.True(t, strings.HasPrefix(sees(t, user), "\rprogram: interrupted"))
}

func TestATextOfOthersCannotCommandATerminal(t *testing.T) {
	tty, user := aTerminal(t, 80)
	const text = "ü\t\x1b]0;title\a\n\u009b2J"
	require.Equal(t, "ü\t"+`\x1b]0;title\a\n\u009b2J`, Printable(tty, text))
	require.Equal(t, text, Printable(new(strings.Builder), text), "which is no terminal")
	Fail(tty, "program", errors.New("the peer said \x1b[2J"))
	require.Contains(t, sees(t, user), `the peer said \x1b[2J`)
}

func TestATerminalThatDoesNotKnowItsWidthHas80Columns(t *testing.T) {
	tty, _ := aTerminal(t, 0)
	require.Equal(t, 80, width(tty))
}

package console

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/examples/internal/console/consoletest"
)

func TestOnATerminalProgressIsABarOfTheWindowsWidth(t *testing.T) {
	tty, user := consoletest.Terminal(t, 40)
	stop := Progress(tty, time.Hour, func() State { return state(50) })
	stop()
	seen := consoletest.Sees(t, user)
	require.Contains(t, seen, "\r  50% |█████     |  first ")
	require.NotContains(t, seen, "second", "which has no room")
}

func TestOnATerminalAnErrorReplacesTheInterruptsEcho(t *testing.T) {
	tty, user := consoletest.Terminal(t, 40)
	Fail(tty, "program", errors.New("interrupted"))
	require.True(t, strings.HasPrefix(consoletest.Sees(t, user), "\rprogram: interrupted"))
}

func TestATextOfOthersCannotCommandATerminal(t *testing.T) {
	tty, user := consoletest.Terminal(t, 80)
	const text = "ü\t\x1b]0;title\a\n\u009b2J"
	require.Equal(t, "ü\t"+`\x1b]0;title\a\n\u009b2J`, Printable(tty, text))
	require.Equal(t, text, Printable(new(strings.Builder), text), "which is no terminal")
	Fail(tty, "program", errors.New("the peer said \x1b[2J"))
	require.Contains(t, consoletest.Sees(t, user), `the peer said \x1b[2J`)
}

func TestATerminalThatDoesNotKnowItsWidthHas80Columns(t *testing.T) {
	tty, _ := consoletest.Terminal(t, 0)
	require.Equal(t, 80, width(tty))
}

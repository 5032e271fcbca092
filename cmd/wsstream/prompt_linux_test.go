package main_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/wsstream/wsstream"
)

// A user is at a terminal in which the program runs.
type user struct {
	t        *testing.T
	cmd      *exec.Cmd
	terminal *os.File
	seen     string // what is on the screen and was not looked at
}

func atATerminal(t *testing.T, env []string, args ...string) *user {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = terminal.Close() })
	require.NoError(t, terminal.SetReadDeadline(time.Now().Add(time.Minute)))
	n := 0
	control(t, terminal, func(fd int) error {
		n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0),
			unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	})
	tty, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	defer tty.Close()
	u := &user{t: t, cmd: exec.Command(binary, args...), terminal: terminal}
	u.cmd.Stdin, u.cmd.Stdout, u.cmd.Stderr = tty, tty, tty
	u.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	u.cmd.Env = append(append(os.Environ(), "TERM=xterm", "NO_COLOR="), env...)
	require.NoError(t, u.cmd.Start())
	t.Cleanup(func() {
		_ = u.cmd.Process.Kill()
		_ = u.cmd.Wait()
	})
	return u
}

// control calls f with a file's descriptor, which stays one that does not block.
func control(t *testing.T, file *os.File, f func(fd int) error) {
	t.Helper()
	raw, err := file.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { err = f(int(fd)) }))
	require.NoError(t, err)
}

// echoes reports whether the terminal shows what is typed.
func (u *user) echoes() (yes bool) {
	control(u.t, u.terminal, func(fd int) error {
		state, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		yes = err == nil && state.Lflag&unix.ECHO != 0
		return err
	})
	return yes
}

func (u *user) types(keys string) {
	u.t.Helper()
	_, err := u.terminal.WriteString(keys)
	require.NoError(u.t, err)
}

// sees waits until the text is on the screen.
func (u *user) sees(want string) {
	u.t.Helper()
	b := make([]byte, 4096)
	for !strings.Contains(u.seen, want) {
		n, err := u.terminal.Read(b)
		require.NoError(u.t, err, "the screen has %q, and not %q", u.seen, want)
		u.seen += string(b[:n])
	}
	_, u.seen, _ = strings.Cut(u.seen, want)
}

func (u *user) wantEnd(status int) {
	u.t.Helper()
	_ = u.cmd.Wait()
	require.Equal(u.t, status, u.cmd.ProcessState.ExitCode())
}

func TestAtATerminalDialIsAPromptWithHistory(t *testing.T) {
	u := atATerminal(t, nil, "dial", server(t, nil, echo))
	u.sees("connected to ws://")
	u.sees("> ")
	u.types("hello\r")
	u.sees("\x1b[36m< hello\x1b[0m")
	u.types("\x1b[A, again\r") // the arrow up
	u.sees("< hello, again")
	u.types("//slash\r")
	u.sees("< /slash")
	u.types("/ping\r")
	u.sees("pong after ")
	u.types("/help\r")
	u.sees("/close [CODE [REASON]]")
	u.types("/close 1005\r")
	u.sees("* close code 1005")
	u.types("\x04") // Ctrl-D
	u.wantEnd(0)
}

func TestThePromptShowsWhatComesAndControlFrames(t *testing.T) {
	u := atATerminal(t, []string{"NO_COLOR=1"}, "dial", "--show-control", server(t, nil,
		func(conn *wsstream.Conn, r *http.Request) error {
			if _, err := conn.Ping(r.Context()); err != nil {
				return err
			}
			if _, err := conn.Readable().Pull(r.Context()); err != nil {
				return err
			}
			for _, m := range []wsstream.Message{
				wsstream.Text("\x1b[2J two\nlines\x07"), wsstream.Binary([]byte("\x00\xff")),
				wsstream.Binary(make([]byte, 33)),
			} {
				if err := conn.Writable().Write(r.Context(), m); err != nil {
					return err
				}
			}
			_, err := conn.Readable().Pull(r.Context())
			return err
		}))
	u.sees("* ping ")
	u.types("go on\r")
	u.sees(`< \x1b[2J two`)
	u.sees(`lines\a`)
	u.sees("< 2 bytes: 00 ff")
	u.sees("< 33 bytes: 00 00")
	u.sees("00 …")
	u.types("/close 4000 good bye\r")
	u.sees("* close 4000")
	u.wantEnd(0)
}

func TestCtrlCAtThePromptClosesAndAnotherCuts(t *testing.T) {
	url, closes := mute(t)
	u := atATerminal(t, nil, "dial", "--close-timeout", "1h", url)
	u.sees("< hi")
	u.types("\x03")
	<-closes
	u.types("\x03")
	u.sees("wsstream: interrupted")
	u.wantEnd(130)
}

func TestTheTerminalIsGivenBackAsItWas(t *testing.T) {
	u := atATerminal(t, nil, "dial", server(t, nil, echo))
	u.sees("> ")
	u.types("a\r")
	u.sees("< a")
	require.False(t, u.echoes(), "the prompt does that")
	u.types("/close\r")
	u.wantEnd(0)
	require.True(t, u.echoes())
}

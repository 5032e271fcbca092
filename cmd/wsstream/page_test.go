package main_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	place = regexp.MustCompile(`localhost:(\d{4})`)
)

// A section of the page is a list of blocks, which share a folder and their servers.
func TestEachBlockOfThePageRuns(t *testing.T) {
	page, err := os.ReadFile("../../docs/command.md")
	require.NoError(t, err)
	commands := 0
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		blocks := fence.FindAllStringSubmatch(section, -1)
		if len(blocks) == 0 {
			continue
		}
		title, _, _ := strings.Cut(section, "\n")
		t.Run(title, func(t *testing.T) {
			folder := t.TempDir()
			certificate(t, folder)
			require.NoError(t, os.Mkdir(filepath.Join(folder, "public"), 0o700))
			ports := map[string]string{}
			for i, block := range blocks {
				if block[1] != "sh" {
					continue
				}
				commands++
				script := place.ReplaceAllStringFunc(block[2], func(address string) string {
					if ports[address] == "" {
						ports[address] = freePort(t)
					}
					return ports[address]
				})
				if regexp.MustCompile(`^wsstream (serve|relay) `).MatchString(script) {
					background(t, folder, script)
					continue
				}
				stdout := foreground(t, folder, script)
				if i+1 < len(blocks) && blocks[i+1][1] == "text" {
					require.Equal(t, blocks[i+1][2], stdout, script)
				}
			}
		})
	}
	require.Greater(t, commands, 20, "the page was parsed")
}

// freePort returns an address at which nothing listens.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return fmt.Sprint("localhost:", l.Addr().(*net.TCPAddr).Port)
}

// shell returns a shell that runs a script with the program in its path.
func shell(t *testing.T, folder, script string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "NO_PROXY=*")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// background starts a server, which the end of the test interrupts.
func background(t *testing.T, folder, script string) {
	cmd := shell(t, folder, "exec "+script)
	stderr := pipe(t)
	cmd.Stderr = stderr[1]
	require.NoError(t, cmd.Start())
	require.NoError(t, stderr[1].Close())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		require.Zero(t, cmd.ProcessState.ExitCode(), script)
	})
	line, err := bufio.NewReader(stderr[0]).ReadString('\n')
	require.NoError(t, err, script)
	require.Contains(t, line, "listening on")
}

// foreground runs a script to its end. Its first line may name the exit status.
func foreground(t *testing.T, folder, script string) (stdout string) {
	want := 0
	_, _ = fmt.Sscanf(script, "# exit status %d", &want)
	cmd := shell(t, folder, script)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	require.Equal(t, want, cmd.ProcessState.ExitCode(), "%s%s", script, errs.String())
	return out.String()
}

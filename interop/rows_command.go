package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
)

// runCommand puts the proxy in front of wsstream serve, which relays a command's standard streams.
func (p *proxy) runCommand(t *trial.T) {
	t.Check("a command's streams: lines both ways", func(t *trial.T) {
		conn := p.dialCommand(t, `read line; echo "got $line"; cat`)
		for _, c := range [][2]string{{"first", "got first"}, {"水", "水"}} {
			require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text(c[0])))
			m, err := conn.Readable().Pull(t.Context())
			require.NoError(t, err)
			require.Equal(t, c[1], string(m.Data))
		}
		require.NoError(t, conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
	})
	t.Check("a command's streams: flood from the command", p.commandFloods)
	t.Check("a command's streams: flood to the command", p.commandStops)
}

// dialCommand connects through the proxy to a command of the shell.
func (p *proxy) dialCommand(t *trial.T, script string) *wsstream.Conn {
	addr := fmt.Sprintf("127.0.0.1:%d", t.FreePort())
	served := t.Start("", nil, ourNeed.Path(), "serve", "--listen", addr, "--", "sh", "-c", script)
	served.Listens(t, addr)
	f, _, _ := p.before(t, addr, "", "")
	conn := wsstream.Dial(t.Context(), f.URL, nil)
	t.Cleanup(conn.CloseNow)
	_, err := conn.Opened().Wait(t.Context())
	require.NoError(t, err)
	return conn
}

// commandFloods pulls nothing for three seconds while a command writes, which must block.
func (p *proxy) commandFloods(t *trial.T) {
	dir, err := os.MkdirTemp(t.TempDir(), "command")
	require.NoError(t, err)
	pid := filepath.Join(dir, "pid")
	const lines = 4_000_000 // about 32 MB
	conn := p.dialCommand(t, fmt.Sprintf("echo $$ >%s.new; mv %s.new %s; exec seq %d", pid, pid, pid, lines))
	pause(t, floodPause-floodPause/3) // the command writes meanwhile: this is what is measured
	early := written(t, pid)
	pause(t, floodPause/3)
	stalled := written(t, pid)
	t.Note("flood from a command", "%s", trial.Bytes(stalled))
	require.Equal(t, early, stalled, "the command went on")
	require.Positive(t, stalled)
	for i := range lines {
		m, err := conn.Readable().Pull(t.Context())
		require.NoError(t, err)
		if string(m.Data) != strconv.Itoa(i+1) { // as require would say, which takes long
			require.Equal(t, i+1, string(m.Data))
		}
	}
	_, err = conn.Readable().Pull(t.Context())
	require.Error(t, err)
	info, err := conn.Closed().Wait(t.Context())
	require.NoError(t, err)
	t.Note(battery.Closes, "the command's end: we saw %v", info)
	require.Equal(t, 1000, info.Code)
}

// written returns how many bytes a process has written, by the file that has its number.
func written(t *trial.T, pid string) (n int64) {
	number, err := os.ReadFile(pid)
	require.NoError(t, err)
	io, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(number)), "io"))
	require.NoError(t, err)
	for line := range strings.Lines(string(io)) {
		if value, ok := strings.CutPrefix(line, "wchar: "); ok {
			n, err = strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			require.NoError(t, err)
		}
	}
	return n
}

// commandStops floods a command that reads nothing for three seconds.
func (p *proxy) commandStops(t *trial.T) {
	conn := p.dialCommand(t, fmt.Sprintf("sleep %d; head -n %d | cksum", int(floodPause/time.Second), floodCount))
	line := strings.Repeat("x", floodSize-1)
	early, n := flooded(t, func(ctx context.Context, _ int) error {
		return conn.Writable().Write(ctx, wsstream.Text(line))
	})
	t.Note("flood to a command", "%s", battery.Stall(early, n))
	require.Less(t, n, floodCount, "nothing held the flood back")
	m, err := conn.Readable().Pull(t.Context())
	require.NoError(t, err)
	_, size, _ := strings.Cut(string(m.Data), " ")
	require.Equal(t, strconv.Itoa(floodCount*floodSize), size)
	info, err := conn.Closed().Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1000, info.Code)
}

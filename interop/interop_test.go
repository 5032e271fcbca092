package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
)

func TestMain(m *testing.M) {
	code := m.Run()
	trial.RemoveBuilt()
	os.Exit(code)
}

func TestWrongArgumentsAreNamed(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-only", "no such peer"}, `no row has "no such peer" in its name`},
		{[]string{"-parallel", "0"}, "-parallel is at least 1"},
		{[]string{"ws"}, "it takes no arguments"},
		{[]string{"-nonsense"}, "not defined: -nonsense"},
	} {
		var out, err bytes.Buffer
		require.Equal(t, usageStatus, command(c.args, &out, &err))
		require.Contains(t, err.String(), c.says)
		require.Empty(t, out.String())
	}
}

func TestListNamesEachRowOnce(t *testing.T) {
	var out, err bytes.Buffer
	require.Zero(t, command([]string{"-list"}, &out, &err))
	seen := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		require.False(t, seen[line], line)
		seen[line] = true
	}
	require.Len(t, seen, len(rows()))
}

func TestOnlyChoosesByPartsOfNames(t *testing.T) {
	chosen, err := choose(rows(), "gorilla,nbio/client", false)
	require.NoError(t, err)
	var names []string
	for _, r := range chosen {
		names = append(names, r.ID())
	}
	require.Equal(t, []string{"gorilla/websocket/server", "gorilla/websocket/client", "nbio/client"}, names)
}

func TestOnlyTakesTwoPartsOfOneName(t *testing.T) {
	chosen, err := choose(rows(), "ws/,graphql-ws", false)
	require.NoError(t, err)
	var names []string
	for _, r := range chosen {
		names = append(names, r.ID())
	}
	require.Contains(t, names, "graphql-ws/client")
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), len(names))
}

func TestThePageSaysWhatFailedAndWhatIsMissing(t *testing.T) {
	page := string(pageOf([]*trial.Result{
		{
			Row: &trial.Row{Name: "a peer", Role: trial.Server, Pitfalls: []string{"It has moods."},
				Known: map[string]string{"ping": "it has none."}},
			Version: "1.2",
			Passed:  []string{"echo"},
			Failed:  []string{"close: no answer"},
			Known:   []string{"ping"},
			Cannot:  []string{"fragments"},
			Notes:   []trial.Note{{What: battery.FloodTo, Value: "3 MiB"}},
		},
		{Row: &trial.Row{Name: "other", Role: trial.Client}, Missing: errors.New("not installed")},
	}))
	for _, says := range []string{
		"| [a peer](#a-peer-as-server) | server | 1.2 | 1 of 3, **failed** | 3 MiB | – | – |",
		"## a peer as server", "- Passed: `echo`.", "- It has nothing for: `fragments`.",
		"- `ping`: it has none.", "- **Failed**: close: no answer", "- It has moods.",
		"## other as client", "It was not run: not installed.",
	} {
		require.Contains(t, page, says)
	}
}

func TestARowThatFailsIsCountedAndTheOthersGoOn(t *testing.T) {
	version := func(context.Context) (string, error) { return "1", nil }
	needs := func(n trial.Need) []trial.Need { return []trial.Need{n} }
	fails := func(t *trial.T) {
		t.Check("first", func(t *trial.T) { t.Start("", nil, "sh", "-c", "echo noise; exit 3").URL(t) })
	}
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	waits := func(t *trial.T) {
		t.Check("first", func(t *trial.T) { t.Start("", nil, "sleep", "1000").Listens(t, other.Addr().String()) })
	}
	never := func(*trial.T) { panic("it ran") }
	var out bytes.Buffer
	results := runAll(t.Context(), []*trial.Row{
		{Name: "bad", Role: trial.Server, Version: version, Run: fails},
		{Name: "waiting", Role: trial.Server, Version: version, Run: waits},
		{Name: "uninstalled", Role: trial.Server, Run: never,
			Needs: needs(&trial.CProgram{Source: "peers/no such file.c"})},
		{Name: "unknown", Role: trial.Server, Run: never,
			Version: func(context.Context) (string, error) { return "", errors.New("no version") }},
		{Name: "absent", Role: trial.Server, Run: never, Needs: needs(&trial.Absent{Name: "it", Why: "it is secret"})},
		{Name: "good", Role: trial.Server, Version: version, Run: func(t *trial.T) { t.Check("all", func(*trial.T) {}) }},
	}, 2, &out)
	require.Equal(t, 4, failed(results))
	for _, says := range []string{
		"FAILED  bad/server 1", "first: ", "has ended: exit status 3", "noise",
		"FAILED  waiting/server 1", "first: the port is taken",
		"missing uninstalled/server: gcc peers/no such file.c: ", "no such file",
		"missing unknown/server: its version is not known: no version",
		"missing absent/server: it: it cannot be installed: it is secret",
		"ok      good/server 1",
	} {
		require.Contains(t, out.String(), says)
	}
}

// A peer of a protocol that still took messages after three seconds was said to hold the flood back.
func TestAFloodOfAProtocolThatGoesOnSlowlyIsNotSaidToStall(t *testing.T) {
	const tick, room = 20 * time.Millisecond, 100
	for _, c := range []struct {
		stalls         bool
		writes, counts string
	}{
		{stalls: true, writes: "3.1 MiB", counts: "3.1 MiB"},
		{stalls: false, writes: "none: 4.2 MiB in 3s, and more", counts: "none: 4.7 MiB in 3s, and more"},
	} {
		synctest.Test(t, func(t *testing.T) {
			row := &trial.Row{Version: func(context.Context) (string, error) { return "1", nil }}
			row.Run = func(t *trial.T) {
				slow := time.NewTicker(tick)
				defer slow.Stop()
				floodTo(t, func(ctx context.Context, i int) error {
					wait := slow.C
					if c.stalls {
						wait = nil
					}
					if last, _ := ctx.Deadline(); c.stalls && i < room || time.Until(last) > floodPause {
						return nil
					}
					select {
					case <-wait:
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				began := time.Now()
				t.Note("counts", "%s", stall(t, func() int {
					n := int(time.Since(began) / tick)
					if c.stalls {
						n = min(n, room)
					}
					return n
				}))
			}
			r := trial.Run(t.Context(), row, io.Discard)
			require.Empty(t, r.Failed)
			require.Equal(t, []string{c.writes}, r.Note(battery.FloodTo))
			require.Equal(t, []string{c.counts}, r.Note("counts"))
		})
	}
}

func TestTheExitStatusIsNoMoreThan125(t *testing.T) {
	results := make([]*trial.Result, 300)
	for i := range results {
		results[i] = &trial.Result{Failed: []string{"it"}}
	}
	require.Equal(t, 125, failed(results))
	require.Zero(t, failed(nil))
}

// The names are those that people look for.
func TestTheReadmeAnswersEachNameOfTheWebSocketWorld(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(readme), "## The WebSocket world\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	for name := range strings.SplitSeq("WebSocket, WebSocketStream, CloseEvent, MessageEvent, "+
		"WebTransport, Sec-WebSocket-Key, -Accept, -Version, -Protocol, -Extensions, AsyncAPI, "+
		"µWebSockets, Socket.IO, SocketCluster, WebSocket-Node, Total.js, SignalR, Caddy, ws, cowboy, "+
		"ZeroMQ, WebSocket King, PHP WebSocket servers, Django Channels, Phoenix Channels, "+
		"Phoenix LiveView, Flask-SocketIO, Gorilla", ", ") {
		require.Contains(t, section, name)
	}
	anchors := map[string]bool{}
	for _, row := range rows() {
		anchors[anchor(&trial.Result{Row: row})] = true
	}
	links := regexp.MustCompile(`docs/interop\.md#([^)]+)`).FindAllStringSubmatch(section, -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		require.True(t, anchors[link[1]], "no row has the anchor %s", link[1])
	}
}

func TestThePageBreaksItsLinesOutsideOfCode(t *testing.T) {
	var b bytes.Buffer
	item(&b, "- ", "%s `two words`, end", strings.Repeat("x", 85))
	require.Equal(t, "- "+strings.Repeat("x", 85)+"\n  `two words`, end\n", b.String())
}

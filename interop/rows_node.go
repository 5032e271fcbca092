package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

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

// A nodePeer is a program in peers/node that takes the role as its argument.
type nodePeer struct {
	name     string // of the row
	npm      string // the package that it tests
	program  string // the command, before the file: node, or another runtime
	file     string
	args     []string
	roles    []trial.Role
	settings battery.Settings
	pitfalls []string
	known    map[trial.Role]map[string]string
	core     bool
}

// nodeRows are the libraries and the runtimes of JavaScript outside browsers.
func nodeRows() (all []*trial.Row) {
	both := []trial.Role{trial.Server, trial.Client}
	for _, p := range []nodePeer{
		{name: "ws", npm: "ws", program: "node", file: "ws.mjs", roles: both, core: true},
	} {
		for _, role := range p.roles {
			all = append(all, &trial.Row{
				Name:     p.name,
				Role:     role,
				Core:     p.core,
				Needs:    []trial.Need{node, npms, npm},
				Pitfalls: p.pitfalls,
				Known:    p.known[role],
				Version:  npmVersion(p.npm),
				Run: func(t *trial.T) {
					args := append(append([]string{p.file}, p.args...), string(role))
					battery.In(role, t, t.Start(nodeDir, nil, p.program, args...), p.settings)
				},
			})
		}
	}
	return all
}

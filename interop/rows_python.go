package main

import (
	"context"
	"slices"
	"strings"

	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
)

const (
	pythonDir = "peers/python"
	python    = "/usr/bin/python3" // Debian's packages are for Debian's interpreter alone
)

// packageVersion returns the upstream version of a Debian package that is installed.
func packageVersion(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		v, err := trial.Output(ctx, "dpkg-query", "-W", "-f", "${source:Upstream-Version}", name)
		v, _, _ = strings.Cut(v, "+dfsg")
		return v, err
	}
}

// A pythonPeer is a program in peers/python. Its last argument is the role.
type pythonPeer struct {
	name      string   // of the row
	packages  []string // the first is the one that is tested
	args      []string
	roles     []trial.Role
	pitfalls  []string
	known     map[string]string
	client    map[string]string // known of the client, in place of known
	sometimes map[string]string
	core      bool
}

var (
	bothRoles  = []trial.Role{trial.Server, trial.Client}
	onlyServer = []trial.Role{trial.Server}
	onlyClient = []trial.Role{trial.Client}
)

// answers1000 are the faults of a peer that does not echo the code of a Close.
var answers1000 = map[string]string{
	"our close":              "it answers each Close with 1000, and does not echo its code.",
	"our close in its flood": "it answers each Close with 1000, and does not echo its code.",
}

var pythonPeers = []pythonPeer{
	{
		name:     "websockets (Python)",
		packages: []string{"python3-websockets"},
		args:     []string{"websockets_peer.py"},
		roles:    bothRoles,
		pitfalls: []string{
			"It sends texts in fragments only where each fragment is whole characters.",
			"It queues 32 messages that were not read, however large they are.",
		},
		core: true,
	},
	{
		name:     "aiohttp",
		packages: []string{"python3-aiohttp"},
		args:     []string{"aiohttp_peer.py"},
		roles:    bothRoles,
		pitfalls: []string{
			"It shows the pong of its own ping only if `autoping` is off, and then its user answers pings.",
			"With `autoclose` off, its user answers a Close, and may echo its code.",
		},
		known: answers1000,
	},
	{
		name:     "tornado",
		packages: []string{"python3-tornado"},
		args:     []string{"tornado_peer.py"},
		roles:    bothRoles,
		pitfalls: []string{
			"Its server reads the next message only after `on_message` has ended, if that is a coroutine.",
		},
		client: map[string]string{
			"compression without context takeover": "it ignores parameters without a value, and refers " +
				"to its earlier messages. Leave `PeerNoContextTakeover` off.",
		},
		sometimes: map[string]string{
			"our close in its flood": "after the answer to a Close it drops what its socket has not " +
				"taken, with the answer itself.",
		},
	},
	{
		name:     "autobahn",
		packages: []string{"python3-autobahn"},
		args:     []string{"autobahn_peer.py"},
		roles:    bothRoles,
		pitfalls: []string{
			"Under asyncio it has no backpressure of its own. The peer's program pauses asyncio's " +
				"transport, and overrides asyncio's `pause_writing`: without both it swallows.",
			"With the option `echoCloseCodeReason` it echoes the code of a Close.",
		},
		known: answers1000,
	},
	{
		name:     "trio-websocket",
		packages: []string{"python3-trio-websocket"},
		args:     []string{"trio_peer.py"},
		roles:    bothRoles,
		pitfalls: []string{
			"trio lets the kernel buffer only 16 KiB that are not sent: it stalls earlier than others.",
		},
	},
	{
		name:     "websocket-client",
		packages: []string{"python3-websocket"},
		args:     []string{"websocket_client_peer.py"},
		roles:    onlyClient,
		known:    answers1000,
	},
	{
		name:     "uvicorn (websockets)",
		packages: []string{"python3-uvicorn", "python3-websockets"},
		args:     []string{"asgi_peer.py", "uvicorn-websockets"},
		roles:    onlyServer,
	},
	{
		name:     "uvicorn (wsproto)",
		packages: []string{"python3-uvicorn", "python3-wsproto"},
		args:     []string{"asgi_peer.py", "uvicorn-wsproto"},
		roles:    onlyServer,
		known: map[string]string{
			"our cut": "its application is not told that a connection has ended without a Close.",
		},
	},
	{
		name:     "hypercorn",
		packages: []string{"python3-hypercorn"},
		args:     []string{"asgi_peer.py", "hypercorn"},
		roles:    onlyServer,
		known: map[string]string{
			"our close": "its application is told 1006 for each Close that the client sends.",
			"our cut":   "its application is not told that a connection has ended without a Close.",
		},
	},
	{
		name:     "Django Channels (daphne)",
		packages: []string{"python3-django-channels", "python3-daphne"},
		args:     []string{"channels_peer.py"},
		roles:    onlyServer,
		pitfalls: []string{
			"A consumer that waits holds nothing back: daphne reads on, and queues without a limit.",
		},
		known: map[string]string{
			"empty messages":         "daphne sends no message without bytes.",
			"our close":              answers1000["our close"],
			"our close in its flood": answers1000["our close"],
			"its close":              "`close` of a consumer takes no reason.",
		},
	},
}

// pythonRows are the libraries of Python that Debian has.
func pythonRows() (all []*trial.Row) {
	for _, p := range pythonPeers {
		need := trial.Packages(p.packages...)
		for _, role := range p.roles {
			known := p.known
			if role == trial.Client && p.client != nil {
				known = p.client
			}
			all = append(all, &trial.Row{
				Name:      p.name,
				Role:      role,
				Core:      p.core,
				Needs:     []trial.Need{need},
				Pitfalls:  p.pitfalls,
				Known:     known,
				Sometimes: p.sometimes,
				Version:   packageVersion(p.packages[0]),
				Run: func(t *trial.T) {
					args := slices.Concat([]string{"-B"}, p.args, []string{string(role)}) // -B: no __pycache__
					battery.In(role, t, t.Start(pythonDir, nil, python, args...), battery.Settings{})
				},
			})
		}
	}
	return all
}

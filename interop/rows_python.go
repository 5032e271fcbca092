package main

import (
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
)

// Debian's packages of Python are for Debian's interpreter alone.
const python = "/usr/bin/python3"

// inPython returns a program in peers/python.
func inPython(args ...string) program {
	return program{dir: "peers/python", command: append([]string{python, "-B"}, args...)} // no __pycache__
}

// answers1000 are the faults of a peer that does not echo the code of a Close.
var answers1000 = map[string]string{
	"our close":              "it answers each Close with 1000, and does not echo its code.",
	"our close in its flood": "it answers each Close with 1000, and does not echo its code.",
}

const geventClose = "its Close is malformed: the reason is where the code belongs. wsstream ends with 1006, " +
	"and tells it 1002."

var pythonPeers = []debianPeer{
	{
		name:     "websockets (Python)",
		packages: []string{"python3-websockets"},
		program:  inPython("websockets_peer.py"),
		roles:    bothRoles,
		pitfalls: []string{
			"It sends texts in fragments only where each fragment is whole characters.",
			"It queues 32 messages that were not read, however large they are.",
			"It takes messages of 1 MiB, as `max_size` is. The row raises it.",
		},
		agreed: map[trial.Role]battery.Agreed{
			trial.Server: {
				Takeover: "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
				NoTakeover: "permessage-deflate; server_no_context_takeover; client_no_context_takeover; " +
					"server_max_window_bits=12; client_max_window_bits=12",
				Small: "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
			},
			trial.Client: battery.Ours,
		},
		core: true,
	},
	{
		name:     "aiohttp",
		packages: []string{"python3-aiohttp"},
		program:  inPython("aiohttp_peer.py"),
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
		program:  inPython("tornado_peer.py"),
		roles:    bothRoles,
		pitfalls: []string{
			"Its server reads the next message only after `on_message` has ended, if that is a coroutine.",
		},
		client: map[string]string{
			"compression without context takeover": noParameters,
		},
		sometimes: map[string]string{
			"our close in its flood": "after the answer to a Close it drops what its socket has not " +
				"taken, with the answer itself.",
		},
	},
	{
		name:     "autobahn",
		packages: []string{"python3-autobahn"},
		program:  inPython("autobahn_peer.py"),
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
		program:  inPython("trio_peer.py"),
		roles:    bothRoles,
		pitfalls: []string{
			"trio lets the kernel buffer only 16 KiB that are not sent: it stalls earlier than others.",
			"It takes messages of 1 MiB, as `max_message_size` is. The row raises it.",
		},
	},
	{
		name:     "websocket-client",
		packages: []string{"python3-websocket"},
		program:  inPython("websocket_client_peer.py"),
		roles:    onlyClient,
		known:    answers1000,
	},
	{
		name:     "uvicorn (websockets)",
		packages: []string{"python3-uvicorn", "python3-websockets"},
		program:  inPython("asgi_peer.py", "uvicorn-websockets"),
		roles:    onlyServer,
	},
	{
		name:     "uvicorn (wsproto)",
		packages: []string{"python3-uvicorn", "python3-wsproto"},
		program:  inPython("asgi_peer.py", "uvicorn-wsproto"),
		roles:    onlyServer,
		settings: battery.Settings{EndUntold: true},
		known: map[string]string{
			"our cut": "its application is not told that a connection has ended without a Close.",
		},
	},
	{
		name:     "hypercorn",
		packages: []string{"python3-hypercorn"},
		program:  inPython("asgi_peer.py", "hypercorn"),
		roles:    onlyServer,
		settings: battery.Settings{EndUntold: true},
		known: map[string]string{
			"our close": "its application is told 1006 for each Close that the client sends.",
			"our cut":   "its application is not told that a connection has ended without a Close.",
		},
	},
	{
		name:     "gevent-websocket",
		packages: []string{"python3-gevent-websocket"},
		program:  inPython("gevent_peer.py"),
		roles:    onlyServer,
		pitfalls: []string{
			"It does not tell its application the code of a Close: the peer's program overrides " +
				"`handle_close`.",
		},
		known: map[string]string{
			"our close":              geventClose,
			"its close":              geventClose,
			"our close in its flood": geventClose,
		},
	},
	{
		name:     "Django Channels (daphne)",
		packages: []string{"python3-django-channels", "python3-daphne"},
		program:  inPython("channels_peer.py"),
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
func pythonRows() []*trial.Row { return debianRowsOf(pythonPeers) }

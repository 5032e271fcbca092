package main

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
)

// packageVersion returns the upstream version of a Debian package that is installed.
func packageVersion(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		v, err := trial.Output(ctx, "dpkg-query", "-W", "-f", "${source:Upstream-Version}", name)
		v, _, _ = strings.Cut(v, "+dfsg")
		return v, err
	}
}

func (p *debianPeer) versionOf() func(context.Context) (string, error) {
	if p.version == nil {
		return packageVersion(p.packages[0])
	}
	return func(ctx context.Context) (string, error) {
		return trial.Output(ctx, p.version[0], p.version[1:]...)
	}
}

// A program is a peer's. Its command gets the role as its last argument.
type program struct {
	dir     string
	command []string
}

// A debianPeer is a peer that Debian's packages have.
type debianPeer struct {
	name      string   // of the row
	packages  []string // the first is the one that is tested
	program   program
	version   []string // a command that says it; by default it is that of the package
	roles     []trial.Role
	settings  battery.Settings
	agreed    map[trial.Role]battery.Agreed
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

func debianRowsOf(peers []debianPeer) (all []*trial.Row) {
	for _, p := range peers {
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
				Version:   p.versionOf(),
				Run: func(t *trial.T) {
					args := append(slices.Clone(p.program.command[1:]), string(role))
					process := t.Start(p.program.dir, nil, p.program.command[0], args...)
					settings := p.settings
					settings.Agreed = p.agreed[role]
					battery.In(role, t, process, settings)
				},
			})
		}
	}
	return all
}

const (
	noSubprotocol = "it names no subprotocol in its answer. Set `SubprotocolOptional`."
	noParameters  = "it ignores parameters without a value, and refers to its earlier messages. Leave " +
		"`PeerNoContextTakeover` off."
)

var debianPeers = []debianPeer{
	{
		name:     "Java HttpClient",
		packages: []string{"default-jdk-headless"},
		program:  program{"peers/java", []string{"java", "Peer.java"}},
		version:  []string{"java", "--version"},
		roles:    onlyClient,
		pitfalls: []string{
			"Its text in fragments must have whole characters in each fragment.",
		},
		sometimes: map[string]string{
			"our cut": "if its program asks for one message at a time, it sometimes does not say that the " +
				"connection was cut. With `request(Long.MAX_VALUE)` it does.",
		},
	},
	{
		name:     "Mojolicious",
		packages: []string{"libmojolicious-perl"},
		program:  program{"peers/perl", []string{"perl", "mojolicious.pl"}},
		roles:    bothRoles,
		pitfalls: []string{
			"It accepts messages up to 256 KiB unless `max_websocket_size` is raised.",
			"Its callback of `send` is its backpressure. To pause reading, stop the stream of its IOLoop.",
		},
		client: map[string]string{
			"compression without context takeover": noParameters,
		},
	},
	{
		name:     "em-websocket (Ruby)",
		packages: []string{"ruby-em-websocket"},
		program:  program{"peers/ruby", []string{"ruby", "em_websocket.rb"}},
		roles:    onlyServer,
		pitfalls: []string{
			"It has no backpressure of its own. The peer's program uses EventMachine's: `pause` and " +
				"`get_outbound_data_size`.",
			"It unmasks each byte in Ruby, and takes many seconds for 32 MiB.",
		},
		known: map[string]string{"subprotocol": noSubprotocol},
	},
	{
		name:     "faye-websocket (Ruby)",
		packages: []string{"ruby-faye-websocket", "thin"},
		program:  program{"peers/ruby", []string{"ruby", "faye_websocket.rb"}},
		roles:    bothRoles,
		pitfalls: []string{
			"It has no backpressure. Bytes are arrays of numbers, and it is slow with them.",
		},
	},
	{
		name:     "Qt WebSockets",
		packages: []string{"python3-pyqt5.qtwebsockets"},
		program:  inPython("qt_peer.py"),
		roles:    bothRoles,
		pitfalls: []string{
			"It cannot pause reading. Its backpressure for sending is `bytesToWrite`.",
		},
		known: map[string]string{
			"subprotocol": "Qt 5 knows no subprotocols.",
			"our cut":     "its close code for a connection that was cut is 1000.",
		},
	},
	{
		name:     "PHP stream sockets",
		packages: []string{"php-cli"},
		program:  program{"peers/php", []string{"php", "server.php"}},
		version:  []string{"php", "-r", "echo PHP_VERSION;"},
		roles:    onlyServer,
		pitfalls: []string{
			"The server is a program of the project's over PHP's stream sockets, with a process for each " +
				"connection. Neither Debian nor the project's other installers have a library of PHP for it.",
		},
	},
}

// debianRows are the libraries of other languages that Debian has.
func debianRows() []*trial.Row {
	return append(debianRowsOf(debianPeers),
		libwebsockets(trial.Server, battery.Settings{}),
		libwebsockets(trial.Client, battery.Settings{CompressAll: true},
			"Where compression was agreed, it cannot read a message that is not compressed, and its event "+
				"loop hangs. Set `Threshold: -1`."),
		websocketd(),
	)
}

var lws = &trial.CProgram{Source: "peers/c/lws.c", Flags: []string{"-lwebsockets", "-pthread"}}

func libwebsockets(role trial.Role, settings battery.Settings, pitfalls ...string) *trial.Row {
	return &trial.Row{
		Name:    "libwebsockets",
		Role:    role,
		Needs:   []trial.Need{trial.Packages("gcc", "libc6-dev", "libwebsockets-dev"), lws},
		Version: packageVersion("libwebsockets-dev"),
		Pitfalls: append(pitfalls,
			"With compression it reads a buffer of `lws_write` until its next callback: keep it until then."),
		Run: func(t *trial.T) {
			battery.In(role, t, t.Start("", nil, lws.Path(), string(role)), settings)
		},
	}
}

// websocketd starts a command for each connection, and gives it each message as a line.
func websocketd() *trial.Row {
	return &trial.Row{
		Name:    "websocketd",
		Role:    trial.Server,
		Needs:   []trial.Need{trial.Packages("websocketd")},
		Version: packageVersion("websocketd"),
		Pitfalls: []string{
			"Its commands read and write lines: the battery runs with texts alone.",
			"It interrupts its command when the connection has ended, and tells it no code.",
		},
		Known: map[string]string{
			"subprotocol": noSubprotocol,
			"our close":   "its command is told only that its input has ended.",
			"its close":   "it cuts the connection when its command has ended, without a Close.",
		},
		Run: func(t *trial.T) {
			port := strconv.Itoa(t.FreePort())
			addr := "127.0.0.1:" + port
			p := t.Start("peers/python", nil, "websocketd", "--address=127.0.0.1", "--port="+port,
				"--loglevel=error", python, "-B", "websocketd_command.py")
			p.Listens(t, addr)
			battery.ServerAt(t, p, "ws://"+addr+"/", battery.Settings{TextOnly: true, TextFloods: true})
		},
	}
}

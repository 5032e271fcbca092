//go:build e2e

package e2e

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/interop/trial"
)

// nodeDir has the packages for Node.
const nodeDir = "../interop/peers/node"

// nodeJS stands in front of each Node program, behind page.js: say gives a value to the test, heard
// waits for a line of the test's.
const nodeJS = `
	const { WebSocket, WebSocketServer } = require('ws');
	const undici = require('undici7');
	globalThis.crypto ??= require('node:crypto').webcrypto;
	const { once } = require('node:events');
	const say = (v) => console.log(JSON.stringify({ say: JSON.stringify(v) }));
	const lines = require('node:readline').createInterface({ input: process.stdin })[Symbol.asyncIterator]();
	const heard = () => lines.next();
	const listen = async (options) => {
		const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, ...options });
		await once(server, 'listening');
		say('ws://127.0.0.1:' + server.address().port);
		return server;
	};
	const accepted = async (server) => (await once(server, 'connection'))[0];
`

// A program is Node with what it says and hears.
type program struct {
	*trial.Process
	said int // events that the test has had
}

// node runs the body of an async function in Node until the end of the test, which kills it, or
// until it throws.
func node(t *testing.T, body string) *program {
	t.Helper()
	script := "(async () => {" + pageJS + nodeJS + "{" + body + "\n}})()"
	return &program{Process: trial.Start(t, nodeDir, nil, "node", "-e", script)}
}

// said waits for the next value that p says.
func said[T any](t *testing.T, p *program) (v T) {
	t.Helper()
	e := p.Await(patiently{t}, p.said, "a value", func(e trial.Event) bool {
		p.said++
		return e.Say != ""
	})
	require.NoError(t, json.Unmarshal([]byte(e.Say), &v))
	return v
}

//go:build e2e

package e2e

import (
	"encoding/json"
	"io"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// nodeJS stands in front of each Node program, behind page.js: say gives a value to the test, heard
// waits for the test's go.
const nodeJS = `
	const { WebSocket, WebSocketServer } = require('ws');
	const undici = require('undici');
	globalThis.crypto ??= require('node:crypto').webcrypto;
	const { once } = require('node:events');
	const say = (v) => console.log(JSON.stringify(v));
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
	out *json.Decoder
	in  io.Writer
}

// node runs the body of an async function in Node until the end of the test, which kills it, or
// until it throws.
func node(t *testing.T, body string) *program {
	t.Helper()
	cmd := exec.CommandContext(patient(t), found(t, "node"), "-e",
		"(async () => {"+pageJS+nodeJS+"{"+body+"\n}})()")
	own(cmd)
	cmd.Cancel = func() error { kill(cmd); return nil }
	cmd.Dir = "node"
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		kill(cmd)
		_ = cmd.Wait() // it was killed
	})
	return &program{json.NewDecoder(out), in}
}

// said waits for the next value that p says.
func said[T any](t *testing.T, p *program) (v T) {
	t.Helper()
	require.NoError(t, p.out.Decode(&v))
	return v
}

// proceed lets p on that waits in heard.
func (p *program) proceed(t *testing.T) {
	t.Helper()
	_, err := io.WriteString(p.in, "\n")
	require.NoError(t, err)
}

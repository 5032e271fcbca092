// The battery's peer for WebSocket and WebSocketStream of a runtime, or of a package:
// PROGRAM client.mjs WebSocket|WebSocketStream global|undici7|undici8 client
import diagnostics from 'node:diagnostics_channel';
import { dialEach, subprotocol } from './node.mjs';
import { dial } from './standard.mjs';

const [name, from] = process.argv.slice(2);
const source = from === 'global' ? globalThis : await import(from);

// undici pings by a function of its own, and says pongs on a channel.
const undicis = (ws) => ({
	ping: (text) =>
		new Promise((resolve) => {
			const channel = diagnostics.channel('undici:websocket:pong');
			channel.subscribe(function pong({ payload }) {
				if (String(payload) !== text) return;
				channel.unsubscribe(pong);
				resolve();
			});
			source.ping(ws, Buffer.from(text));
		}),
});

// Bun's WebSocket has methods of the package ws, too.
const buns = (ws) => ({
	ping: (text) =>
		new Promise((resolve) => {
			ws.addEventListener('pong', resolve, { once: true });
			ws.ping(text);
		}),
});

let last; // the WebSocket that was made last
class Client extends source[name] {
	constructor(...args) {
		super(...args);
		last = this;
	}
}

dialEach(async (url) => {
	const peer = await dial(Client, url, [subprotocol]);
	if (name !== 'WebSocket') return peer;
	if (source.ping) Object.assign(peer, undicis(last));
	else if (last.ping) Object.assign(peer, buns(last));
	return peer;
});

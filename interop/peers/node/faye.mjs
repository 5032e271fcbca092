// The battery's peer for the package faye-websocket: node faye.mjs server|client
import { once } from 'node:events';
import { createServer } from 'node:http';
import WebSocket from 'faye-websocket';
import deflate from 'permessage-deflate';
import { dialEach, End, listens, Queue, serve, subprotocol } from './node.mjs';

function peer(ws) {
	const queue = new Queue();
	ws.on('message', (e) => queue.push(e.data));
	ws.on('close', (e) => queue.end(new End(e.code, e.reason)));
	ws.on('error', (e) => console.error(e.message));
	return {
		next: () => queue.next(),
		// send returns false if the sender should wait, as a stream's write does.
		async send(m) {
			if (!ws.send(typeof m === 'string' ? m : Buffer.from(m)) && ws.readyState === WebSocket.OPEN) {
				await Promise.race([once(ws, 'drain'), once(ws, 'close')]);
			}
		},
		close: (code, reason) => ws.close(code, reason),
		ping: (text) => new Promise((resolve) => ws.ping(text, resolve)),
		pause: () => ws.pause(),
		resume: () => ws.resume(),
	};
}

const options = { extensions: [deflate] };

if (process.argv[2] === 'server') {
	const http = createServer();
	http.on('upgrade', (request, socket, head) =>
		serve(peer(new WebSocket(request, socket, head, [subprotocol], options))));
	listens(http);
} else {
	dialEach(async (url) => {
		const ws = new WebSocket.Client(url, [subprotocol], options);
		const p = peer(ws);
		await once(ws, 'open');
		return p;
	});
}

// The battery's peer for the package ws: node ws.mjs server|client
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';
import { dialEach, End, Queue, say, sent, serve, subprotocol } from './node.mjs';

function peer(ws) {
	const queue = new Queue();
	ws.on('message', (data, binary) => queue.push(binary ? data : data.toString()));
	ws.on('close', (code, reason) => queue.end(new End(code, reason)));
	ws.on('error', console.error);
	return {
		next: () => queue.next(),
		send: (m) => sent((done) => ws.send(m, done)),
		close: (code, reason) => ws.close(code, reason),
		async ping(text) {
			const pong = once(ws, 'pong');
			ws.ping(text);
			await pong;
		},
		fragments(parts) {
			parts.forEach((p, i) => ws.send(p, { binary: false, fin: i === parts.length - 1 }));
		},
		pause: () => ws.pause(),
		resume: () => ws.resume(),
	};
}

if (process.argv[2] === 'server') {
	const server = new WebSocketServer({
		host: '127.0.0.1',
		port: 0,
		handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
		perMessageDeflate: { threshold: 0 },
	});
	server.on('connection', (ws) => serve(peer(ws)));
	server.on('listening', () => say({ url: `ws://127.0.0.1:${server.address().port}/` }));
} else {
	dialEach(async (url) => {
		const ws = new WebSocket(url, [subprotocol], { perMessageDeflate: { threshold: 0 } });
		const p = peer(ws);
		await once(ws, 'open');
		return p;
	});
}

// The battery's peer for Bun's server: bun bun.mjs server
import { End, Queue, say, serve, subprotocol } from './node.mjs';

function peer(ws) {
	const queue = new Queue();
	let drained = () => {};
	ws.data.peer = {
		message: (m) => queue.push(m),
		drain: () => drained(),
		close(code, reason) {
			queue.end(new End(code, reason));
			drained();
		},
	};
	return {
		next: () => queue.next(),
		// -1 says that the message is queued behind what the socket does not take, 0 that it was dropped.
		async send(m) {
			const drain = new Promise((resolve) => (drained = resolve));
			const n = ws.send(m);
			if (n === -1) await drain;
			else if (n === 0 && m.length > 0) throw new Error('dropped');
		},
		close: (code, reason) => ws.close(code, reason),
		async ping(text) {
			const pong = new Promise((resolve) => (ws.data.peer.pong = resolve));
			ws.ping(text);
			await pong;
		},
	};
}

const server = Bun.serve({
	hostname: '127.0.0.1',
	port: 0,
	fetch(request, server) {
		const offered = request.headers.get('sec-websocket-protocol') ?? '';
		const headers = offered.includes(subprotocol) ? { 'Sec-WebSocket-Protocol': subprotocol } : {};
		if (!server.upgrade(request, { headers, data: {} })) return new Response('', { status: 426 });
	},
	websocket: {
		perMessageDeflate: true,
		open: (ws) => serve(peer(ws)),
		message: (ws, m) => ws.data.peer.message(m),
		drain: (ws) => ws.data.peer.drain(),
		pong: (ws) => ws.data.peer.pong?.(),
		close: (ws, code, reason) => ws.data.peer.close(code, reason),
	},
});
say({ url: `ws://127.0.0.1:${server.port}/` });

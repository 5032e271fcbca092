// The battery's peer for the package websocket (WebSocket-Node): node websocket.mjs server|client
import { once } from 'node:events';
import { createServer } from 'node:http';
import websocket from 'websocket';
import { dialEach, End, listens, Queue, sent, serve, subprotocol } from './node.mjs';

function peer(connection) {
	const queue = new Queue();
	connection.on('message', (m) => queue.push(m.type === 'utf8' ? m.utf8Data : m.binaryData));
	connection.on('close', (code, reason) => queue.end(new End(code, reason)));
	connection.on('error', console.error);
	return {
		next: () => queue.next(),
		send: (m) => sent((done) => connection.send(typeof m === 'string' ? m : Buffer.from(m), done)),
		close: (code, reason) => connection.close(code, reason),
		async ping(text) {
			const pong = once(connection, 'pong');
			connection.ping(text);
			await pong;
		},
		pause: () => connection.pause(),
		resume: () => connection.resume(),
	};
}

const limits = { maxReceivedFrameSize: 8 << 20, maxReceivedMessageSize: 8 << 20 };

if (process.argv[2] === 'server') {
	const http = createServer();
	const server = new websocket.server({ httpServer: http, ...limits });
	server.on('request', (request) => {
		const offered = request.requestedProtocols.includes(subprotocol);
		serve(peer(request.accept(offered ? subprotocol : null, request.origin)));
	});
	listens(http);
} else {
	// Messages may come right behind 'connect': their handler cannot wait for a promise.
	dialEach((url) => new Promise((resolve) => {
		const client = new websocket.client(limits);
		client.on('connect', (connection) => resolve(peer(connection)));
		client.on('connectFailed', console.error);
		client.connect(url, [subprotocol]);
	}));
}

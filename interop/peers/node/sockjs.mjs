// The battery's peer for SockJS' raw endpoint, which speaks WebSocket alone: node sockjs.mjs server
import { createServer } from 'node:http';
import sockjs from 'sockjs';
import { End, listens, Queue, serve } from './node.mjs';

function peer(connection) {
	const queue = new Queue();
	connection.on('data', (m) => queue.push(m));
	connection.on('close', () => queue.end(new End())); // it does not say how
	return {
		textOnly: true,
		next: () => queue.next(),
		send: (m) => connection.write(m),
		close: (code, reason) => connection.close(code, reason),
	};
}

const http = createServer();
const server = sockjs.createServer({ prefix: '/battery', log: () => {} });
server.on('connection', (connection) => serve(peer(connection)));
server.installHandlers(http);
listens(http, '/battery/websocket');

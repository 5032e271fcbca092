// The peer for Socket.IO: node socketio.mjs server|client
//
// It answers these events, in both roles: "echo" is emitted back, "give" is acknowledged with its
// arguments, "ask" makes it call us, "flood" emits numbered items, each "item" is counted behind a
// slow handler until "sunk", "leave" and "cut" end the namespace and the transport.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { say } from './node.mjs';

const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

function serve(socket, engine) {
	socket.on('echo', (...args) => socket.emit('echo', ...args));
	socket.on('give', (...args) => args.pop()(...args));
	socket.on('ask', async (name, ...args) => {
		const answer = await socket.timeout(5000).emitWithAck(name, ...args);
		socket.emit('answer', answer);
	});
	// Engine.IO's "drain" is the only backpressure there is: its buffer went to the transport.
	socket.on('flood', async (count, size) => {
		for (let i = 0; i < count; i++) {
			socket.emit('item', i, Buffer.alloc(size));
			if (engine().writeBuffer.length > 64) await new Promise((r) => engine().once('drain', r));
			if (i % 8 === 7) say({ sent: i + 1 });
		}
		socket.emit('flooded');
	});
	let next = 0;
	let lost = false;
	let slow;
	socket.on('item', async (i) => {
		lost ||= i !== next++;
		await (slow ??= sleep(3000)); // Socket.IO calls the next handler all the same
	});
	socket.on('sunk', async () => {
		await slow;
		socket.emit('sunk', lost ? -1 : next);
	});
	socket.on('leave', () => socket.disconnect());
	socket.on('cut', () => engine().close());
	socket.on('disconnect', (reason) => say({ say: 'disconnect: ' + reason }));
}

if (process.argv[2] === 'server') {
	const http = createServer();
	const server = new Server(http, {
		transports: ['websocket'],
		pingInterval: 300,
		maxHttpBufferSize: 4 << 20,
	});
	server.on('connection', (socket) => serve(socket, () => socket.conn));
	const admin = server.of('/admin');
	admin.use((socket, next) => next(socket.handshake.auth.token === 'secret' ? undefined : new Error('not you')));
	admin.on('connection', (socket) => serve(socket, () => socket.conn));
	http.listen(0, '127.0.0.1', () => say({ url: `ws://127.0.0.1:${http.address().port}` }));
} else {
	createInterface({ input: process.stdin }).on('line', (line) => {
		const [url, namespace, token] = line.split(' ');
		const socket = io(url.replace('ws', 'http').replace(/\/$/, '') + namespace, {
			transports: ['websocket'],
			reconnectionDelay: 50,
			auth: { token },
			forceNew: true,
		});
		socket.once('connect', () => serve(socket, () => socket.io.engine));
		socket.on('connect', () => say({ say: 'connect' }));
		socket.on('connect_error', (e) => say({ say: 'refused: ' + e.message }));
	});
}

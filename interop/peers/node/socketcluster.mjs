// The peer for SocketCluster: node socketcluster.mjs server|client
//
// In both roles it answers the calls "echo" and "fail" and "sunk", and it does what the events
// "back", "ask", "flood", "item", "join", "publish", "leave" say.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import socketClusterServer from 'socketcluster-server';
import socketClusterClient from 'socketcluster-client';
import { sleep, tell } from './drive.mjs';
import { say } from './node.mjs';

async function each(stream, f) {
	for await (const v of stream) await f(v);
}

function serve(socket) {
	let next = 0;
	let lost = false;
	let slow;
	each(socket.procedure('echo'), (request) => request.end(request.data));
	each(socket.procedure('fail'), (request) => request.error(new Error('it is Monday')));
	each(socket.procedure('sunk'), (request) => {
		if (!lost && next === request.data) request.end(next);
		else setTimeout(() => request.end(lost ? -1 : next), 5000);
	});
	each(socket.receiver('back'), (data) => socket.transmit('back', data));
	each(socket.receiver('ask'), async ([name, data]) => {
		socket.transmit('answer', await socket.invoke(name, data));
	});
	// A consumer is a loop that may wait, and meanwhile the library holds what comes.
	each(socket.receiver('item'), async ([i]) => {
		lost ||= i !== next++;
		await (slow ??= sleep(3000));
	});
	each(socket.receiver('flood'), async ([count, size]) => {
		const text = 'x'.repeat(size);
		for (let i = 0; i < count; i++) {
			await socket.transmit('item', [i, text]);
			if (i % 8 === 7) say({ sent: i + 1 });
		}
	});
	each(socket.receiver('join'), async (channel) => {
		const c = socket.subscribe(channel);
		each(c, (data) => socket.transmit('heard', [channel, data]));
		await c.listener('subscribe').once();
		socket.transmit('joined', channel);
	});
	each(socket.receiver('publish'), async ([channel, data]) => {
		await socket.invokePublish(channel, data);
		socket.transmit('published', channel);
	});
	each(socket.receiver('leave'), () => socket.disconnect(4001, 'bye 水'));
	each(socket.listener('disconnect'), ({ code, reason }) => tell('disconnect', code, reason));
	each(socket.listener('error'), ({ error }) => console.error(error));
}

if (process.argv[2] === 'server') {
	const http = createServer();
	const server = socketClusterServer.attach(http, { pingInterval: 300, pingTimeout: 20_000 });
	each(server.listener('connection'), ({ socket }) => serve(socket));
	each(server.listener('warning'), ({ warning }) => console.error(warning));
	http.listen(0, '127.0.0.1', () => say({ url: `ws://127.0.0.1:${http.address().port}/socketcluster/` }));
} else {
	createInterface({ input: process.stdin }).on('line', (line) => {
		const url = new URL(line);
		const socket = socketClusterClient.create({
			hostname: url.hostname,
			port: Number(url.port),
			path: url.pathname,
			autoReconnectOptions: { initialDelay: 50, randomness: 1 },
		});
		serve(socket);
	});
}

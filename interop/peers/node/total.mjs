// The battery's peer for Total.js, in whose temporary folder it runs: node total.mjs server|client
//
// A connection of Total.js is of text or of binary messages, and its API does not say what came. The
// battery wants both: so the peer reads the opcode that Total.js keeps of the message.
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import 'total5';
import { dialEach, End, Queue, say, serve, subprotocol } from './node.mjs';

const textOpcode = 1;

function received(connection, data) {
	const { type, type2 } = connection.current;
	return (type || type2) === textOpcode ? data.toString() : data;
}

function client(connection) {
	const queue = new Queue();
	connection.on('message', (data) => queue.push(received(connection, data)));
	connection.on('close', (code, reason) => queue.end(new End(code, reason)));
	connection.on('error', console.error);
	return {
		next: () => queue.next(),
		send(m) {
			connection.options.type = typeof m === 'string' ? 'text' : 'binary';
			connection.send(typeof m === 'string' ? m : Buffer.from(m));
			connection.options.type = 'binary';
		},
		close: (code, reason) => connection.close(code, reason),
	};
}

function connect(url) {
	return new Promise((resolve) => {
		WEBSOCKETCLIENT((connection) => {
			// With compression it would ask for the type only when the message is compressed.
			Object.assign(connection.options, { type: 'binary', masking: true, compress: false, reconnect: 0 });
			const peer = client(connection);
			connection.on('open', () => {
				say({ say: 'open' });
				resolve(peer);
			});
			connection.connect(url, subprotocol);
		});
	});
}

// The server has one object for all connections of a route.
function route(all) {
	all.on('open', (connection) => {
		say({ say: 'open' });
		connection.queue = new Queue();
		serve({
			next: () => connection.queue.next(),
			send(m) {
				connection.datatype = typeof m === 'string' ? 'text' : 'binary';
				connection.send(typeof m === 'string' ? m : Buffer.from(m), true);
				connection.datatype = 'binary';
			},
			close: (code, reason) => connection.close(code, reason),
		});
	});
	all.on('message', (connection, data) => connection.queue.push(received(connection, data)));
	all.on('close', (connection, code, reason) => connection.queue.end(new End(code, reason)));
	all.on('error', (e) => console.error(e));
}

const size = 2 << 20; // bytes of the largest message

Total.directory = tmpdir(); // it makes folders there
if (process.argv[2] === 'server') {
	ROUTE('SOCKET / @binary', route, size);
	Total.routes.websockets[0].protocols = [subprotocol];
	Total.TRouting.sort(); // or routes begin to work after a tenth of a second
	Object.assign(CONF, { $ip: '127.0.0.1', $port: 0, $imprint: false });
	Total.http({ load: 'none' });
	await new Promise((resolve) => ON('ready', resolve));
	if (!Total.server.listening) await once(Total.server, 'listening');
	say({ url: `ws://127.0.0.1:${Total.server.address().port}/` });
} else {
	dialEach(connect);
}

// What programs of Node, Deno and Bun share: events go to standard output, URLs come from standard
// input.
import { createInterface } from 'node:readline';
import { obey } from './obey.mjs';

export * from './obey.mjs';

export const say = (event) => process.stdout.write(JSON.stringify(event) + '\n');

// serve obeys on a connection that a server has accepted.
export const serve = (peer) => obey(peer, say);

// listens says where an HTTP server listens, once it does.
export const listens = (server, path = '/') =>
	server.listen(0, '127.0.0.1', () => say({ url: `ws://127.0.0.1:${server.address().port}${path}` }));

// dialEach calls open with each URL that comes on standard input, and obeys on its connection.
export function dialEach(open) {
	createInterface({ input: process.stdin }).on('line', async (url) => {
		try {
			serve(await open(url));
		} catch (e) {
			console.error(e);
		}
	});
}

// sent waits for the callback that a library's send calls when the socket has taken a message.
export const sent = (send) => new Promise((resolve, reject) => send((e) => (e ? reject(e) : resolve())));

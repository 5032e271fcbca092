// Peers for the two clients that the standards of browsers have, wherever they are implemented.
import { End, Queue } from './obey.mjs';

const message = (data) => (data instanceof ArrayBuffer ? new Uint8Array(data) : data);

// A WebSocket has no backpressure: it queues what send takes, and what its user has not read.
export async function classic(ws) {
	const queue = new Queue();
	ws.binaryType = 'arraybuffer';
	ws.onmessage = (e) => queue.push(message(e.data));
	ws.onclose = (e) => queue.end(new End(e.code, e.reason, e.wasClean));
	if (ws.readyState === ws.CONNECTING) {
		await new Promise((resolve, reject) => {
			ws.onopen = resolve;
			ws.onerror = reject;
		});
	}
	return {
		next: () => queue.next(),
		send: (m) => ws.send(m),
		close: (code, reason) => ws.close(code, reason),
	};
}

// A WebSocketStream waits: for a read before it takes more from the peer, and in each write.
export async function streams(wss) {
	const closed = wss.closed.then(
		(info) => new End(info.closeCode, info.reason, true),
		(e) => new End(e.closeCode, e.reason, false),
	);
	const { readable, writable } = await wss.opened;
	const reader = readable.getReader();
	const writer = writable.getWriter();
	const ended = async () => {
		throw await closed;
	};
	return {
		async next() {
			const { value, done } = await reader.read().catch(ended);
			return done ? ended() : message(value);
		},
		send: (m) => writer.write(m).catch(ended),
		close: (closeCode, reason) => wss.close(closeCode ? { closeCode, reason } : {}),
	};
}

// dial opens a connection with a class of either API.
export const dial = (Client, url, protocols) =>
	'opened' in Client.prototype ? streams(new Client(url, { protocols })) : classic(new Client(url, protocols));

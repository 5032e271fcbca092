// The client of Phoenix Channels, driven by a row: node phoenix.mjs
import { Socket } from 'phoenix';
import { WebSocket } from 'ws';
import { drive, sleep, tell } from './drive.mjs';
import { say } from './node.mjs';

let socket;
let channel;
let next;
let slow;

const answer = (push) => new Promise((resolve, reject) => {
	push.receive('ok', (r) => resolve(r instanceof ArrayBuffer ? [...new Uint8Array(r)] : r))
		.receive('error', reject)
		.receive('timeout', () => reject(new Error('timeout')));
});

drive({
	connect: (url, heartbeat) => new Promise((resolve) => {
		socket = new Socket(url, {
			transport: WebSocket,
			heartbeatIntervalMs: heartbeat,
			reconnectAfterMs: () => 50,
			rejoinAfterMs: () => 50,
		});
		socket.onClose((e) => tell('closed', e.code));
		socket.onOpen(() => resolve());
		socket.connect();
	}),
	join(topic, params) {
		next = 0;
		slow = undefined;
		channel = socket.channel(topic, params);
		channel.on('notify', (p) => tell('notify', p instanceof ArrayBuffer ? [...new Uint8Array(p)] : p));
		// Nothing in the client's API holds the server back: it does not wait for a handler.
		channel.on('item', async (p) => {
			if (new DataView(p).getUint32(0) === next) next++;
			await (slow ??= sleep(3000));
		});
		channel.onClose(() => tell('left'));
		channel.onError((reason) => tell('crashed', reason));
		return answer(channel.join().receive('ok', () => tell('joined', topic)));
	},
	push: (event, payload) => answer(channel.push(event, payload)),
	pushBytes: (event, bytes) => answer(channel.push(event, new Uint8Array(bytes).buffer)),
	async items() {
		await slow;
		return next;
	},
	// A push is in the client's hands: nothing tells when the transport has it, but its reply.
	async flood(count, size) {
		for (let i = 0; i < count; i++) {
			const m = new Uint8Array(size);
			new DataView(m.buffer).setUint32(0, i);
			channel.push('item', m.buffer, 30_000);
			if (i % 8 === 7) {
				say({ sent: i + 1 });
				await sleep(0);
			}
		}
	},
	leave: () => answer(channel.leave()),
	disconnect: () => new Promise((resolve) => socket.disconnect(resolve)),
});

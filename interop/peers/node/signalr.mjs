// The client of SignalR, driven by a row: node signalr.mjs
import * as signalR from '@microsoft/signalr';
import { drive, sleep, tell } from './drive.mjs';
import { say } from './node.mjs';

let hub;
let sunk;

// An item of a Subject that can no longer be sent rejects a promise that only the client has.
process.on('unhandledRejection', console.error);

// streamed makes a stream of each array, whose items begin once the hub has been invoked.
const streamed = (args) => args.map((arg) => {
	if (!Array.isArray(arg)) return arg;
	const subject = new signalR.Subject();
	setTimeout(() => {
		for (const item of arg) subject.next(item);
		subject.complete();
	});
	return subject;
});

drive({
	async start(url) {
		hub = new signalR.HubConnectionBuilder()
			.withUrl(url, { skipNegotiation: true, transport: signalR.HttpTransportType.WebSockets })
			.withAutomaticReconnect([0, 50, 100])
			.configureLogging(signalR.LogLevel.Error)
			.build();
		hub.serverTimeoutInMilliseconds = 3000; // it gives up without the hub's pings
		// Nothing in the client's API holds the hub back: it does not wait for a handler.
		let next = 0;
		let slow;
		hub.on('item', async (i) => {
			if (i === next) next++;
			await (slow ??= sleep(3000));
		});
		sunk = new Promise((resolve) => hub.on('sunk', () => slow.then(() => resolve(next))));
		hub.on('notify', (...args) => tell('notify', ...args));
		hub.on('question', (a, b) => a + b);
		hub.on('trouble', () => { throw new Error('no answer'); });
		hub.onreconnected(() => tell('reconnected'));
		hub.onclose((e) => tell('closed', e?.message));
		await hub.start();
	},
	invoke: (target, ...args) => hub.invoke(target, ...args),
	send: (target, ...args) => hub.send(target, ...args),
	stream: (target, ...args) => new Promise((resolve, reject) => {
		const items = [];
		hub.stream(target, ...args).subscribe({
			next: (item) => items.push(item),
			complete: () => resolve(items),
			error: reject,
		});
	}),
	cancel: (target, after) => new Promise((resolve, reject) => {
		let n = 0;
		const subscription = hub.stream(target).subscribe({
			next() {
				if (++n === after) {
					subscription.dispose();
					resolve(n);
				}
			},
			complete() {},
			error: reject,
		});
	}),
	// upload streams each array to the hub, and passes the other arguments on.
	upload: (target, ...args) => hub.invoke(target, ...streamed(args)),
	both: (target, ...args) => new Promise((resolve, reject) => {
		const items = [];
		hub.stream(target, ...streamed(args)).subscribe({
			next: (item) => items.push(item),
			complete: () => resolve(items),
			error: reject,
		});
	}),
	uploadError(target, text) {
		const subject = new signalR.Subject();
		const done = hub.invoke(target, subject, 0);
		subject.next(1);
		subject.error(text);
		return done;
	},
	// uploadFlood cannot wait: Subject has no word of what the transport has taken.
	async uploadFlood(target, count, size) {
		const subject = new signalR.Subject();
		const done = hub.invoke(target, subject);
		for (let i = 0; i < count; i++) {
			subject.next(String(i).padStart(4, '0').padEnd(size, 'x'));
			if (i % 8 === 7) {
				say({ sent: i + 1 });
				await sleep(0);
			}
		}
		subject.complete();
		return done;
	},
	items: () => sunk,
	// send resolves when the transport has the message.
	async flood(target, count, size) {
		const text = 'x'.repeat(size);
		for (let i = 0; i < count; i++) {
			await hub.send(target, i, text);
			if (i % 8 === 7) {
				say({ sent: i + 1 });
				await sleep(0); // or the hub's pings are not read until the end
			}
		}
	},
	stop: () => hub?.stop(),
});

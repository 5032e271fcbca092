'use strict';
// What the tests' pages, and their Node programs, have at hand. url is the server's.

const hex = (buffer) => Array.from(new Uint8Array(buffer), (b) => b.toString(16).padStart(2, '0')).join('');

// note describes a message as the tests compare it: type, length in bytes, sha256.
async function note(data) {
	const text = typeof data === 'string';
	const bytes = text ? new TextEncoder().encode(data) : new Uint8Array(data);
	return { text, size: bytes.length, sum: hex(await crypto.subtle.digest('SHA-256', bytes)) };
}

// binary returns n bytes at random.
function binary(n) {
	const bytes = new Uint8Array(n);
	for (let i = 0; i < n; i += 65536) crypto.getRandomValues(bytes.subarray(i, i + 65536));
	return bytes;
}

// text returns a string of n bytes of UTF-8 whose characters take one to four bytes, at random.
function text(n) {
	const chars = ['a', 'é', '水', '😀'];
	const parts = [];
	const random = binary(n);
	for (let i = 0; n > 0; i++) {
		const size = Math.min(1 + (random[i] & 3), n);
		parts.push(chars[size - 1]);
		n -= size;
	}
	return parts.join('');
}

// end tells how a promise of WebSocketStream's came out.
const end = (promise) => promise.then(
	(v) => ({ code: v.closeCode, reason: v.reason, clean: true }),
	(e) => ({ code: e.closeCode ?? 0, reason: e.reason ?? '', clean: false, error: e.name }),
);

// within tells whether the promise settles in that many milliseconds.
const within = (ms, promise) => Promise.race([promise.then(() => true, () => true), new Promise((r) => setTimeout(r, ms, false))]);

// classic opens a WebSocket and keeps what comes: messages is a queue with next(), end the close event.
function classic(url, protocols, WebSocket = globalThis.WebSocket) {
	const ws = new WebSocket(url, protocols);
	ws.binaryType = 'arraybuffer';
	const queue = [], waiting = [];
	ws.onmessage = (e) => (waiting.length ? waiting.shift()(e.data) : queue.push(e.data));
	ws.next = () => (queue.length ? Promise.resolve(queue.shift()) : new Promise((r) => waiting.push(r)));
	ws.opened = new Promise((resolve, reject) => {
		ws.onopen = resolve;
		ws.addEventListener('close', () => reject(new Error('never opened')));
	});
	ws.opened.catch(() => {});
	ws.end = new Promise((r) => (ws.onclose = (e) => r({ code: e.code, reason: e.reason, clean: e.wasClean })));
	return ws;
}

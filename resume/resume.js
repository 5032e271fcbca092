// A ResumeStream is a client of package resume: a WebSocketStream that survives the loss of its
// connections. PROTOCOL.md says what it sends. To use it, copy this file; it needs no other one.
const PROTOCOL = 'resume.v1.wsstream';
const TEXT = 1, BINARY = 2, END = 3, ACK = 4, HELLO = 5, WELCOME = 6; // kinds of records
const LOST = 1006, OVER = 4000, VIOLATION = 4003, GIVEN_UP = 4004; // close codes of a connection
const final = { // the close codes after which another connection would not help
	4000: 'it is over for the server', 4001: 'the server does not have it any more',
	4002: 'another connection has taken it over', 4003: 'the server saw the protocol broken',
	4004: 'the server gave it up', 4005: 'the server refuses the user', 1002: 'a broken frame',
	1003: 'a refused type', 1007: 'a refused text', 1009: 'too large a message', 1010: 'no extension',
};
const utf8 = new TextEncoder(), strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const decode = (kind, body) => (kind === TEXT ? strict.decode(body) : body);
const mayClose = (code) => code === 1000 || (code >= 3000 && code <= 4999);
const must = (ok, rule) => { if (!ok) throw new Error(rule); };
const int = (bytes) => bytes.reduce((n, byte) => n * 256 + byte, 0); // numbers are big-endian
const big = (n, size) => Array.from({ length: size }, (_, i) => (n / 256 ** (size - 1 - i)) & 255);

function record(kind, ...parts) {
	const bytes = new Uint8Array(parts.reduce((n, part) => n + part.length, 5));
	parts.unshift([kind], big(bytes.length - 5, 4));
	parts.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
	return bytes;
}

// connect gives a WebSocketStream the shape of a WebSocket. Nothing waits for a write: the window
// of the session limits what waits to be sent, on both.
function connect(Socket, url, protocols) {
	if (!('opened' in Socket.prototype)) return new Socket(url, protocols);
	const wss = new Socket(url, { protocols }), ws = { close: (closeCode) => wss.close({ closeCode }) };
	wss.opened.then(async ({ readable, writable, protocol }) => {
		const writer = writable.getWriter();
		ws.send = (bytes) => { writer.write(bytes).catch(() => {}); }; // closed tells it, too
		ws.onopen(ws.protocol = protocol);
		for await (const data of readable) ws.onmessage({ data });
	}).catch(() => {});
	wss.closed.then((end) => ws.onclose({ code: end.closeCode }), () => ws.onclose({ code: LOST }));
	return ws;
}

/** A LostError has a closeCode, and in unacknowledged the messages that may not have arrived. */
export class LostError extends Error {}

export class ResumeStream {
	/** Called when a connection was lost, and when another one continues. @type {() => void} */
	onlost; onresumed;

	/**
	 * The window is in bytes, each way. The session ends if it is away for so many milliseconds, or
	 * if the signal ends before it has opened. The protocols are further ones to offer. The socket
	 * is WebSocket or WebSocketStream.
	 * @param {string | URL} url
	 * @param {{window?: number, away?: number, signal?: AbortSignal, protocols?: string[],
	 *   socket?: typeof WebSocket}} [options]
	 */
	constructor(url, { window = 1 << 20, away = 120_000, signal, protocols = [], socket } = {}) {
		// Positions are bytes in a stream of records, as in PROTOCOL.md.
		let received = 0, taken = 0, told = [0, 0]; // from the server; told is in the last ACK
		let written = 0, sent = 0, acked = 0, freed = 0; // to the server; freed: what it has taken
		let unacked = []; // our records behind acked
		let read = { end: 0 }, newest = read; // a linked list of messages; the first one was read
		let ws, greeted = false, cut = () => {}; // the connection; cut ends it
		let wake = () => {}, hurry = () => {}; // end the wait of a write, and of the next attempt
		let max, over, ownEnd, peerEnd, failure, wanted, dropping, ackTimer, awayTimer;
		let source, sink, open, refuse, settle, reject;
		/** @type {Promise<{readable: ReadableStream, writable: WritableStream}>} */
		this.opened = new Promise((...f) => { [open, refuse] = f; });
		/** @type {Promise<{closeCode: number, reason: string}>} rejects with a LostError */
		this.closed = new Promise((...f) => { [settle, reject] = f; });
		// A page need not handle both.
		for (const promise of [this.opened, this.closed]) promise.catch(() => {});

		const fail = (error) => {
			if (failure || over) return;
			failure = error;
			clearTimeout(awayTimer);
			for (const f of [refuse, reject, (e) => sink.error(e), feed, wake, hurry]) f(error);
			cut(error.closeCode === VIOLATION ? VIOLATION : GIVEN_UP);
		};
		const lose = (why, closeCode = LOST) => {
			const lost = unacked.filter((r) => r[0] !== END).map((r) => decode(r[0], r.slice(5)));
			const error = new LostError(`session lost, ${lost.length} messages unacknowledged: ${why}`);
			fail(Object.assign(error, { closeCode, unacknowledged: lost }));
		};
		const leave = () => { awayTimer = setTimeout(lose, away, `it was away for ${away} ms`); };
		const send = (records) => { sent = written; for (const bytes of records) ws.send(bytes); };
		const put = (...parts) => { // a record that counts
			const bytes = record(...parts);
			written += bytes.length;
			unacked.push(bytes);
			if (greeted) send([bytes]); // otherwise the next connection gets it
		};
		const finish = (code, reason = '') => {
			if (ownEnd) return;
			ownEnd = new DOMException('the session was closed', 'InvalidStateError');
			put(END, ...(code && code !== 1005 ? [big(code, 2), utf8.encode(reason)] : []));
			sink.error(ownEnd);
			wake();
		};
		const abort = (e) => finish(mayClose(e?.closeCode) ? e.closeCode : e && 1011, e?.reason);
		const tell = () => {
			ackTimer = clearTimeout(ackTimer);
			if (!greeted || (told[0] === received && told[1] === taken)) return;
			ws.send(record(ACK, ...(told = [received, taken]).map((n) => big(n, 8))));
		};
		const feed = () => { // gives the page the message that a read waits for, or the end
			const next = dropping ? newest : wanted && read.next;
			if (next && next.end > taken) {
				[read, taken, wanted] = [next, next.end, false];
				if (taken - told[1] >= window / 2) tell();
				else ackTimer ??= setTimeout(tell, 5);
				if (!dropping) source.enqueue(next.data); // it may call pull
			} else if (!read.next && !dropping && failure) source.error(failure);
			else if (!read.next && !dropping && peerEnd) source.close();
		};
		const acknowledge = (has, took) => {
			must(took <= has && has <= sent, 'it acknowledges what was not sent');
			let n = 0;
			while (acked < has) acked += unacked[n++].length;
			unacked.splice(0, n);
			freed = Math.max(freed, took);
			wake();
		};
		const receive = (bytes) => {
			for (let at = 0, end; at < bytes.length; at = end) {
				end = at + 5 + int(bytes.subarray(at + 1, at + 5));
				const kind = bytes[at], body = bytes.slice(at + 5, end);
				const number = (i) => int(body.subarray(i, i + 8));
				must(end <= bytes.length && greeted === (kind !== WELCOME), 'a record out of place');
				if (kind === ACK || kind === WELCOME) acknowledge(number(0), number(8));
				if (kind === WELCOME) {
					must(number(0) === acked, 'it has less than it said before');
					clearTimeout(awayTimer);
					greeted = true;
					send(unacked);
					tell(); // what was read since HELLO
					if (max !== undefined) queueMicrotask(() => this.onresumed?.());
					else [window, max] = [Math.min(window, number(16)), number(24)];
					open({ readable, writable });
				} else if (kind === TEXT || kind === BINARY) {
					must(!peerEnd && received - taken < window, 'it sends more than it may');
					received += end - at;
					newest = newest.next = { data: decode(kind, body), end: received };
					feed();
				} else if (kind === END) {
					must(!peerEnd, 'a second END');
					received += end - at;
					const reason = strict.decode(body.subarray(2));
					peerEnd = { closeCode: int(body.subarray(0, 2)) || 1005, reason };
					finish(peerEnd.closeCode, reason);
					tell();
					feed();
				} else must(kind === ACK, `a record of kind ${kind}`);
			}
			ackTimer ??= setTimeout(tell, 5);
			if (!peerEnd || acked < written) return;
			over ??= Date.now();
			ws.close(OVER);
		};
		const connection = (resolve) => { // lives with one connection, and gives its close code
			const mine = ws = connect(socket ?? WebSocket, url, [PROTOCOL, ...protocols]);
			ws.binaryType = 'arraybuffer';
			ws.onopen = () => {
				if (mine.protocol !== PROTOCOL) return lose(`the server does not know ${PROTOCOL}`);
				told = [received, taken];
				mine.send(record(HELLO, ...[received, taken, window, 0].map((n) => big(n, 8)),
					[max === undefined ? 0 : 1], id));
			};
			ws.onmessage = ({ data }) => {
				try { // what an older connection receives comes again
					if (ws === mine) receive(new Uint8Array(data));
				} catch (e) { lose(`the server broke the protocol: ${e.message}`, VIOLATION); }
			};
			ws.onclose = ({ code }) => resolve(code);
			cut = (code) => { resolve(LOST); mine.close(code); };
			setTimeout(() => ws === mine && !greeted && cut(), 10_000);
		};
		const run = async () => {
			leave();
			for (let pause = 100; !failure; pause = Math.min(2 * pause, 10_000)) {
				const before = received + acked, code = await new Promise(connection);
				if (code === OVER && peerEnd && sent === written) over ??= Date.now();
				if (over && (code !== LOST || Date.now() > over + 5000)) return settle(peerEnd);
				if (!over && final[code]) return lose(final[code], code);
				if (greeted && !over && !failure) {
					leave();
					queueMicrotask(() => this.onlost?.());
				}
				[ws, greeted] = [undefined, false];
				if (received + acked > before) pause = 100;
				await new Promise((f) => setTimeout(hurry = f, pause * (0.5 + Math.random())));
			}
		};
		const id = crypto.getRandomValues(new Uint8Array(32));
		const readable = new ReadableStream({
			start: (c) => { source = c; },
			pull: () => { wanted = true; feed(); },
			cancel: (e) => { dropping = true; feed(); abort(e); },
		}, { highWaterMark: 0 }); // so that a message is taken when the page has read it
		const writable = new WritableStream({
			start: (c) => { sink = c; c.signal.onabort = () => abort(c.signal.reason); },
			write: async (chunk) => {
				const text = typeof chunk === 'string', { buffer = chunk, byteOffset, byteLength } = chunk;
				const body = text ? utf8.encode(chunk) : new Uint8Array(buffer, byteOffset, byteLength);
				must(text || byteLength >= 0, 'a message is a string, an ArrayBuffer or a view of one');
				must(!max || body.length <= max, `the server takes at most ${max} bytes`);
				while (!(failure ?? ownEnd) && written - freed >= window) await new Promise((f) => { wake = f; });
				if (failure ?? ownEnd) throw failure ?? ownEnd;
				put(text ? TEXT : BINARY, body);
			},
			close: () => { finish(); return this.closed.then(() => {}); },
		});
		/** Makes another connection now, for example when the browser is online again. */
		this.reconnect = () => { cut(); hurry(); };
		/** Ends the session in order: what was written is sent first. */
		this.close = ({ reason = '', closeCode = reason ? 1000 : undefined } = {}) => {
			must(mayClose(closeCode ?? 1000), 'a close code is 1000 or 3000 to 4999');
			must(utf8.encode(reason).length < 124, 'a reason has at most 123 bytes');
			finish(closeCode, reason);
			if (max === undefined) lose('it was closed before it opened');
		};
		signal?.addEventListener('abort', () => max ?? fail(signal.reason));
		(signal?.aborted ? Promise.reject(signal.reason) : run()).catch(fail);
	}
}

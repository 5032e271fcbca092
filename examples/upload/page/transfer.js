// One file on its way to the server. See asyncapi.yaml.

import { SHA256 } from './sha256.js';

const base = location.href.replace(/^http/, 'ws').replace(/[^/]*$/, '');

export const ways = {
	stream: 'WebSocketStream' in globalThis, // whether the browser has it
	classic: false, // whether the page uses WebSocket all the same
};

const pause = (ms) => new Promise((r) => setTimeout(r, ms));

// An Ended is the end of a connection.
class Ended extends Error {
	constructor({ closeCode, reason }) {
		closeCode ??= 1006;
		super(reason || { 1006: 'the connection was lost', 1011: 'the server failed' }[closeCode] || `the server closed with ${closeCode}`);
		this.code = closeCode;
	}
}

// classic gives a WebSocket the streams of a WebSocketStream. A WebSocket takes all that it gets:
// what it has not sent is asked for, again and again.
async function classic(url) {
	const ws = new WebSocket(url);
	const closed = new Promise((r) => { ws.onclose = ({ code, reason }) => r({ closeCode: code, reason }); });
	const readable = new ReadableStream({
		start(c) {
			ws.onmessage = ({ data }) => c.enqueue(data);
			ws.addEventListener('close', () => c.close());
		},
		cancel() { ws.onmessage = null; ws.close(); },
	});
	const writable = new WritableStream({
		start(c) { closed.then((end) => c.error(new Ended(end))); },
		async write(bytes) {
			ws.send(bytes);
			while (ws.bufferedAmount > 256 * 1024 && ws.readyState === WebSocket.OPEN) await pause(10);
		},
		abort() { ws.close(); },
	});
	await new Promise((opened) => { ws.onopen = opened; closed.then(opened); });
	if (ws.readyState !== WebSocket.OPEN) throw new Ended(await closed);
	return { readable, writable, closed };
}

async function connect(url, signal) {
	if (!ways.stream || ways.classic) return classic(url);
	const wss = new WebSocketStream(url, { signal });
	const closed = wss.closed.catch((e) => e); // it has a code, too
	const { readable, writable } = await wss.opened.catch((e) => { throw signal.aborted ? e : new Ended({}); });
	return { readable, writable, closed };
}

// A Transfer uploads a file until the server has all of it, through as many connections as it takes.
export class Transfer {
	sent = 0; // bytes that were given to the connection
	stored = 0; // bytes on the server's disk
	sha256 = ''; // of the whole file, once it is stored
	#marks = [new SHA256()]; // of the file's beginning, a hash each 64 MiB: see hashTo
	#begun = false; // an earlier connection has had the name
	#anew = false; // the server's part is of another file

	constructor(file, told) {
		this.file = file;
		this.told = told; // what to call with a state
	}

	// run returns when the file is stored, and throws why it cannot be. signal stops it.
	async run(signal) {
		for (let tries = 0; ;) {
			try {
				this.told('Connecting…');
				return await this.#attempt(signal, () => { tries = 0; });
			} catch (e) {
				signal.throwIfAborted();
				if (e.code === 4416) this.#anew = true; // and immediately
				else if (!this.#again(e.code)) throw e;
				else {
					const wait = Math.min(10000, 250 * 2 ** tries++) * (0.5 + Math.random());
					this.told(`${e.message}; again in ${(wait / 1000).toFixed(1)} s`);
					await pause(wait);
				}
			}
			signal.throwIfAborted();
		}
	}

	// #again says whether another connection may end better. The server needs some seconds to notice
	// that the last one is lost. Until then the name is busy. An end with 1000 means that the answer
	// "done" did not come through.
	#again(code) {
		return [1000, 1001, 1006, 1012, 1013, 4408].includes(code) || (code === 4423 && this.#begun);
	}

	async #attempt(signal, begun) {
		const query = new URLSearchParams({ name: this.file.name, length: this.file.size });
		if (!this.#anew) query.set('offset', 'part');
		const ws = await connect(`${base}upload?${query}`, signal);
		const answers = ws.readable.getReader();
		const leave = () => answers.cancel().catch(() => {});
		signal.addEventListener('abort', leave);
		try {
			await this.#exchange(ws, answers, signal, begun);
		} finally {
			signal.removeEventListener('abort', leave);
			leave();
		}
	}

	async #exchange(ws, answers, signal, begun) {
		const next = async () => {
			const { value } = await answers.read().catch((e) => { throw new Ended(e); });
			if (value === undefined) throw new Ended(await ws.closed);
			return JSON.parse(value);
		};
		const first = await next();
		if (first.bytes > 0) this.told('Comparing with what the server has…');
		const sum = await this.#hashTo(first.bytes, signal);
		const same = sum.hex() === first.sha256;
		if (first.type === 'exists') {
			if (!same) throw new Ended(await ws.closed);
			this.sha256 = first.sha256;
			this.sent = this.stored = first.bytes;
			return;
		}
		this.#begun = true;
		this.#anew = !same;
		if (!same) throw new Ended({ closeCode: 4416 });
		begun();
		this.sent = this.stored = first.bytes;
		this.told('Uploading…');
		const sending = this.file.slice(first.bytes).stream()
			.pipeThrough(new TransformStream({ transform: (bytes, c) => this.#pass(sum, bytes, c) }))
			.pipeTo(ws.writable, { preventClose: true, signal })
			.then(() => null, (e) => e);
		let last;
		try {
			while ((last = await next()).type !== 'done') this.stored = last.bytes;
		} catch (e) {
			const failed = await sending;
			throw ['NotReadableError', 'NotFoundError'].includes(failed?.name) ? failed : e; // of the file
		}
		this.stored = last.bytes;
		this.sha256 = last.sha256;
		if (sum.hex() !== last.sha256) throw new Error('the server has stored other bytes than this page read');
	}

	#pass(sum, bytes, c) {
		sum.update(bytes);
		this.#mark(sum);
		this.sent += bytes.length;
		c.enqueue(bytes);
	}

	// #hashTo returns the hash of the file's first n bytes.
	async #hashTo(n, signal) {
		const sum = this.#marks.findLast((m) => m.length <= n).copy();
		const bytes = this.file.slice(sum.length, n).stream().getReader();
		for (let piece; (piece = (await bytes.read()).value);) {
			signal.throwIfAborted();
			sum.update(piece);
			this.#mark(sum);
		}
		return sum;
	}

	#mark(sum) {
		if (sum.length >= this.#marks.at(-1).length + (64 << 20)) this.#marks.push(sum.copy());
	}
}

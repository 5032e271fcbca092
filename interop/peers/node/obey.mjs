// What the battery tells a peer to do, for programs in JavaScript, pages too. See battery.go.
//
// A peer of a library is an object:
//
//	next()                the next message: a string or bytes. Throws an End after the end.
//	send(data)            sends a string or bytes, and waits for the library where it can wait
//	close(code, reason)
//	ping(text)            resolves after the pong      } may be missing
//	fragments(parts)      sends bytes as one text      }
//	pause(), resume()     stops and starts reading     }
//	textOnly              true if send sends no bytes  }

export const subprotocol = 'battery.wsstream';

// An End is how a connection ended. clean is undefined where the API does not say it.
export class End {
	constructor(code, reason, clean) {
		this.code = code || 1006;
		this.reason = String(reason ?? '');
		this.clean = clean;
	}
}

// A Queue has the messages of a library that calls back.
export class Queue {
	#messages = [];
	#waiting = [];
	#end;
	push(m) {
		const w = this.#waiting.shift();
		if (w) w.resolve(m);
		else this.#messages.push(m);
	}
	end(end) {
		this.#end ??= end;
		for (const w of this.#waiting.splice(0)) w.reject(this.#end);
	}
	next() {
		if (this.#messages.length) return Promise.resolve(this.#messages.shift());
		if (this.#end) return Promise.reject(this.#end);
		return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
	}
}

const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

// obey echoes and does as it is told, until the connection ends. say reports an event.
export async function obey(peer, say) {
	try {
		for (;;) {
			const m = await peer.next();
			if (typeof m === 'string' && m[0] === '!') await order(peer, m.slice(1), say);
			else await peer.send(m);
		}
	} catch (e) {
		if (!(e instanceof End)) console.error(e);
		say({ closed: e instanceof End ? e : await ending(peer) });
	}
}

// ending is for a peer whose library fails to send after the end, and says how it ended elsewhere.
async function ending(peer) {
	try {
		for (;;) await peer.next();
	} catch (e) {
		return e instanceof End ? e : new End();
	}
}

function numbered(i, size) {
	const m = new Uint8Array(size);
	new DataView(m.buffer).setUint32(0, i);
	return m;
}

const number = (m) =>
	typeof m === 'string' ? parseInt(m, 10) : new DataView(m.buffer, m.byteOffset).getUint32(0);

async function order(peer, text, say) {
	const [verb, ...args] = text.split(' ');
	const [a, b] = args.map(Number);
	switch (verb) {
	case 'close':
		return args.length ? peer.close(a, args.slice(1).join(' ')) : peer.close();
	case 'ping':
		if (!peer.ping) break;
		await peer.ping(args[0]);
		return peer.send('!pong ' + args[0]);
	case 'fragments': {
		if (!peer.fragments) break;
		const all = new TextEncoder().encode('水水水');
		return peer.fragments([all.slice(0, 2), all.slice(2, 2), all.slice(2, 4), all.slice(4)]);
	}
	case 'flood':
		for (let i = 0; i < a; i++) {
			await peer.send(peer.textOnly ? String(i).padStart(4, '0').padEnd(b, '.') : numbered(i, b));
			if (i % 8 === 7) say({ sent: i + 1 });
		}
		return peer.send('!flooded');
	case 'sink': {
		peer.pause?.();
		await sleep(a);
		peer.resume?.();
		for (let n = 0; ; n++) {
			const m = await peer.next();
			if (m === '!sunk') return peer.send('!sunk ' + n);
			if (number(m) !== n) return peer.send('!lost ' + n);
		}
	}
	}
	return peer.send('!no');
}

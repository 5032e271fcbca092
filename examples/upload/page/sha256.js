// SHA-256 (FIPS 180-4) of what comes piece by piece. crypto.subtle.digest needs all of it in memory.

const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
const fraction = (x) => Math.floor((x % 1) * 2 ** 32);
const K = Int32Array.from(primes, (p) => fraction(Math.cbrt(p)));
const H = Int32Array.from(primes.slice(0, 8), (p) => fraction(Math.sqrt(p)));

const w = new Int32Array(64); // no call waits while it uses w

function compress(state, bytes, at) {
	for (let i = 0; i < 16; i++, at += 4) {
		w[i] = bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
	}
	for (let i = 16; i < 64; i++) {
		const x = w[i - 15], y = w[i - 2];
		w[i] = w[i - 16] + w[i - 7]
			+ ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3)
			+ ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10) | 0;
	}
	let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
	for (let i = 0; i < 64; i++) {
		const s = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (e & f ^ ~e & g) + K[i] + w[i] | 0;
		const t = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c) | 0;
		h = g; g = f; f = e; e = d + s | 0;
		d = c; c = b; b = a; a = s + t | 0;
	}
	state[0] += a; state[1] += b; state[2] += c; state[3] += d; state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

export class SHA256 {
	length = 0; // bytes so far
	#state = H.slice();
	#rest = new Uint8Array(64); // its first length % 64 bytes are not compressed yet

	copy() {
		const c = new SHA256();
		c.length = this.length;
		c.#state.set(this.#state);
		c.#rest.set(this.#rest);
		return c;
	}

	update(bytes) {
		let at = 0;
		const filled = this.length % 64;
		this.length += bytes.length;
		if (filled) {
			at = Math.min(64 - filled, bytes.length);
			this.#rest.set(bytes.subarray(0, at), filled);
			if (filled + at < 64) return;
			compress(this.#state, this.#rest, 0);
		}
		for (; at + 64 <= bytes.length; at += 64) compress(this.#state, bytes, at);
		this.#rest.set(bytes.subarray(at));
	}

	// hex is the hash of all so far. More may follow.
	hex() {
		const c = this.copy();
		const end = new Uint8Array(64 * Math.ceil((this.length % 64 + 9) / 64) - this.length % 64);
		end[0] = 0x80;
		new DataView(end.buffer).setBigUint64(end.length - 8, BigInt(this.length) * 8n);
		c.update(end);
		return Array.from(c.#state, (v) => (v >>> 0).toString(16).padStart(8, '0')).join('');
	}
}

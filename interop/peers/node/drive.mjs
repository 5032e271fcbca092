// A client of a protocol is driven by lines on its standard input: a JSON array of an operation's
// name and its arguments. It says "NAME: RESULT" or "NAME failed: TEXT".
import { createInterface } from 'node:readline';
import { say } from './node.mjs';

export function drive(operations) {
	createInterface({ input: process.stdin }).on('line', async (line) => {
		const [name, ...args] = JSON.parse(line);
		try {
			say({ say: `${name}: ${JSON.stringify((await operations[name](...args)) ?? null)}` });
		} catch (e) {
			say({ say: `${name} failed: ${e?.message ?? JSON.stringify(e)}` });
		}
	});
}

// tell says that something happened, with values.
export const tell = (name, ...values) => say({ say: `${name}: ${JSON.stringify(values)}` });

export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

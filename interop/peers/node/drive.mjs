// A client of a protocol is driven by lines on its standard input.
import { createInterface } from 'node:readline';
import { say } from './node.mjs';
import { operate } from './operate.mjs';

export function drive(operations) {
	createInterface({ input: process.stdin }).on('line', (line) => operate(operations, line, say));
}

// tell says that something happened, with values.
export const tell = (name, ...values) => say({ say: `${name}: ${JSON.stringify(values)}` });

export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

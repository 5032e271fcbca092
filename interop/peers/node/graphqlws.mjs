// The client of graphql-ws, driven by a row: node graphqlws.mjs
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { drive, sleep, tell } from './drive.mjs';

let client;

drive({
	async open(url) {
		client = createClient({
			url,
			webSocketImpl: WebSocket,
			lazy: false,
			keepAlive: 200,
			retryWait: () => sleep(50),
			shouldRetry: () => true,
			on: {
				connected: () => tell('connected'),
				closed: (e) => tell('closed', e.code, e.reason),
				pong: (received) => received && tell('pong'),
			},
		});
	},
	// query collects the results of an operation, and completes it after a number of them.
	async query(query, limit) {
		const results = [];
		for await (const { data } of client.iterate({ query })) {
			results.push(data);
			if (results.length === limit) break;
		}
		return results;
	},
	close: () => client.dispose(),
});

// The client of STOMP, driven by a row: node stomp.mjs
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';
import { drive, tell } from './drive.mjs';

Object.assign(global, { WebSocket });

let client;

drive({
	open: (url) => new Promise((resolve) => {
		client = new Client({
			brokerURL: url,
			reconnectDelay: 50,
			heartbeatIncoming: 200, // it cuts after twice as long without a heartbeat
			heartbeatOutgoing: 0,
			onConnect(frame) {
				tell('connected');
				resolve(frame.headers.version);
			},
			onStompError: (frame) => tell('error', frame.headers.message),
			onWebSocketClose: (e) => tell('closed', e.code),
			onWebSocketError: () => {},
		});
		client.activate();
	}),
	subscribe(destination) {
		client.subscribe(destination, (m) => tell('message', m.headers.destination, m.body, m.headers.note));
	},
	// publish waits for the broker's receipt.
	publish: (destination, body, note) => new Promise((resolve) => {
		client.watchForReceipt('r', () => resolve());
		client.publish({ destination, body, headers: { note, receipt: 'r' } });
	}),
	close: () => client.deactivate(),
});

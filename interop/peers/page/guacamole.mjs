// The client of Guacamole, driven by a row.
import Guacamole from '/node/node_modules/guacamole-common-js/dist/esm/guacamole-common.js';
import { tell } from './row.mjs';

const states = Object.entries(Guacamole.Tunnel.State);

let tunnel;
let client;
let next;

export const operations = {
	open: (url, query) => new Promise((resolve) => {
		tunnel = new Guacamole.WebSocketTunnel(url);
		client = new Guacamole.Client(tunnel);
		client.onname = (name) => tell('name', name);
		tunnel.onerror = (status) => tell('error', status.code);
		client.onsync = (timestamp) => tell('sync', timestamp);
		const change = tunnel.onstatechange;
		tunnel.onstatechange = (state) => {
			change?.(state);
			tell('tunnel', states.find(([, value]) => value === state)[0]);
			if (state === Guacamole.Tunnel.State.OPEN) resolve(tunnel.uuid.length > 0);
		};
		next = 0;
		const take = tunnel.oninstruction;
		tunnel.oninstruction = (opcode, elements) => {
			if (opcode === 'item' && Number(elements[0]) === next) next++;
			take(opcode, elements);
		};
		client.connect(query);
	}),
	// pixel returns a color of the display, after all that was drawn.
	pixel: (x, y) => new Promise((resolve) => client.getDisplay().flush(() => {
		const pixel = client.getDisplay().flatten().getContext('2d').getImageData(x, y, 1, 1).data;
		resolve([...pixel].slice(0, 3));
	})),
	key: (pressed, symbol) => client.sendKeyEvent(pressed, symbol),
	mouse: (x, y, left) => client.sendMouseState(new Guacamole.Mouse.State(x, y, left)),
	// type sends a text as a stream, whose blobs the server acknowledges.
	type: (text) => new Promise((resolve) => {
		const out = client.createClipboardStream('text/plain');
		const writer = new Guacamole.StringWriter(out);
		writer.onack = (status) => { writer.sendEnd(); resolve(status.code); };
		writer.sendText(text);
	}),
	raw: (...elements) => tunnel.sendMessage(...elements),
	items: () => next,
	close: () => client.disconnect(),
};

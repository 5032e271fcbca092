// The client of Phoenix LiveView in a page of jsdom, driven by a row: node liveview.mjs
import { readFileSync } from 'node:fs';
import { JSDOM, VirtualConsole } from 'jsdom';
import { drive, sleep } from './drive.mjs';

// The files for pages, which set global variables.
const script = (name) => readFileSync(new URL('./node_modules/' + name, import.meta.url), 'utf8');

const virtualConsole = new VirtualConsole();
virtualConsole.on('jsdomError', console.error);
virtualConsole.on('error', console.error);

let window;

// shown waits until the page has a text: LiveView changes it when the server has answered.
async function shown(text) {
	while (!window.document.body.textContent.includes(text)) await sleep(10);
	return window.document.body.textContent.trim();
}

drive({
	async open(url) {
		({ window } = await JSDOM.fromURL(url, { runScripts: 'outside-only', pretendToBeVisual: true, virtualConsole }));
		window.CSS ??= { escape: (s) => s.replace(/[^\w-]/g, '\\$&') }; // jsdom has none
		window.eval(script('phoenix/priv/static/phoenix.js'));
		window.eval(script('phoenix_live_view/priv/static/phoenix_live_view.js'));
		window.eval(`
			window.liveSocket = new LiveView.LiveSocket('/live', Phoenix.Socket, {
				params: { _csrf_token: 'none' }, reconnectAfterMs: () => 50, rejoinAfterMs: () => 50,
			});
			liveSocket.connect();
		`);
	},
	shown,
	click: (selector) => window.document.querySelector(selector).click(),
	close: () => window.close(),
});

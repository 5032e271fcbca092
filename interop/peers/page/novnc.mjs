// The client of noVNC, driven by a row.
import RFB from '/node/node_modules/@novnc/novnc/core/rfb.js';
import { tell } from './row.mjs';

const screen = document.getElementById('screen');

let rfb;

// shown returns the color of a pixel, once it is another one than black.
async function shown(x, y) {
	for (;;) {
		const image = rfb.getImageData();
		const at = 4 * (y * image.width + x);
		const pixel = [...image.data.slice(at, at + 3)];
		if (pixel.some((c) => c > 0)) return pixel;
		await new Promise((r) => setTimeout(r, 10));
	}
}

export const operations = {
	open: (url, wsProtocols) => new Promise((resolve) => {
		rfb = new RFB(screen, url, { wsProtocols });
		rfb.addEventListener('connect', () => resolve());
		rfb.addEventListener('desktopname', (e) => tell('name', e.detail.name));
		rfb.addEventListener('disconnect', (e) => tell('disconnected', e.detail.clean));
	}),
	shown,
	key: (symbol) => rfb.sendKey(symbol),
	paste: (text) => rfb.clipboardPasteFrom(text),
	click(x, y) {
		const canvas = screen.querySelector('canvas');
		const at = canvas.getBoundingClientRect();
		for (const [type, buttons] of [['mousemove', 0], ['mousedown', 1], ['mouseup', 0]]) {
			canvas.dispatchEvent(new MouseEvent(type, { clientX: at.left + x, clientY: at.top + y, buttons }));
		}
	},
	close: () => rfb.disconnect(),
};

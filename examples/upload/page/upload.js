// The page of examples/upload: a card for each file.

import { Transfer, ways } from './transfer.js';

const $ = (id) => document.getElementById(id);
const human = (n) => (n < 1e3 ? `${Math.round(n)} B` : n < 1e6 ? `${(n / 1e3).toFixed(0)} kB` : n < 1e9 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e9).toFixed(2)} GB`);

// Chromium 156 crashes a page whose WebSocketStream is lost while it writes. A mark in the session
// outlives the crash: the page then uses WebSocket.
const mark = {
	crashed: sessionStorage.getItem('uploading') !== null,
	running: 0,
	add(n) {
		this.running += n;
		if (this.running && ways.stream && !ways.classic) sessionStorage.setItem('uploading', '');
		else sessionStorage.removeItem('uploading');
	},
};
addEventListener('pagehide', () => sessionStorage.removeItem('uploading'));

const use = (way) => {
	ways.classic = way === 'classic';
	document.querySelector(`[name=way][value=${way}]`).checked = true;
	$('way').textContent = way === 'stream'
		? 'Each file is piped into its connection. If the network is lost, Chromium 156 crashes the page.'
		: 'The page asks again and again how much is not sent.';
};
$('ways').addEventListener('change', ({ target }) => use(target.value));
use(ways.stream && !mark.crashed ? 'stream' : 'classic');
if (!ways.stream) {
	document.querySelector('[name=way][value=stream]').disabled = true;
	$('way').textContent = `This browser has no WebSocketStream. ${$('way').textContent}`;
} else if (mark.crashed) {
	$('way').textContent = 'The browser crashed this page, so it uses WebSocket now. Choose the file again: its upload goes on.';
}

// Three files are on their way concurrently; the others wait.
const turns = {
	free: 3,
	waiting: [],
	async take() {
		if (this.free > 0) this.free--;
		else await new Promise((r) => this.waiting.push(r));
	},
	give() {
		const next = this.waiting.shift();
		if (next) next();
		else this.free++;
	},
};

class Card {
	#stop = null; // of what runs, or null
	#before = { stored: 0, at: 0 };

	constructor(file) {
		this.part = $('upload').content.cloneNode(true).querySelector('li');
		this.part.querySelector('h2').textContent = file.name;
		this.bar = this.part.querySelector('.bar');
		this.bar.setAttribute('aria-label', file.name);
		this.button = this.part.querySelector('button');
		this.button.onclick = () => (this.#stop ? this.#stop.abort() : this.run());
		this.transfer = new Transfer(file, (state) => { this.state(state); this.draw(); });
		$('uploads').append(this.part);
		this.run();
	}

	get file() { return this.transfer.file; }

	state(text, kind = '') {
		this.part.querySelector('.state').textContent = text;
		this.part.className = kind;
	}

	// end shows and tells how it ended, or stopped.
	end(text, kind) {
		this.state(text, kind);
		$('told').textContent = `${this.file.name}: ${text}`;
	}

	async run() {
		const { signal } = this.#stop = new AbortController();
		this.name('Pause');
		this.state('Waiting for its turn…');
		await turns.take();
		const drawing = setInterval(() => this.draw(), 200);
		mark.add(1);
		try {
			signal.throwIfAborted();
			await this.transfer.run(signal);
			this.part.querySelector('.sum').textContent = `sha256 ${this.transfer.sha256}`;
			this.button.hidden = true;
			this.end('Stored', 'good');
		} catch (e) {
			this.name('Continue');
			this.end(signal.aborted ? 'Paused' : `Not stored: ${e.message}`, signal.aborted ? '' : 'bad');
		} finally {
			clearInterval(drawing);
			mark.add(-1);
			turns.give();
			this.#stop = null;
			this.draw();
		}
	}

	name(action) {
		this.button.textContent = action;
		this.button.setAttribute('aria-label', `${action} ${this.file.name}`);
	}

	draw() {
		const { sent, stored } = this.transfer;
		const percent = (n) => (this.file.size ? 100 * n / this.file.size : this.transfer.sha256 ? 100 : 0);
		this.bar.querySelector('.sent').style.width = `${percent(sent)}%`;
		this.bar.querySelector('.stored').style.width = `${percent(stored)}%`;
		this.bar.setAttribute('aria-valuenow', Math.floor(percent(stored)));
		this.bar.setAttribute('aria-valuetext', `${human(stored)} of ${human(this.file.size)} stored`);
		this.say('stored', `${human(stored)} of ${human(this.file.size)}`, stored);
		this.say('flight', human(sent - stored), sent - stored);
		const now = performance.now();
		const seconds = (now - this.#before.at) / 1000;
		if (seconds >= 1 || !this.#stop) {
			const speed = this.#stop && this.#before.at ? (stored - this.#before.stored) / seconds : 0;
			this.say('speed', this.#stop ? `${human(Math.max(0, speed))}/s` : '–', speed);
			this.#before = { stored, at: now };
		}
	}

	// say shows a text, and keeps the number behind it for programs.
	say(name, text, bytes) {
		const o = this.part.querySelector(`output.${name}`);
		o.textContent = text;
		o.dataset.bytes = Math.round(bytes);
	}
}

const add = (files) => { for (const file of files) new Card(file); };

$('files').onchange = ({ target }) => {
	add(target.files);
	target.value = ''; // the same file may be chosen again
};
const drop = $('drop');
for (const kind of ['dragover', 'drop']) document.addEventListener(kind, (e) => e.preventDefault());
document.addEventListener('dragover', () => drop.classList.add('over'));
document.addEventListener('dragleave', (e) => { if (!e.relatedTarget) drop.classList.remove('over'); });
document.addEventListener('drop', ({ dataTransfer }) => {
	drop.classList.remove('over');
	add(dataTransfer.files);
});

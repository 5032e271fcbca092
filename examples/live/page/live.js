// The page of examples/live: three lanes of one flood, and what waits on each.

const base = location.href.replace(/^http/, 'ws').replace(/[^/]*$/, '');
const drowned = 256 << 20; // bytes: the page stops its classic WebSocket before they fill its memory
const samples = 300; // of a chart, five a second

// speedOf maps a slider to bytes a second: 0, then 64 KiB to 64 MiB, twice as many at each two steps.
const speedOf = (slider) => (slider.value === '0' ? 0 : 64 * 1024 * 2 ** ((slider.value - 1) * 10 / 19));

const human = (n) => (n < 1e3 ? `${Math.round(n)} B` : n < 1e6 ? `${(n / 1e3).toFixed(0)} kB` : `${(n / 1e6).toFixed(1)} MB`);

const sliders = Object.fromEntries(['producer', 'consumer', 'client'].map((id) => [id, document.getElementById(id)]));

// pace waits so long that bytes pass at the speed of the consumers' slider.
function pacer() {
	let next = performance.now();
	return async (bytes) => {
		for (;;) {
			const speed = speedOf(sliders.consumer);
			const now = performance.now();
			if (speed > 0) {
				next = Math.max(next, now - 50) + bytes / speed * 1000;
				if (next - now > 4) await new Promise((r) => setTimeout(r, next - now));
				return;
			}
			await new Promise((r) => setTimeout(r, 50));
			next = performance.now();
		}
	};
}

// A Lane has what the page knows of one way of the flood, in bytes.
class Lane {
	received = 0; // from the network
	consumed = 0;
	sent = 0; // by the producer, into the server's Conn
	held = 0; // there
	waiting = 0; // at the consumer
	history = [];
	#shown = { sent: 0, consumed: 0, at: performance.now() };

	constructor(name, title, about, where) {
		this.name = name;
		const part = document.getElementById('lane').content.cloneNode(true).querySelector('section');
		part.id = name;
		part.querySelector('h2').textContent = title;
		part.querySelector('.about').textContent = about;
		part.querySelector('.where').textContent = where;
		document.getElementById('lanes').append(part);
		this.part = part;
		this.title = title;
		this.note('');
	}

	note(text) { this.part.querySelector('.note').textContent = text; }

	get flight() { return Math.max(0, this.sent - this.held - this.received); }
	get all() { return this.waiting + this.flight + this.held; }

	// took notes what the server reports of the lane.
	took(report) {
		this.sent = report.sent;
		this.held = report.held;
	}

	// show draws the lane. top is the largest value of all charts.
	show(top) {
		const values = { page: this.waiting, flight: this.flight, held: this.held, all: this.all };
		for (const [name, bytes] of Object.entries(values)) this.say(name, human(bytes), bytes);
		const now = performance.now();
		const seconds = (now - this.#shown.at) / 1000;
		if (seconds >= 1) {
			this.say('produced', `${human((this.sent - this.#shown.sent) / seconds)}/s`, this.sent);
			this.say('consumed', `${human((this.consumed - this.#shown.consumed) / seconds)}/s`, this.consumed);
			this.#shown = { sent: this.sent, consumed: this.consumed, at: now };
		}
		this.draw(top);
	}

	// say shows a text, and keeps the number behind it for programs.
	say(name, text, bytes) {
		const o = this.part.querySelector(`output.${name}`);
		o.textContent = text;
		o.dataset.bytes = Math.round(bytes);
	}

	// sample keeps what waits now, for the chart.
	sample() {
		this.history.push([this.held, this.flight, this.waiting]);
		if (this.history.length > samples) this.history.shift();
	}

	draw(top) {
		const x = (i) => (300 - (this.history.length - 1 - i) * 300 / (samples - 1)).toFixed(1);
		const sums = this.history.map(() => 0);
		['held', 'flight', 'page'].forEach((name, layer) => {
			const low = sums.map((s, i) => `${x(i)},${(100 - 100 * s / top).toFixed(2)}`);
			this.history.forEach((h, i) => { sums[i] += h[layer]; });
			const high = sums.map((s, i) => `${x(i)},${(100 - 100 * s / top).toFixed(2)}`);
			this.part.querySelector(`path.${name}`).setAttribute('d', `M${high.join('L')}L${low.reverse().join('L')}Z`);
		});
		this.part.querySelector('svg').setAttribute('aria-label', `${this.title}: ${human(this.all)} waiting; the chart ends at ${human(top)}`);
		this.part.querySelector('.scale').textContent = `top: ${human(top)}`;
	}

	// consume takes what read returns at the consumers' speed, until read says that it was all.
	async consume(read) {
		const pace = pacer();
		for (let chunk; (chunk = await read());) {
			await pace(chunk.byteLength);
			this.consumed += chunk.byteLength;
			this.waiting = this.received - this.consumed;
		}
	}
}

// classic floods the page over its WebSocket. There is no way to make the server wait.
function classic(lane, url) {
	const ws = new WebSocket(url);
	ws.binaryType = 'arraybuffer';
	const queue = [];
	let more = () => {};
	ws.onmessage = ({ data }) => {
		queue.push(data);
		lane.received += data.byteLength;
		lane.waiting = lane.received - lane.consumed;
		if (lane.waiting > drowned && ws.readyState === WebSocket.OPEN) {
			ws.close(4000, 'drowned');
			lane.note(`The page closed it: ${human(drowned)} were waiting. Reload the page to begin again.`);
		}
		more();
	};
	lane.consume(async () => {
		while (!queue.length) await new Promise((r) => { more = r; });
		return queue.shift();
	});
}

// streaming floods the page over its WebSocketStream. A page that does not read makes the server
// wait.
async function streaming(lane, url) {
	if (!globalThis.WebSocketStream) {
		lane.note('This browser has no WebSocketStream. Chromium has it from version 124 on.');
		lane.part.classList.add('absent');
		return;
	}
	const { readable } = await new WebSocketStream(url).opened;
	const reader = readable.getReader();
	await lane.consume(async () => {
		const { value } = await reader.read();
		lane.received += value?.byteLength ?? 0;
		lane.waiting = lane.received - lane.consumed;
		return value;
	});
}

const lanes = {
	classic: new Lane('classic', 'WebSocket', 'The page cannot stop it. What the page has not consumed piles up in its memory.', 'in this page'),
	stream: new Lane('stream', 'WebSocketStream', 'The page reads when it is ready. The producer waits as long.', 'in this page'),
	go: new Lane('go', 'A client in Go', 'The same with wsstream on both sides, in the server’s process.', 'in its Conn'),
};

const status = document.getElementById('status');
const control = new WebSocket(`${base}show`);

function speedsChanged() {
	for (const [name, slider] of Object.entries(sliders)) {
		const speed = speedOf(slider);
		const text = speed ? `${human(speed)}/s` : 'stopped';
		slider.setAttribute('aria-valuetext', text);
		document.getElementById(`${name}-says`).textContent = text;
	}
	if (control.readyState === WebSocket.OPEN) {
		control.send(JSON.stringify({ producer: speedOf(sliders.producer), client: speedOf(sliders.client) }));
	}
}
document.getElementById('speeds').addEventListener('input', speedsChanged);
document.getElementById('speeds').addEventListener('submit', (e) => e.preventDefault());
speedsChanged();

let begun = false;
control.onopen = speedsChanged;
control.onmessage = ({ data }) => {
	const report = JSON.parse(data);
	if (!begun) {
		begun = true;
		status.textContent = 'The flood runs.';
		const url = (lane) => `${base}flood?show=${report.id}&lane=${lane}`;
		classic(lanes.classic, url('classic'));
		streaming(lanes.stream, url('stream')).catch((e) => lanes.stream.note(`It has ended: ${e.message}`));
	}
	for (const [name, lane] of Object.entries(lanes)) lane.took(report.lanes[name]);
	const go = report.lanes.go;
	lanes.go.received = go.received + go.waiting;
	lanes.go.consumed = go.received;
	lanes.go.waiting = go.waiting;
	for (const lane of Object.values(lanes)) lane.sample();
	const top = Math.max(1 << 20, ...Object.values(lanes).flatMap((l) => l.history.map(([a, b, c]) => a + b + c)));
	for (const lane of Object.values(lanes)) lane.show(top);
};
control.onclose = ({ code }) => { status.textContent = `The server is gone (${code}). Reload the page to begin again.`; };

// A screen reader is told now and then, and not at each change.
setInterval(() => {
	document.getElementById('told').textContent = Object.values(lanes)
		.map((l) => `${l.title}: ${human(l.all)} waiting`).join('. ');
}, 15000);

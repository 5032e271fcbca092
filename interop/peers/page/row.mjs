// What a page or a Worker shares with its row's server, which gives it lines and takes its events.

const events = [];
let posted = Promise.resolve();

async function post() {
	const body = JSON.stringify(events.splice(0));
	if (body !== '[]') await fetch('/events', { method: 'POST', body });
}

// say is asynchronous, but events arrive in their order.
export function say(event) {
	events.push(event);
	posted = posted.then(post);
}

// tell says that something happened, with values.
export const tell = (name, ...values) => say({ say: `${name}: ${JSON.stringify(values)}` });

// lines yields what the row says, until the row ends.
export async function* lines() {
	for (;;) {
		const answer = await fetch('/next');
		if (!answer.ok) return;
		yield await answer.text();
	}
}

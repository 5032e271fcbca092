// The battery's peer in a page or in a Worker. Its row's server gives it URLs and takes its events.
import { obey, subprotocol } from '/node/obey.mjs';
import { dial } from '/node/standard.mjs';

const Client = self[new URLSearchParams(location.search).get('api')];

const events = [];
let posted = Promise.resolve();

async function post() {
	const body = JSON.stringify(events.splice(0));
	if (body !== '[]') await fetch('/events', { method: 'POST', body });
}

// say is asynchronous, but events arrive in their order.
function say(event) {
	events.push(event);
	posted = posted.then(post);
}

for (;;) {
	const answer = await fetch('/next');
	if (!answer.ok) break;
	dial(Client, await answer.text(), [subprotocol]).then(
		(peer) => obey(peer, say),
		(e) => say({ say: String(e) }),
	);
}

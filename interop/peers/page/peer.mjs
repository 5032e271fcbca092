// The battery's peer in a page or in a Worker. Its row gives it URLs.
import { obey, subprotocol } from '/node/obey.mjs';
import { dial } from '/node/standard.mjs';
import { lines, say } from './row.mjs';

const Client = self[new URLSearchParams(location.search).get('api')];

for await (const url of lines()) {
	dial(Client, url, [subprotocol]).then(
		(peer) => obey(peer, say),
		(e) => say({ say: String(e) }),
	);
}

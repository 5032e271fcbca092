// The battery's peer for Deno's server: deno run deno.mjs server
import { say, serve, subprotocol } from './node.mjs';
import { classic } from './standard.mjs';

const onListen = ({ port }) => say({ url: `ws://127.0.0.1:${port}/` });

Deno.serve({ hostname: '127.0.0.1', port: 0, onListen }, (request) => {
	const offered = request.headers.get('sec-websocket-protocol') ?? '';
	const { socket, response } = Deno.upgradeWebSocket(request, {
		protocol: offered.includes(subprotocol) ? subprotocol : undefined,
	});
	classic(socket).then(serve);
	return response;
});

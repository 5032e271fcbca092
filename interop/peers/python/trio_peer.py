"""The battery's peer for trio-websocket: trio_peer.py server|client"""
import sys

import trio
from trio_websocket import WebSocketServer, open_websocket_url

from obey import SUBPROTOCOL, obey, say


class Peer:
    def __init__(self, ws):
        self.ws = ws
        self.next = ws.get_message
        self.send = ws.send_message
        self.close = ws.aclose
        self.ping = ws.ping

    def end(self):
        closed = self.ws.closed
        return (closed.code, closed.reason) if closed else (None, None)


async def serve(request):
    offered = SUBPROTOCOL in request.proposed_subprotocols
    ws = await request.accept(subprotocol=SUBPROTOCOL if offered else None)
    await obey(Peer(ws), trio.sleep)


async def dial(url):
    async with open_websocket_url(
        url, subprotocols=[SUBPROTOCOL], max_message_size=8 << 20
    ) as ws:
        await obey(Peer(ws), trio.sleep)


async def main():
    async with trio.open_nursery() as nursery:
        if sys.argv[1] == "client":
            while url := await trio.to_thread.run_sync(sys.stdin.readline):
                nursery.start_soon(dial, url.strip())
        else:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            server = await nursery.start(WebSocketServer(serve, listeners, max_message_size=8 << 20).run)
            say(url=f"ws://127.0.0.1:{server.port}/")


trio.run(main)

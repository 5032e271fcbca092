"""The battery's peer for the package websockets: websockets_peer.py server|client"""
import asyncio
import sys

import websockets

from obey import SUBPROTOCOL, dial_each, listening, obey


class Peer:
    def __init__(self, ws):
        self.ws = ws
        self.next = ws.recv
        self.send = ws.send
        self.close = ws.close

    def end(self):
        return self.ws.close_code, self.ws.close_reason

    async def ping(self, data):
        await (await self.ws.ping(data))

    async def fragments(self, parts):
        # send makes a frame of each str: none can end inside a character.
        await self.ws.send(iter(b"".join(parts).decode()))


async def dial(url):
    async with websockets.connect(url, subprotocols=[SUBPROTOCOL], max_size=8 << 20) as ws:
        await obey(Peer(ws))


async def main():
    if sys.argv[1] == "client":
        return await dial_each(dial)
    async with websockets.serve(
        lambda ws: obey(Peer(ws)),
        sock=listening(),
        subprotocols=[SUBPROTOCOL],
        max_size=8 << 20,
    ):
        await asyncio.Future()


asyncio.run(main())

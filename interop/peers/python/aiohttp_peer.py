"""The battery's peer for aiohttp: aiohttp_peer.py server|client

autoping is off: with it, a program does not see the pong of its own ping.
"""
import asyncio
import sys

from aiohttp import ClientSession, WSMsgType, web

from obey import SUBPROTOCOL, dial_each, listening, obey


class Peer:
    reason = ""

    def __init__(self, ws):
        self.ws = ws

    async def receive(self):
        m = await self.ws.receive()
        if m.type == WSMsgType.PING:
            await self.ws.pong(m.data)
        elif m.type == WSMsgType.CLOSE:
            self.reason = m.extra
        if m.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
            raise EOFError(m)
        return m

    async def next(self):
        while (m := await self.receive()).type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            pass
        return m.data

    async def send(self, m):
        await (self.ws.send_str(m) if isinstance(m, str) else self.ws.send_bytes(m))

    async def close(self, code, reason):
        await self.ws.close(code=code, message=reason.encode())

    async def ping(self, data):
        await self.ws.ping(data)
        while (await self.receive()).type != WSMsgType.PONG:
            pass

    def end(self):
        return self.ws.close_code, self.reason


async def serve(request):
    ws = web.WebSocketResponse(protocols=[SUBPROTOCOL], autoping=False)
    await ws.prepare(request)
    await obey(Peer(ws))
    return ws


async def dial(url):
    async with ClientSession() as session:
        async with session.ws_connect(
            url, protocols=[SUBPROTOCOL], compress=15, autoping=False
        ) as ws:
            await obey(Peer(ws))


if sys.argv[1] == "client":
    asyncio.run(dial_each(dial))
else:
    app = web.Application()
    app.add_routes([web.get("/", serve)])
    web.run_app(app, sock=listening(), print=None)

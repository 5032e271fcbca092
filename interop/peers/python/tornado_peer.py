"""The battery's peer for tornado: tornado_peer.py server|client"""
import asyncio
import sys

import tornado.httpserver
import tornado.web
import tornado.websocket

from obey import SUBPROTOCOL, dial_each, listening, obey


class Peer:
    def __init__(self, ws, read):
        self.ws = ws
        self.read = read
        self.ponged = asyncio.Event()

    async def next(self):
        m = await self.read()
        if m is None:
            raise EOFError
        return m

    async def send(self, m):
        await self.ws.write_message(m, binary=isinstance(m, bytes))

    async def close(self, code, reason):
        self.ws.close(code, reason)

    def end(self):
        return self.ws.close_code, self.ws.close_reason

    async def ping(self, data):
        self.ponged.clear()
        self.ws.ping(data)
        await self.ponged.wait()


class Handler(tornado.websocket.WebSocketHandler):
    def select_subprotocol(self, offered):
        return SUBPROTOCOL if SUBPROTOCOL in offered else None

    def get_compression_options(self):
        return {}

    def open(self):
        self.messages = asyncio.Queue(1)
        self.peer = Peer(self, self.messages.get)
        self.obeying = asyncio.create_task(obey(self.peer))

    # tornado reads the next message after the coroutine of this one has ended.
    async def on_message(self, m):
        await self.messages.put(m)

    def on_pong(self, data):
        self.peer.ponged.set()

    def on_close(self):
        asyncio.create_task(self.messages.put(None))


async def dial(url):
    ws = await tornado.websocket.websocket_connect(
        url, subprotocols=[SUBPROTOCOL], compression_options={}
    )
    peer = Peer(ws, ws.read_message)
    ws.on_pong = lambda data: peer.ponged.set()
    await obey(peer)


async def main():
    if sys.argv[1] == "client":
        return await dial_each(dial)
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Handler)]))
    listener = listening()
    listener.setblocking(False)
    server.add_socket(listener)
    await asyncio.Future()


asyncio.run(main())

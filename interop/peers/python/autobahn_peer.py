"""The battery's peer for autobahn with asyncio: autobahn_peer.py server|client"""
import asyncio
import sys
from urllib.parse import urlsplit

from autobahn.asyncio import websocket
from autobahn.websocket.compress import (
    PerMessageDeflateOffer,
    PerMessageDeflateOfferAccept,
    PerMessageDeflateResponse,
    PerMessageDeflateResponseAccept,
)

from obey import SUBPROTOCOL, dial_each, listening, obey


class Protocol:
    """The callbacks of both roles, and the battery's peer."""

    code, reason = None, ""

    def onOpen(self):
        self.messages = asyncio.Queue()
        self.ponged = asyncio.Event()
        self.writing = asyncio.Event()
        self.writing.set()
        self.obeying = asyncio.create_task(obey(self))

    def onMessage(self, payload, isBinary):
        self.messages.put_nowait(payload if isBinary else payload.decode())

    def onPong(self, payload):
        self.ponged.set()

    def onClose(self, wasClean, code, reason):
        self.code, self.reason = code, reason
        self.messages.put_nowait(None)

    # autobahn has no backpressure under asyncio. What follows is asyncio's own.

    def pause_writing(self):
        self.writing.clear()

    def resume_writing(self):
        self.writing.set()

    def pause(self):
        self.transport.pause_reading()

    def resume(self):
        self.transport.resume_reading()

    async def next(self):
        m = await self.messages.get()
        if m is None:
            raise EOFError
        return m

    async def send(self, m):
        await self.writing.wait()
        binary = isinstance(m, bytes)
        self.sendMessage(m if binary else m.encode(), binary)

    async def close(self, code, reason):
        self.sendClose(code, reason)

    def end(self):
        return self.code, self.reason

    async def ping(self, data):
        self.ponged.clear()
        self.sendPing(data)
        await self.ponged.wait()

    async def fragments(self, parts):
        self.beginMessage(isBinary=False)
        for part in parts:
            self.sendMessageFrame(part)
        self.endMessage()


class Server(Protocol, websocket.WebSocketServerProtocol):
    def onConnect(self, request):
        return SUBPROTOCOL if SUBPROTOCOL in request.protocols else None


class Client(Protocol, websocket.WebSocketClientProtocol):
    pass


def accept_offers(offers):
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer)


def accept_response(response):
    if isinstance(response, PerMessageDeflateResponse):
        return PerMessageDeflateResponseAccept(response)


async def dial(url):
    factory = websocket.WebSocketClientFactory(url, protocols=[SUBPROTOCOL])
    factory.protocol = Client
    factory.setProtocolOptions(
        perMessageCompressionOffers=[PerMessageDeflateOffer()],
        perMessageCompressionAccept=accept_response,
    )
    at = urlsplit(url)
    await asyncio.get_running_loop().create_connection(factory, at.hostname, at.port)


async def main():
    if sys.argv[1] == "client":
        return await dial_each(dial)
    factory = websocket.WebSocketServerFactory()
    factory.protocol = Server
    factory.setProtocolOptions(perMessageCompressionAccept=accept_offers)
    await asyncio.get_running_loop().create_server(factory, sock=listening())
    await asyncio.Future()


asyncio.run(main())

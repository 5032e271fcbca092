"""The battery's peer for servers of ASGI applications: asgi_peer.py SERVER"""
import asyncio
import sys

from obey import SUBPROTOCOL, listening, obey, say


class Peer:
    code, reason = None, ""

    def __init__(self, receive, send):
        self.receive = receive
        self.asgi_send = send

    async def next(self):
        event = await self.receive()
        if event["type"] == "websocket.disconnect":
            self.code, self.reason = event.get("code"), event.get("reason")
            raise EOFError
        return event["text"] if event.get("bytes") is None else event["bytes"]

    async def send(self, m):
        kind = "text" if isinstance(m, str) else "bytes"
        await self.asgi_send({"type": "websocket.send", kind: m})

    async def close(self, code, reason):
        await self.asgi_send({"type": "websocket.close", "code": code, "reason": reason})

    def end(self):
        return self.code, self.reason


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await receive()
    offered = SUBPROTOCOL in scope["subprotocols"]
    await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
    await obey(Peer(receive, send))


def uvicorn(protocol):
    import uvicorn as server

    server.run(app, fd=listening().detach(), ws=protocol, lifespan="off")


def hypercorn():
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listening().detach()}"]
    asyncio.run(serve(app, config))




servers = {
    "uvicorn-websockets": lambda: uvicorn("websockets"),
    "uvicorn-wsproto": lambda: uvicorn("wsproto"),
    "hypercorn": hypercorn,
}
servers[sys.argv[1]]()

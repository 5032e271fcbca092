"""The battery's peer for Django Channels, served by daphne."""
import asyncio

from daphne.server import Server  # first: it chooses Twisted's reactor
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.conf import settings

from obey import SUBPROTOCOL, obey, say


class Consumer(AsyncWebsocketConsumer):
    code = None

    async def connect(self):
        await self.accept(SUBPROTOCOL if SUBPROTOCOL in self.scope["subprotocols"] else None)
        self.messages = asyncio.Queue(1)
        self.obeying = asyncio.create_task(obey(Peer(self)))

    # Channels delivers the next message after the coroutine of this one has ended.
    async def receive(self, text_data=None, bytes_data=None):
        await self.messages.put(bytes_data if text_data is None else text_data)

    async def disconnect(self, code):
        self.code = code
        await self.messages.put(None)


class Peer:
    def __init__(self, consumer):
        self.consumer = consumer

    async def next(self):
        m = await self.consumer.messages.get()
        if m is None:
            raise EOFError
        return m

    async def send(self, m):
        kind = "text_data" if isinstance(m, str) else "bytes_data"
        await self.consumer.send(**{kind: m})

    async def close(self, code, reason):
        await self.consumer.close(code)  # it takes no reason

    def end(self):
        return self.consumer.code, None


def ready():
    host, port = server.listening_addresses[0]
    say(url=f"ws://{host}:{port}/")


settings.configure()
server = Server(
    ProtocolTypeRouter({"websocket": Consumer.as_asgi()}),
    endpoints=["tcp:port=0:interface=127.0.0.1"],
    ready_callable=ready,
)
server.run()

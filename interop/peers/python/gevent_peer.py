"""The battery's peer for gevent-websocket: gevent_peer.py server"""
import gevent
from gevent import pywsgi
from geventwebsocket import handler
from geventwebsocket.websocket import WebSocket

from obey import SUBPROTOCOL, listening, obey


class Socket(WebSocket):
    """The library tells its application neither the code of a Close nor a pong."""

    seen = pong = None

    def handle_close(self, header, payload):
        code = int.from_bytes(payload[:2], "big") if payload else 1005
        self.seen = code, bytes(payload[2:])
        super().handle_close(header, payload)

    def handle_pong(self, header, payload):
        self.pong = payload


handler.WebSocket = Socket


class Peer:
    def __init__(self, ws):
        self.ws = ws

    async def next(self):
        m = self.ws.receive()
        if m is None:
            raise EOFError("it has ended")
        return m if isinstance(m, str) else bytes(m)

    async def send(self, data):
        self.ws.send(data)

    async def close(self, code, reason):
        self.ws.close(code, reason)

    def end(self):
        return self.ws.seen or (1006, "")

    async def ping(self, data):
        self.ws.send_frame(data.decode(), WebSocket.OPCODE_PING)
        while self.ws.pong != data:  # nothing but a pong comes until the battery has its answer
            header, payload = self.ws.read_frame()
            if header.opcode == WebSocket.OPCODE_PONG:
                self.ws.handle_pong(header, payload)


async def sleep(seconds):
    gevent.sleep(seconds)


class Application:
    def app_protocol(self, path):
        return SUBPROTOCOL

    def __call__(self, environ, start_response):
        try:
            obey(Peer(environ["wsgi.websocket"]), sleep).send(None)  # it never waits for a loop
        except StopIteration:
            return []


listener = gevent.socket.socket(fileno=listening().detach())
pywsgi.WSGIServer(listener, Application(), handler_class=handler.WebSocketHandler, log=None).serve_forever()

"""The battery's peer for Qt WebSockets: qt_peer.py server|client"""
import asyncio
import sys

from PyQt5.QtCore import QCoreApplication, QUrl
from PyQt5.QtNetwork import QHostAddress
from PyQt5.QtWebSockets import QWebSocket, QWebSocketProtocol, QWebSocketServer

from obey import SUBPROTOCOL, obey, say

ENOUGH = 1 << 20  # bytes that wait in Qt


class Peer:
    def __init__(self, ws):
        self.ws = ws
        self.messages = asyncio.Queue()
        self.ponged = asyncio.Event()
        self.written = asyncio.Event()
        ws.textMessageReceived.connect(self.messages.put_nowait)
        ws.binaryMessageReceived.connect(lambda m: self.messages.put_nowait(bytes(m)))
        ws.disconnected.connect(lambda: self.messages.put_nowait(None))
        ws.pong.connect(lambda elapsed, data: self.ponged.set())
        ws.bytesWritten.connect(lambda n: self.written.set())

    async def next(self):
        m = await self.messages.get()
        if m is None:
            raise EOFError
        return m

    async def send(self, m):
        if isinstance(m, str):
            self.ws.sendTextMessage(m)
        else:
            self.ws.sendBinaryMessage(m)
        while self.ws.bytesToWrite() > ENOUGH:
            self.written.clear()
            await self.written.wait()

    async def close(self, code, reason):
        self.ws.close(QWebSocketProtocol.CloseCode(code), reason)

    def end(self):
        return self.ws.closeCode(), self.ws.closeReason()

    async def ping(self, data):
        self.ponged.clear()
        self.ws.ping(data)
        await self.ponged.wait()


async def main():
    app = QCoreApplication(sys.argv)
    running = set()

    def start(ws):
        running.add(asyncio.create_task(obey(Peer(ws))))

    def dial(url):
        ws = QWebSocket()
        ws.connected.connect(lambda: start(ws))
        ws.open(QUrl(url))
        running.add(ws)

    if sys.argv[1] == "client":
        asyncio.get_running_loop().add_reader(0, lambda: dial(sys.stdin.readline().strip()))
    else:
        server = QWebSocketServer("battery", QWebSocketServer.NonSecureMode)
        server.listen(QHostAddress.LocalHost, 0)
        server.newConnection.connect(lambda: start(server.nextPendingConnection()))
        say(url=f"ws://127.0.0.1:{server.serverPort()}/")
    while True:  # Qt's events between those of asyncio
        app.processEvents()
        await asyncio.sleep(0.001)


asyncio.run(main())

"""The battery's peer for websocket-client, which is a client that blocks."""
import asyncio
import struct
import sys
import threading

from websocket import ABNF, create_connection

from obey import SUBPROTOCOL, obey


class Peer:
    code, reason = None, ""

    def __init__(self, ws):
        self.ws = ws

    async def next(self):
        while True:
            opcode, frame = self.ws.recv_data_frame()
            if opcode == ABNF.OPCODE_TEXT:
                return frame.data.decode()
            if opcode == ABNF.OPCODE_BINARY:
                return frame.data
            if opcode == ABNF.OPCODE_CLOSE:
                self.closed(frame)
                raise EOFError

    def closed(self, frame):
        if len(frame.data) >= 2:
            (self.code,), self.reason = struct.unpack("!H", frame.data[:2]), frame.data[2:]

    async def send(self, m):
        self.ws.send(m, ABNF.OPCODE_TEXT if isinstance(m, str) else ABNF.OPCODE_BINARY)

    async def close(self, code, reason):
        self.ws.send_close(code, reason.encode())

    def end(self):
        return self.code, self.reason

    async def ping(self, data):
        self.ws.ping(data)
        while self.ws.recv_data_frame(control_frame=True)[0] != ABNF.OPCODE_PONG:
            pass

    async def fragments(self, parts):
        for i, part in enumerate(parts):
            opcode = ABNF.OPCODE_CONT if i else ABNF.OPCODE_TEXT
            self.ws.send_frame(ABNF.create_frame(part, opcode, fin=int(part is parts[-1])))


def dial(url):
    asyncio.run(obey(Peer(create_connection(url, subprotocols=[SUBPROTOCOL]))))


for line in sys.stdin:
    threading.Thread(target=dial, args=(line.strip(),), daemon=True).start()

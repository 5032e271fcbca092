"""The peer for ZeroMQ over WebSocket: zmq_peer.py server|client.

The server binds a REP socket that echoes, a PULL socket whose reader pauses for three seconds, and
a PUSH socket that floods. The client has a REQ socket: it asks each URL that it reads.
"""
import json
import sys
import threading
import time

import zmq

context = zmq.Context()
COUNT, SIZE = 1024, 32 << 10


def say(**event):
    print(json.dumps(event), flush=True)


def bound(kind, **options):
    s = context.socket(kind)
    for name, value in options.items():
        s.setsockopt(getattr(zmq, name), value)
    s.bind('ws://127.0.0.1:*')
    return s, s.getsockopt(zmq.LAST_ENDPOINT).rstrip(b'\0').decode()


def echo(s):
    while True:
        s.send_multipart(s.recv_multipart())


def pull(s):
    """Pauses after the first message, as long as the high-water mark holds the others back."""
    n, lost = 0, False
    while n < COUNT:
        m = s.recv()
        lost = lost or int.from_bytes(m[:4], 'big') != n
        if n == 0:
            time.sleep(3)
        n += 1
    say(say='pulled %d' % (-1 if lost else n))


def push(s):
    for i in range(COUNT):  # send waits for a peer, and at the high-water mark
        s.send(i.to_bytes(4, 'big') + bytes(SIZE - 4))
        if i % 8 == 7:
            say(sent=i + 1)


def server():
    threads = []
    for name, kind, work, options in (
        ('REP', zmq.REP, echo, {}),
        ('PULL', zmq.PULL, pull, {'RCVHWM': 16}),
        ('PUSH', zmq.PUSH, push, {'SNDHWM': 16}),
    ):
        s, url = bound(kind, **options)
        threads.append(threading.Thread(target=work, args=(s,)))
        threads[-1].start()
        say(say='%s %s' % (name, url))
    for t in threads:
        t.join()


def client():
    for line in sys.stdin:
        s = context.socket(zmq.REQ)
        s.connect(line.strip())
        for size in (0, 1, 124, 125, 126, 65534, 65535, 1 << 20):
            parts = [b'part', b'', bytes(size)]
            s.send_multipart(parts)
            if s.recv_multipart() != parts:
                say(say='%d bytes came back otherwise' % size)
        say(say='asked')
        s.close(linger=0)


{'server': server, 'client': client}[sys.argv[1]]()

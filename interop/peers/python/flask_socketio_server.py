"""The peer for Flask-SocketIO, a server: see socketio.mjs for the events that it answers."""
import json

import eventlet
from flask import Flask, request
from flask_socketio import ConnectionRefusedError, SocketIO, disconnect, emit

app = Flask(__name__)
sio = SocketIO(app, async_mode='eventlet', ping_interval=0.3, max_http_buffer_size=4 << 20)


def say(**event):
    print(json.dumps(event), flush=True)


class Items:
    """What has come of a flood to us."""

    def __init__(self):
        self.next, self.lost, self.slow = 0, False, None


items = {}  # by the session


def serve(namespace):
    on = lambda name: sio.on(name, namespace=namespace)

    @on('echo')
    def echo(*args):
        emit('echo', args)

    @on('give')
    def give(*args):
        return args

    @on('ask')
    def ask(name, *args):
        emit(name, args, callback=lambda answer: sio.emit('answer', answer, namespace=namespace))

    @on('flood')
    def flood(count, size):
        for i in range(count):
            emit('item', (i, bytes(size)))
            eventlet.sleep(0)
            if i % 8 == 7:
                say(sent=i + 1)
        emit('flooded')

    @on('item')
    def item(i, data):
        it = items.setdefault(request.sid, Items())
        it.lost = it.lost or i != it.next
        it.next += 1
        if it.slow is None:
            it.slow = eventlet.spawn(eventlet.sleep, 3)
        it.slow.wait()

    @on('sunk')
    def sunk():
        it = items.pop(request.sid)
        it.slow.wait()
        emit('sunk', -1 if it.lost else it.next)

    @on('leave')
    def leave():
        disconnect()

    @on('cut')
    def cut():
        engine = sio.server.manager.eio_sid_from_sid(request.sid, namespace)
        sio.server.eio.disconnect(engine)

    @on('disconnect')
    def disconnected():
        say(say='disconnect')


@sio.on('connect', namespace='/admin')
def admin(auth):
    if not auth or auth.get('token') != 'secret':
        raise ConnectionRefusedError('not you')


serve('/')
serve('/admin')

listener = eventlet.listen(('127.0.0.1', 0))
say(url='ws://127.0.0.1:%d' % listener.getsockname()[1])
eventlet.wsgi.server(listener, app, log_output=False)

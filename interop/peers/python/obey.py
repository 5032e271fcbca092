"""What the battery tells a peer to do, for programs in Python. See battery.go.

A peer of a library is an object:

    await next()               the next message: str or bytes. Raises anything after the end.
    await send(data)           sends str or bytes, and waits for the library where it can wait
    await close(code, reason)
    end()                      code and reason of the end
    await ping(data)           returns after the pong      } may be missing
    await fragments(parts)     sends texts as one message  }
    pause(), resume()          stops and starts reading    }

A peer of a library that blocks has coroutines that block, and a thread for each connection.
"""
import asyncio
import json
import socket
import sys

SUBPROTOCOL = "battery.wsstream"


def say(**event):
    print(json.dumps(event), flush=True)


def listening():
    """Returns a socket that listens, and says its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    say(url=f"ws://127.0.0.1:{listener.getsockname()[1]}/")
    return listener


async def dial_each(dial):
    """Calls dial with each URL that comes on standard input."""
    running = set()
    while url := await asyncio.to_thread(sys.stdin.readline):
        task = asyncio.create_task(dial(url.strip()))
        running.add(task)  # a loop keeps no task alive
        task.add_done_callback(running.discard)


async def obey(peer, sleep=asyncio.sleep):
    """Echoes and does as it is told, until the connection ends."""
    try:
        while True:
            m = await peer.next()
            try:
                if isinstance(m, str) and m.startswith("!"):
                    await order(peer, m[1:], sleep)
                else:
                    await peer.send(m)
            except Exception as e:  # next has still to read the Close that was the cause
                print(repr(e)[:200], file=sys.stderr)
    except Exception as e:
        print(repr(e)[:200], file=sys.stderr)
    code, reason = peer.end()
    if isinstance(reason, bytes):
        reason = reason.decode()
    say(closed={"code": code or 1006, "reason": reason or ""})


async def order(peer, text, sleep):
    verb, _, rest = text.partition(" ")
    first, _, second = rest.partition(" ")
    if verb == "close":
        await peer.close(int(first), second)
    elif verb == "ping" and hasattr(peer, "ping"):
        await peer.ping(rest.encode())
        await peer.send("!pong " + rest)
    elif verb == "fragments" and hasattr(peer, "fragments"):
        await peer.fragments([b"\xe6\xb0", b"", b"\xb4\xe6", b"\xb0\xb4\xe6\xb0\xb4"])
    elif verb == "flood":
        for i in range(int(first)):
            await peer.send(i.to_bytes(4, "big") + bytes(int(second) - 4))
            if i < 8 or i % 8 == 7:
                say(sent=i + 1)
        await peer.send("!flooded")
    elif verb == "sink":
        if hasattr(peer, "pause"):
            peer.pause()
        await sleep(int(first) / 1000)
        if hasattr(peer, "resume"):
            peer.resume()
        n = 0
        while isinstance(m := await peer.next(), bytes):
            if int.from_bytes(m[:4], "big") != n:
                return await peer.send(f"!lost {n}")
            n += 1
        await peer.send(f"!sunk {n}")
    else:
        await peer.send("!no")

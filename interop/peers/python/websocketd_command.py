"""The battery's peer for websocketd: a command that gets each message as a line, and answers with
lines. It is started for each connection. There are only texts, so numbers of a flood are digits.
"""
import os
import sys
import time

# Lines to standard output are messages. Events go to the standard output of websocketd.
events = open(f"/proc/{os.getppid()}/fd/1", "w")


def say(event):
    print(event, file=events, flush=True)


def send(line):
    print(line, flush=True)


def order(verb, *args):
    if verb == "close":
        sys.exit()  # websocketd closes the connection
    elif verb == "flood":
        count, size = map(int, args)
        for i in range(count):
            send(f"{i:04}".ljust(size, "."))
            if i < 8 or i % 8 == 7:
                say('{"sent":%d}' % (i + 1))
        send("!flooded")
    elif verb == "sink":
        time.sleep(int(args[0]) / 1000)
        n = 0
        while (m := sys.stdin.readline()) != "!sunk\n":
            if int(m[:4]) != n:
                return send(f"!lost {n}")
            n += 1
        send(f"!sunk {n}")
    else:
        send("!no")


try:
    for line in sys.stdin:
        line = line[:-1]
        if line.startswith("!"):
            order(*line[1:].split(" ", 2))
        else:
            send(line)
finally:
    say('{"closed":{"code":1006}}')  # the command is told no code

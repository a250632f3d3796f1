"""A WebSocket server on the loopback interface for tests/consumers.sh.

    server.py FILE PORT steady HOST CPU...   a greeting and two samples a second, with these values in turn
    server.py FILE PORT fast HOST CPU...     the same, twenty samples a second
    server.py FILE PORT asked                samples with the load that the path of the request says, such as /-1.5
    server.py FILE PORT replay RECORDING     what the server of a recording sent, at once, and then silence
    server.py FILE PORT hostile              texts with every character that has a meaning somewhere
    server.py FILE PORT hostile_processes    the same in names of processes, as pmdaemon
    server.py FILE PORT odd                  numbers that are tiny, huge, negative and no percentages
    server.py FILE PORT silent | close       accepts; says nothing, or closes at once
    server.py FILE PORT counted              one sample; prints `accept PATH`, `ping PATH SECONDS` and `end PATH`

PORT may be 0. The port is written into FILE, and after five minutes the server ends.
"""

import base64
import hashlib
import json
import os
import signal
import socket
import sys
import threading
import time

HOSTILE = 'a "b"\\c, d=e {f} \'g\' |h;i\n\t%s $(id) `id` \u2028\u202e \xff\\'


def main(path, port, behaviour, *arguments):
    signal.alarm(300)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(port)))
    listener.listen(1024)
    with open(path + ".new", "w") as file:
        print(listener.getsockname()[1], file=file)
    os.rename(path + ".new", path)
    serve = globals()[behaviour]
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=guarded, args=(serve, peer, arguments), daemon=True).start()


def guarded(serve, peer, arguments):
    with peer:
        try:
            serve(peer, *arguments)
        except OSError:
            pass


def steady(peer, host, *values, period=0.5):
    upgrade(peer)
    text(peer, {"type": "connection", "status": "connected", "message": "Connected to monitoring server"})
    turn = 0
    while True:
        text(peer, sample(host, float(values[turn % len(values)])))
        turn += 1
        time.sleep(period)


def fast(peer, host, *values):
    steady(peer, host, *values, period=0.05)


def asked(peer):
    path = upgrade(peer)
    message = sample("h", 1)
    message["data"]["system"]["load_average"] = [float(path.strip("/")), 0, 0]
    text(peer, message)
    read_until_closed(peer)


def replay(peer, recording):
    upgrade(peer)
    with open(recording) as file:
        frames = [json.loads(line) for line in file if line.strip()]
    for each in frames:
        opcode = {"text": 1, "binary": 2}.get(each["opcode"])
        if each["dir"] == "in" and opcode:
            encoded = each.get("payload_b64")
            frame(peer, opcode, base64.b64decode(encoded) if encoded else each["payload"].encode())
    read_until_closed(peer)


def hostile(peer):
    upgrade(peer)
    for cpu in (float("nan"), 1e400, 12.5):
        text(peer, sample(HOSTILE, cpu) | {"alerts": [{"component": HOSTILE, "level": HOSTILE, "message": HOSTILE}]})
    text(peer, {"type": HOSTILE, "channel": HOSTILE, "data": {HOSTILE: HOSTILE}})
    read_until_closed(peer)


def hostile_processes(peer):
    upgrade(peer)
    names = [HOSTILE, HOSTILE, HOSTILE + "\x00", "", "-", "x" * 5000]
    process = {"pid": 1, "state": HOSTILE, "cpu_usage": 1.5, "memory_usage": 4096, "restarts": 0}
    text(peer, {"type": "ProcessList", "processes": [process | {"id": str(at), "name": name} for at, name in enumerate(names)]})
    read_until_closed(peer)


def odd(peer):
    upgrade(peer)
    for cpu in (1e-7, 12345678.9):
        message = sample("odd", cpu)
        message["data"]["memory"] = {"percentage": 1e-300, "used": 1e21, "total": 2**63, "available": -1}
        message["data"]["disk"] = {"percentage": -5, "used": 0.1, "total": 1e308, "free": -0.0}
        message["data"]["system"]["load_average"] = [1e308, -0.0, 2.5e-300]
        text(peer, message)
    read_until_closed(peer)


def silent(peer):
    read_until_closed(peer)


def close(peer):
    pass


def counted(peer):
    begun = []

    def begin(path):
        begun.append(path)
        say(f"accept {path}")

    try:
        path = upgrade(peer, begin, answers=False)
        text(peer, {"type": "connection", "status": "connected", "message": "Connected to monitoring server"})
        text(peer, sample(path.strip("/"), 12.4))
        answer(peer, lambda: say(f"ping {path} {time.monotonic():.3f}"))
    finally:
        for path in begun:
            say(f"end {path}")


def say(line):
    """Prints a line at once, whatever other threads print."""
    os.write(1, line.encode() + b"\n")


def sample(host, cpu):
    return {
        "type": "monitoring_data",
        "timestamp": "2026-01-02T03:04:05.678",
        "data": {
            "processor": {"usage_percent": cpu, "core_count": 2, "logical_count": 4, "frequency_current": 2596.122},
            "memory": {"percentage": 38.1, "used": 6303870976, "total": 16546185216, "available": 10242314240},
            "disk": {"percentage": 28.5, "used": 142500000000, "total": 500000000000, "free": 357500000000},
            "system": {"hostname": host, "load_average": [0.52, 0.48, 0.44]},
        },
    }


def upgrade(peer, before=lambda path: None, answers=True):
    """Accepts a connection and returns its path; with it, something may be done before the client knows."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = peer.recv(4096)
        if not piece:
            raise OSError("closed")
        head += piece
    path = head.split(b" ")[1].decode()
    fields = (line.partition(b":") for line in head.split(b"\r\n"))
    key = next(value.strip() for name, _, value in fields if name.lower() == b"sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    before(path)
    peer.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    if answers:
        threading.Thread(target=answer, args=(peer,), daemon=True).start()
    return path


def answer(peer, pinged=lambda: None):
    """Answers each Ping, and a Close by closing."""
    try:
        while True:
            opcode, payload = read_frame(peer)
            if opcode == 9:
                frame(peer, 10, payload)
                pinged()
            elif opcode == 8:
                frame(peer, 8, payload)
                break
    except OSError:
        pass
    try:
        peer.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def read_frame(peer):
    first, second = exactly(peer, 2)
    length = second & 127
    if length > 125:
        length = int.from_bytes(exactly(peer, 2 if length == 126 else 8), "big")
    mask = exactly(peer, 4)
    payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(exactly(peer, length)))
    return first & 15, payload


def exactly(peer, length):
    data = b""
    while len(data) < length:
        piece = peer.recv(length - len(data))
        if not piece:
            raise OSError("closed")
        data += piece
    return data


def read_until_closed(peer):
    """Waits: a thread that answers reads what comes."""
    while peer.fileno() != -1:
        time.sleep(1)
        peer.getpeername()


def text(peer, message):
    # Like the Python server, which sends NaN and Infinity.
    frame(peer, 1, json.dumps(message).encode())


def frame(peer, opcode, payload):
    length = len(payload)
    if length < 126:
        size = bytes([length])
    else:
        size = bytes([126]) + length.to_bytes(2, "big") if length < 65536 else bytes([127]) + length.to_bytes(8, "big")
    peer.sendall(bytes([128 | opcode]) + size + payload)


main(*sys.argv[1:])

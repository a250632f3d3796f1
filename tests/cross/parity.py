"""Compares what two binaries print and save of all recorded sessions, and of the same with odd numbers and texts in them:
byte for byte, in every format, live and read again.

    parity.py RECORDINGS REFERENCE OTHER     REFERENCE and OTHER are commands without arguments
"""

import base64
import difflib
import glob
import hashlib
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OPCODES = {"text": 1, "binary": 2, "ping": 9, "pong": 10}
FORMATS = ["simple", "detailed", "compact", "json", "jsonl", "events", "csv", "influx", "table"]
ODD = [
    "0", "-0.0", "1e-7", "1E+21", "0.1", "99.95", "3.141592653589793", "123456789.123456789", "1e308", "1e400", "5e-324",
    "4294967296", "9007199254740993", "18446744073709551615", "18446744073709551616", "-9223372036854775809", "null", "true",
    '"\\ud83d\\ude00\\u0000\\u009b"', '"12.5"', "[1e2]", "{}",
]  # fmt: skip
# Only the time of receipt is of this run.
RECEIVED = re.compile(rb'"received_at":"[^"]*"')


def messages(path):
    with open(path) as file:
        records = [json.loads(line) for line in file if line.strip()]
    for record in records:
        if record.get("dir") == "in" and record.get("opcode") in OPCODES:
            packed = record.get("payload_b64")
            payload = (record.get("payload") or "").encode() if packed is None else base64.b64decode(packed)
            yield OPCODES[record["opcode"]], payload


def odd(session, chance):
    number = re.compile(rb"(?<=[:\[,\s])-?\d[\d.eE+-]*(?=[,\]}\s])")
    for opcode, payload in session:
        if opcode == 1:
            payload = number.sub(lambda m: chance.choice([m[0], chance.choice(ODD).encode()]), payload)
            yield opcode, payload


def frame(opcode, payload):
    n = len(payload)
    if n < 126:
        length = bytes([n])
    elif n < 65536:
        length = b"\x7e" + struct.pack(">H", n)
    else:
        length = b"\x7f" + struct.pack(">Q", n)
    return bytes([0x80 | opcode]) + length + payload


def serve(listener, session):
    peer, _ = listener.accept()
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(4096)
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head).group(1)
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    peer.sendall(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept)
    peer.sendall(b"".join(frame(*message) for message in session) + frame(8, struct.pack(">H", 1000)))
    peer.settimeout(60)
    try:
        while peer.recv(4096):
            pass
    except OSError:
        pass
    peer.close()


def live(command, dialect, session, saved):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, session), daemon=True).start()
        uri = "x=ws://127.0.0.1:%d/" % listener.getsockname()[1]
        options = ["--dialect", dialect, "-f", "jsonl", "--no-reconnect", "-q", "--duration", "100", "--queue", "100M"]
        return run([command, "-u", uri, "--save-data", saved, *options])


def run(command):
    done = subprocess.run(command, capture_output=True, timeout=120)
    return b"status %d\n%b%b" % (done.returncode, done.stdout, done.stderr if done.returncode > 1 else b"")


def main():
    recordings, reference, other = sys.argv[1:]
    compared, differences = 0, 0

    def compare(name, want, got):
        nonlocal compared, differences
        compared += len(want)
        if want != got:
            differences += 1
            print("DIFFERENT:", name)
            lines = [text.decode(errors="replace").splitlines() for text in (want, got)]
            print("\n".join(list(difflib.unified_diff(*lines, lineterm="", n=0))[:8]))

    for dialect in sorted(os.listdir(recordings)):
        recorded = [m for path in sorted(glob.glob(f"{recordings}/{dialect}/*.jsonl")) if ".expected." not in path for m in messages(path)]
        for kind, session in ("as recorded", recorded), ("odd", list(odd(recorded, random.Random(1)))):
            name = f"{dialect}, {kind}"
            with tempfile.TemporaryDirectory() as home:
                saved = [f"{home}/{n}" for n in (1, 2)]
                outs = [RECEIVED.sub(b"", live(*each)) for each in zip([reference, other], [dialect] * 2, [session] * 2, saved)]
                compare(f"{name}, live", *outs)
                for fmt in FORMATS:
                    compare(f"{name}, {fmt}", *(run([c, "--read", saved[0], "-f", fmt, "--unicode"]) for c in (reference, other)))
    print(f"parity: {compared} bytes of output compared, {differences} differences")
    return differences != 0 or compared < 1_000_000


sys.exit(main())

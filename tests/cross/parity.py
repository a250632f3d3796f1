"""Compares what two binaries print, save and report of recorded and of odd sessions: byte for byte, in every format, live and
read again.

    parity.py RECORDINGS REFERENCE OTHER     REFERENCE and OTHER are commands without arguments
"""

import base64
import concurrent.futures
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

import odd

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OPCODES = {"text": odd.TEXT, "binary": odd.BINARY, "ping": odd.PING, "pong": odd.PONG}
FORMATS = ["simple", "detailed", "compact", "json", "jsonl", "events", "csv", "influx", "table"]
# Whatever is of this run alone: the time of receipt, that of a line of the log, and the port.
OF_THIS_RUN = re.compile(rb'"received_at":"[^"]*"|^[\dT:.Z-]{20,30} |127\.0\.0\.1:\d+', re.MULTILINE)
RULES = ["-w", "cpu=50.0,memory=20:80,up=1:,cpu.mean=0.1:1e308", "-c", "cpu=99.95,disk_free=1G:,uptime=4294967296"]
# What else is made of saved data: options, of which $home is a directory whose files are compared.
READINGS = [
    *(["-f", name, "--unicode"] for name in FORMATS),
    ["-s", "-f", "detailed", "--time", "--color", "always", *RULES],
    ["-s", "--history", "-f", "json", "--only", "none"],
    ["--check", *RULES],
    ["--every", "10", "--average", "-f", "events"],
    ["--template", "{server} {host} {cpu} {memory} {memory_used} {load1} {disk_free} {uptime} {received_at} {x}"],
    ["--every", "0.001", "--template", "{cpu};{memory_total};{processes}", "--ascii"],
    ["-q", "--only", "sample", "--textfile", "$home/wsmon.prom", "--save-data", "$home/wsmon.csv", "--save-format", "csv"],
    ["-q", "-f", "compact", "--save-data", "$home/wsmon.influx", "--save-format", "influx", "--rotate-size", "20K"],
    ["-q", "-f", "compact", "--ascii", "--save-data", "$home/wsmon.events", "--save-format", "events", *RULES],
]


def messages(path):
    with open(path) as file:
        records = [json.loads(line) for line in file if line.strip()]
    for record in records:
        if record.get("dir") == "in" and record.get("opcode") in OPCODES:
            packed = record.get("payload_b64")
            payload = (record.get("payload") or "").encode() if packed is None else base64.b64decode(packed)
            yield OPCODES[record["opcode"]], payload


def frame(opcode, payload):
    n = len(payload)
    if n < 126:
        length = bytes([n])
    elif n < 65536:
        length = b"\x7e" + struct.pack(">H", n)
    else:
        length = b"\x7f" + struct.pack(">Q", n)
    return bytes([0x80 | opcode]) + length + payload


def serve(listener, sent, ends_whole):
    peer, _ = listener.accept()
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(4096)
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head).group(1)
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    peer.sendall(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept)
    peer.settimeout(60)
    try:
        peer.sendall(sent)
        if not ends_whole:
            peer.shutdown(socket.SHUT_WR)
        while peer.recv(4096):
            pass
    except OSError:
        pass
    peer.close()


def live(command, dialect, sent, options, ends_whole=True):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, sent, ends_whole), daemon=True).start()
        uri = "x=ws://127.0.0.1:%d/" % listener.getsockname()[1]
        every = ["--dialect", dialect, "-f", "jsonl", "--no-reconnect", "-q", "--duration", "100", "--queue", "100M"]
        return run([command, "-u", uri, *every, *options])


def run(command):
    """Returns its status and all that it writes: also the files below $home, in the order of their names."""
    with tempfile.TemporaryDirectory() as home:
        command = [argument.replace("$home", home) for argument in command]
        done = subprocess.run(command, capture_output=True, timeout=300)
        files = b"".join(open(path, "rb").read() for path in sorted(glob.glob(f"{home}/*")))
        text = b"status %d\n%b%b%b" % (done.returncode, done.stdout, done.stderr, files)
    return OF_THIS_RUN.sub(b"", text.replace(home.encode(), b""))


class Comparison:
    def __init__(self, reference, other):
        self.commands = reference, other
        self.compared, self.differences = 0, 0

    def of(self, name, outputs):
        want, got = outputs
        self.compared += len(want)
        if want != got:
            self.differences += 1
            lines = [text.decode(errors="replace").splitlines() for text in outputs]
            diff = list(difflib.unified_diff(*lines, lineterm="", n=0)) if max(map(len, lines)) < 5000 else first(*lines)
            print("DIFFERENT: " + "\n".join([name, *(line[:300] for line in diff[:8])]), flush=True)

    def session(self, dialect, kind, session):
        sent = b"".join(frame(*message) for message in session) + frame(8, struct.pack(">H", 1000))
        with tempfile.TemporaryDirectory() as home:
            saved = [f"{home}/{n}" for n in (1, 2)]
            both = zip(self.commands, saved)
            self.of(f"{dialect}, {kind}, live", [live(c, dialect, sent, ["--save-data", file]) for c, file in both])
            for options in READINGS:
                name = f"{dialect}, {kind}, {' '.join(options)}"
                self.of(name, [run([c, "--read", saved[0], *options]) for c in self.commands])

    def end(self, sent):
        for options in ([], ["--lossy-utf8", "--max-message", "4294967"]):
            name = f"the end {sent[:14]!r} {' '.join(options)}"
            self.of(name, [live(c, "monitoring", sent, options, False) for c in self.commands])

    def option(self, options, saved):
        self.of(" ".join(options), [run([c, "--read", saved, *options]) for c in self.commands])


def first(want, got):
    """Returns the first lines that differ."""
    at = next((n for n, pair in enumerate(zip(want, got)) if pair[0] != pair[1]), min(len(want), len(got)))
    return ["-" + "".join(want[at : at + 1]), "+" + "".join(got[at : at + 1])]


def main():
    recordings, reference, other = sys.argv[1:]
    comparison = Comparison(reference, other)
    with tempfile.TemporaryDirectory() as home, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        saved = f"{home}/saved"
        with open(saved, "w") as file:
            file.write('{"received_at":"2026-01-02T03:04:05Z","server":"x","type":"monitoring_data","data":{"processor":{"usage_percent":50}}}\n')  # fmt: skip
        jobs = [pool.submit(comparison.option, options, saved) for options in odd.OPTIONS]
        jobs += [pool.submit(comparison.end, sent) for sent in odd.ENDS]
        for dialect in sorted(os.listdir(recordings)):
            paths = [path for path in sorted(glob.glob(f"{recordings}/{dialect}/*.jsonl")) if ".expected." not in path]
            recorded = [message for path in paths for message in messages(path)]
            jobs.append(pool.submit(comparison.session, dialect, "as recorded", recorded))
            jobs.append(pool.submit(comparison.session, dialect, "odd", list(odd.session(recorded, random.Random(1)))))
            jobs.append(pool.submit(comparison.session, dialect, "made up", odd.made_up()))
        jobs.append(pool.submit(comparison.session, "generic", "made up", odd.made_up()))
        for job in jobs:
            job.result()
    print(f"parity: {comparison.compared} bytes of output compared, {comparison.differences} differences")
    return comparison.differences != 0 or comparison.compared < 10_000_000


if __name__ == "__main__":
    sys.exit(main())

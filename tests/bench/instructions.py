#!/usr/bin/env python3
"""Counts the instructions of a message by format, with valgrind's callgrind.

usage: tests/bench/instructions.py BINARY[:BINARY…] [--format NAME]… [--few N] [--many N] [--keep FOLDER]

The same program runs twice for each format, against a server on 127.0.0.1 that sends few messages and then many; the
difference, divided by that of the messages, leaves out the start and the end. Messages of 800 bytes, as those of
tests/bench/blaster.rs. Two columns: all messages at once, and one after the other, each once the line of the one
before has come out of the pipe. With --keep, callgrind's files are left in that folder; they name functions where the
binary has symbols (CARGO_PROFILE_RELEASE_STRIP=false CARGO_PROFILE_RELEASE_DEBUG=1).
"""

import argparse
import base64
import hashlib
import os
import re
import socket
import subprocess
import tempfile
import threading

MESSAGE_BYTES = 800
DISTINCT = 100
GREETING = '{"type": "connection", "status": "connected", "message": "Connected to monitoring server"}'
# Names of formats, and one more for what is saved beside simple.
SUBJECTS = ["simple", "compact", "jsonl", "json", "events", "detailed", "csv", "saved"]


def message(index):
    """In the form that the real server sends, padded to its length in the name of the host."""
    used, busy, disk = 4_000_000_000 + index * 7_919_113, index * 0.97, 20.0 + index * 0.3
    head = (
        f'{{"type": "monitoring_data", "timestamp": "2026-11-20T06:15:55.{index:06}", "data": {{"memory": '
        f'{{"total": 25276510208, "available": {25_276_510_208 - used}, "used": {used}, '
        f'"percentage": {used / 252_765_102.08:.1f}}}, "processor": {{"usage_percent": {busy:.1f}, "core_count": 2, '
        f'"logical_count": 2, "frequency_current": 2596.122, "frequency_max": 0.0, '
        f'"per_core_usage": [{busy:.1f}, 33.3]}}, "disk": {{"total": 270553174016, "used": 15147704320, '
        f'"free": 82425044992, "percentage": {disk:.1f}, "path": "/"}}, "system": {{"os_name": "Linux", '
        f'"os_version": "1 SMP", "os_release": "6.1.0", "architecture": "x86_64", '
        f'"platform": "Linux-6.1.0-x86_64-with-glibc2.36", "machine": "x86_64", "processor": "", '
        f'"python_version": "3.11.7", "hostname": "'
    )
    tail = '"}}}'
    return head + "r" * (MESSAGE_BYTES - len(head) - len(tail)) + tail


def frame(text):
    """One unmasked text frame."""
    length = len(text)
    head = bytes([0x81, length]) if length < 126 else bytes([0x81, 126]) + length.to_bytes(2, "big")
    return head + text.encode()


FRAMES = [frame(message(index)) for index in range(DISTINCT)]


def upgrade(listener):
    """Accepts a client and answers its upgrade."""
    stream = listener.accept()[0]
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b""
    while b"\r\n\r\n" not in request:
        request += stream.recv(4096)
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request).group(1)
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    stream.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n" + frame(GREETING)
    )
    return stream


def run(binary, subject, messages, each_alone, out_file, folder):
    """Returns the instructions of one run."""
    listener = socket.create_server(("127.0.0.1", 0))
    options = ["--format", "simple" if subject == "saved" else subject, "--no-color", "--max-reconnects", "0"]
    if subject == "saved":
        options += ["--save-data", os.path.join(folder, "saved.jsonl")]
    program = subprocess.Popen(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out_file}", binary]
        + ["--uri", f"ws://127.0.0.1:{listener.getsockname()[1]}"]
        + options,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    printed = threading.Semaphore(0)

    def drain():
        while chunk := os.read(program.stdout.fileno(), 1 << 16):
            for _ in range(chunk.count(b"\n") if subject in ("simple", "saved") else 1):
                printed.release()

    reader = threading.Thread(target=drain)
    reader.start()
    stream = upgrade(listener)
    if each_alone:
        for index in range(messages):
            stream.sendall(FRAMES[index % DISTINCT])
            printed.acquire(timeout=5)
    else:
        whole = b"".join(FRAMES)
        for _ in range(messages // DISTINCT):
            stream.sendall(whole)
    stream.sendall(bytes([0x88, 2, 0x03, 0xE8]))
    errors = program.stderr.read().decode()
    program.wait()
    reader.join()
    stream.close()
    listener.close()
    return int(re.search(r"Collected : (\d+)", errors).group(1))


def measure(binary, subject, few, many, each_alone, keep):
    """Returns the instructions of one message."""
    with tempfile.TemporaryDirectory() as folder:
        place = keep or folder
        os.makedirs(place, exist_ok=True)
        mode = "alone" if each_alone else "all"
        name = lambda count: os.path.join(place, f"{os.path.basename(binary)}.{subject}.{mode}.{count}")
        counts = [run(binary, subject, count, each_alone, name(count), folder) for count in (few, many)]
    return (counts[1] - counts[0]) / (many - few)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries")
    parser.add_argument("--format", action="append", choices=SUBJECTS)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=4000)
    parser.add_argument("--alone", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--keep")
    given = parser.parse_args()
    print(f"instructions of a message of {MESSAGE_BYTES} bytes")
    for binary in given.binaries.split(":"):
        print(f"{binary}\n{'':10}  {'at once':>8}" + (f"  {'alone':>8}" if given.alone else ""))
        for subject in given.format or SUBJECTS:
            modes = [False, True] if given.alone else [False]
            costs = [measure(binary, subject, given.few, given.many, mode, given.keep) for mode in modes]
            print(f"{subject:10}" + "".join(f"  {cost:8.0f}" for cost in costs), flush=True)


if __name__ == "__main__":
    main()

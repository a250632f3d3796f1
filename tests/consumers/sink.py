"""Stands in for a server that is sent to, on the loopback interface.

    sink.py FILE tcp | udp     appends what comes to FILE
    sink.py FILE http          appends the body of each request to FILE, a line each
    sink.py FILE notify        a service manager: appends each line that is sent to the socket FILE.sock
    sink.py FILE zabbix        a trapper: appends each value to FILE as JSON, and says that all were processed

The port is written into FILE.port, and after five minutes it ends.
"""

import http.server
import json
import os
import signal
import socketserver
import struct
import sys

path, kind = sys.argv[1:]


def keep(data):
    with open(path, "ab") as file:
        file.write(data)


class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            keep(data)


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        keep(self.request[0])


class Notify(socketserver.BaseRequestHandler):
    def handle(self):
        keep(self.request[0] + b"\n")


class Http(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        keep(self.rfile.read(int(self.headers["Content-Length"])) + b"\n")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_POST

    def log_message(self, *_):
        pass


class Zabbix(socketserver.StreamRequestHandler):
    def handle(self):
        assert self.rfile.read(5) == b"ZBXD\1"
        values = json.loads(self.rfile.read(struct.unpack("<II", self.rfile.read(8))[0]))["data"]
        for value in values:
            keep(json.dumps(value).encode() + b"\n")
        info = f"processed: {len(values)}; failed: 0; total: {len(values)}; seconds spent: 0.000050"
        answer = json.dumps({"response": "success", "info": info}).encode()
        self.wfile.write(b"ZBXD\1" + struct.pack("<II", len(answer), 0) + answer)


signal.alarm(300)
socketserver.ThreadingTCPServer.daemon_threads = True
handler = {"tcp": Tcp, "udp": Udp, "http": Http, "zabbix": Zabbix, "notify": Notify}[kind]
if kind == "notify":
    socketserver.UnixDatagramServer(path + ".sock", handler).serve_forever()
server = socketserver.UDPServer if kind == "udp" else socketserver.ThreadingTCPServer
with server(("127.0.0.1", 0), handler) as serving:
    with open(path + ".port.new", "w") as file:
        print(serving.server_address[1], file=file)
    os.rename(path + ".port.new", path + ".port")
    serving.serve_forever()

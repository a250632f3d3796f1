"""Looks at what wsmon draws on a terminal, as pyte understands it, for tests/consumers.sh.

    screen.py VIEW,... WSMON URI...     of these servers: web, db, and down, which is down

Each view runs on a pseudo-terminal of its own. The first thing that is wrong ends the script.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pyte


class View:
    """A run on a terminal of a size, behind a line that was on the screen before."""

    def __init__(self, size, *command):
        self.size = size
        self.master, slave = pty.openpty()
        self.set_size(size)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.bytes = 0
        self.screen = pyte.HistoryScreen(size[1], size[0], history=1000, ratio=0.5)
        self.stream = pyte.ByteStream(self.screen)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.master)
            login(slave)
            os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
            os.execvp("sh", ["sh", "-c", 'echo before; exec "$@"', "sh", *command])

    def set_size(self, size):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def resize(self, size):
        self.set_size(size)
        self.screen.resize(*size)
        self.size = size

    def read(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:
                    return
                self.bytes += len(data)
                self.stream.feed(data)

    def wait(self, text, seconds=10):
        """Reads until a row holds the text."""
        end = time.monotonic() + seconds
        while not any(text in row for row in self.screen.display):
            check(time.monotonic() < end, f"no {text!r}", self)
            self.read(0.1)

    def rows(self):
        """The rows down to the cursor, which is below the last one."""
        cursor = self.screen.cursor
        check(cursor.x == 0, f"the cursor is in column {cursor.x}", self)
        check(not any(row.strip() for row in self.screen.display[cursor.y :]), "something is below the cursor", self)
        return [row.rstrip() for row in self.screen.display[: cursor.y]]

    def old(self):
        return ["".join(line[column].data for column in sorted(line)) for line in self.screen.history.top]

    def end(self, number):
        os.kill(self.pid, number)
        self.read(0.3)
        status = os.waitpid(self.pid, 0)[1]
        check(termios.tcgetattr(self.slave) == self.before, "the terminal has other settings", self)
        check(pyte.modes.DECTCEM in self.screen.mode, "the cursor is hidden", self)
        os.close(self.master)
        os.close(self.slave)
        return status


def login(slave):
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for descriptor in range(3):
        os.dup2(slave, descriptor)


def check(good, text, view):
    if not good:
        if view:
            text = "\n|".join([f"{text}, on {view.size[0]} rows of {view.size[1]}:", *view.screen.display])
        sys.exit(text)


def table(wsmon, uris):
    for size in [(8, 72), (24, 80), (10, 40), (40, 10), (5, 200), (6, 60), (2, 2), (1, 1)]:
        view = View(size, wsmon, "-q", "-f", "table", "--every", "0.2", *uris)
        if size[0] >= 5 and size[1] >= 40:
            view.wait(" ▁" if size[0] >= 6 else "connection refused")
            view.wait("2 of 3 up, cpu mean")
            check(any("before" in line for line in view.old()), "what was there is lost", view)
        view.read(0.5)
        rows = view.rows()
        check(len(rows) <= max(size[0] - 1, 1), "too many rows", view)
        if size[0] >= 6 and size[1] >= 40:
            check(rows[0].startswith("SERVER   CPU%"), "no head", view)
            check(rows[1].startswith("down        -"), "down is not the first", view)
            check(rows[2].startswith("web      95.0"), "web is not the second", view)
            check(rows[3].startswith("db "), "db is not the third", view)
        if size == (5, 200):
            check(rows[2] == "... 2 more" and rows[1].endswith("connection refused"), "not cut", view)
        rolled = len(view.old())
        view.read(0.6)
        check(len(view.old()) == rolled or size[0] < 2, "it scrolls", view)
        status = view.end(signal.SIGKILL if size == (24, 80) else signal.SIGTERM)
        print(f"{size[0]} rows of {size[1]}:", *rows, sep="\n|")
        check(status in (0, signal.SIGKILL), f"status {status}", view)


def resized(wsmon, uris):
    view = View((24, 80), wsmon, "--log-level", "off", "-f", "table", "--every", "0.2", *uris)
    for size in [(24, 80), (8, 72), (5, 200), (40, 60), (3, 20), (24, 80)]:
        view.resize(size)
        view.read(0.8)
        rows = view.rows()
        check(rows[-1].startswith("2 of 3 up, cpu mean"[: size[1] - 1]), "no last row", view)
        check(len(rows) == min(size[0] - 1, 5), f"{len(rows)} rows", view)
    # Nobody reads: frames are left out, and the next ones are whole.
    time.sleep(3)
    before = view.bytes
    view.read(0.3)
    check(view.bytes - before < 8000, f"{view.bytes - before} bytes were waiting", view)
    view.read(0.5)
    check(view.rows()[0].startswith("SERVER "), "no whole frame", view)
    # The terminal goes.
    os.close(view.slave)
    os.close(view.master)
    for _ in range(50):
        if os.waitpid(view.pid, os.WNOHANG)[0]:
            return
        time.sleep(0.1)
    os.kill(view.pid, signal.SIGKILL)
    sys.exit("the end of its terminal does not end the run")


def log(wsmon, uris):
    view = View((8, 72), wsmon, "-v", "-f", "table", "--every", "0.2", "--reconnect-interval", "1", *uris)
    view.read(2.5)
    rows = view.rows()
    check(rows[0].startswith("SERVER ") and rows[-2].startswith("2 of 3 up"), "the log is among the rows", view)
    check(" DEBUG " in rows[-1] or " WARN " in rows[-1] or " INFO " in rows[-1], "no log in the last row", view)
    os.kill(view.pid, signal.SIGUSR1)
    view.read(0.8)
    check(view.rows()[0].startswith("SERVER "), "the statistics are among the rows", view)
    check(any("RECEIVED" in line for line in view.old()), "the statistics are lost", view)
    view.end(signal.SIGTERM)


def live(wsmon, uris):
    view = View((24, 80), wsmon, "-q", "-f", "detailed", "--live", uris[1])
    view.wait("CPU Information:")
    view.read(0.5)
    rows = view.rows()
    print("live:", *rows, sep="\n|")
    check(rows[0].startswith("=== System Monitoring"), "no heading", view)
    check("before" in "".join(view.old()), "what was there is lost", view)
    view.end(signal.SIGTERM)
    view = View((24, 80), wsmon, "-q", "--live", *uris)
    view.wait("db")
    view.wait("web")
    view.read(0.5)
    rows = view.rows()
    print("several:", *rows, sep="\n|")
    check([row.split(":")[0].strip() for row in rows[:2]] == ["db", "web"], "not by label", view)
    view.end(signal.SIGTERM)


def killed(wsmon, uris):
    """A shell whose command is killed has its prompt below the table, and the terminal echoes what is typed."""
    view = View((14, 72), "env", "PS1=ready> ", "sh", "-i")
    view.wait("ready>")
    shell = os.tcgetpgrp(view.master)
    os.write(view.master, " ".join([wsmon, "-q -f table --every 0.2", *uris, "\n"]).encode())
    view.wait("2 of 3 up, cpu mean")
    os.write(view.master, b"true\n")
    view.read(1)
    check(view.rows()[0].startswith("SERVER "), "what is typed spoils the table", view)
    command = os.tcgetpgrp(view.master)
    check(command != shell, "the command is not in the foreground", view)
    os.kill(command, signal.SIGKILL)
    # The shell reads what was typed meanwhile, and is ready again.
    view.wait("ready> ready>")
    os.write(view.master, b"echo typed after")
    view.wait("ready> ready> echo typed after")
    rows = [row.rstrip() for row in view.screen.display]
    print("killed:", *rows, sep="\n|")
    prompt = next(at for at, row in enumerate(rows) if row.startswith("ready>"))
    check(any(row.startswith("2 of 3 up") for row in rows[:prompt]), "the last table is gone", view)
    check(not any(rows[prompt + 1 :]), "something is below the prompt", view)
    os.write(view.master, b"\nexit\n")
    view.end(signal.SIGHUP)


def tmux(wsmon, uris):
    """The same in tmux, whose window takes other sizes meanwhile."""
    name = f"wsmon-{os.getpid()}"

    def run(*command):
        done = subprocess.run(["tmux", "-L", name, "-f", "/dev/null", *command], stdout=subprocess.PIPE, check=True, text=True)
        return done.stdout.rstrip("\n").split("\n")

    def until(holds, text):
        end = time.monotonic() + 20
        while not holds(rows := run("capture-pane", "-p")):
            if time.monotonic() > end:
                print(f"tmux: no {text}:", *rows, sep="\n|", file=sys.stderr)
                sys.exit(1)
            time.sleep(0.1)
        return rows

    table = " ".join([wsmon, "--log-level off -f table --every 0.2", *uris])
    run("new-session", "-d", "-x", "80", "-y", "24", f"echo before; PS1='ready> ' exec sh -i")
    try:
        until(lambda rows: rows[-1] == "ready>", "prompt")
        run("send-keys", table, "Enter")
        for rows, columns in [(24, 80), (8, 72), (40, 10), (5, 200), (12, 40), (24, 80)]:
            run("resize-window", "-x", str(columns), "-y", str(rows))
            last = "2 of 3 up, cpu mean"[: columns - 1]
            whole = lambda seen: seen[0].startswith("SERVER"[: columns - 1]) and seen[-1].startswith(last) and len(seen) == min(rows - 1, 5)
            seen = until(whole, f"table of {rows} rows of {columns}")
            print(f"tmux, {rows} rows of {columns}:", *seen, sep="\n|")
            check(run("display-message", "-p", "#{alternate_on} #{cursor_flag}") == ["0 1"], "the screen is another one", None)
        check("before" in run("capture-pane", "-p", "-S", "-"), "what was there is lost", None)
        run("send-keys", "C-c", "")
        until(lambda rows: rows[-1] == "ready>", "prompt after the end")
    finally:
        run("kill-server")


for each in sys.argv[1].split(","):
    globals()[each](sys.argv[2], sys.argv[3:])

"""Servers that are measured: each a process of its own, on the core of servers; redis-benchmark has the other core.

What a server takes is read from the kernel: processor time of all its threads from the scheduler's statistics, memory from
its resident pages. Servers that a benchmark has started end with it, see RUNNING.
"""

import contextlib
import itertools
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from resp import encoded

SERVER_CORE, CLIENT_CORE = 0, 1
READY_SECONDS = 10


def die(message):
    sys.exit(f"bench: {message}")


def both(options):
    """The labels and binaries of the two servers that are compared now."""
    return ("ours", options.ours), ("peer", options.peer)


class Tls:
    """A certificate, and how both ends are told to use it with the same cipher."""

    CIPHER = "TLS_AES_256_GCM_SHA384"

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="oxidis-bench-")
        self.certificate, self.key = (f"{self.directory.name}/tls.{end}" for end in ("crt", "key"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench", "-days", "2",
                        "-out", self.certificate, "-keyout", self.key], check=True, capture_output=True)

    def server(self, port):
        return ["--tls-port", str(port), "--tls-cert-file", self.certificate, "--tls-key-file", self.key,
                "--tls-auth-clients", "no", "--tls-ciphersuites", self.CIPHER]

    def client(self, port):
        return ["-p", str(port), "--tls", "--cacert", self.certificate, "--tls-ciphersuites", self.CIPHER]


def take_precedence(pid=0):
    """Gives a process, or this one, a real-time priority, where that is allowed."""
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except PermissionError:
        pass


class Server:
    """One server process, pinned to the server core, in a directory of its own."""

    def __init__(self, label, binary, port, *arguments, ready_seconds=READY_SECONDS, core=SERVER_CORE, tls=None):
        self.label, self.port = label, port
        self.client = tls.client(port + 1000) if tls else ["-p", str(port)]
        arguments += tuple(tls.server(port + 1000)) if tls else ()
        self.directory = tempfile.TemporaryDirectory(prefix="oxidis-bench-")
        command = ["taskset", "-c", str(core), binary, "--port", str(port), "--save", "",
                   "--appendonly", "no", *arguments]
        started = time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=self.directory.name, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )
        self.connection = None
        RUNNING.append(self)
        while True:
            try:
                self.connection = socket.create_connection(("127.0.0.1", port), 600)
                if self.call("PING") == "PONG":
                    self.start_seconds = time.monotonic() - started
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > started + ready_seconds:
                die(f"{binary} did not start on port {port}")
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self in RUNNING:
            RUNNING.remove(self)
            self.resume()
            self.process.kill()
            self.process.wait()
            if self.connection:
                self.connection.close()
            self.directory.cleanup()

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def call(self, *words):
        self.send(words)
        self.replies = self.connection.makefile("rb")
        return self.reply()

    def send(self, words):
        self.connection.sendall(encoded(words))

    def reply(self):
        """One RESP2 reply; an error reply is None, for a command a server does not have."""
        line = self.replies.readline()
        if not line:
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"*":
            return [self.reply() for _ in range(max(0, int(rest)))]
        if kind == b"$" and int(rest) >= 0:
            return self.replies.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind == b":":
            return int(rest)
        return rest if kind == b"+" else None

    def fill(self, command, words, batch):
        """Sends a command again and again, each time with the next `batch` of the words."""
        words = iter(words)
        while some := list(itertools.islice(words, batch)):
            self.call(*command, *some)

    @contextlib.contextmanager
    def precedence(self):
        """Keeps other processes from taking the core away, if this one may say so. Children and new threads do not
        inherit that."""
        take_precedence(self.process.pid)
        yield
        try:
            os.sched_setscheduler(self.process.pid, os.SCHED_OTHER, os.sched_param(0))
        except PermissionError:
            pass

    def cpu_ns(self):
        """CPU time of all threads, from the first field of schedstat."""
        total = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total

    def resident(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def info(self, section, field):
        found = re.search(rf"^{field}:(.*)$", self.call("INFO", section) or "", re.M)
        return found.group(1).strip() if found else None


RUNNING = []


def open_files():
    """How many files this process and those it starts may have open."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most

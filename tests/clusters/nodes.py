"""Nodes of any kind, clusters of them, and a plain connection to each."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SLOTS = 16384
# Where nodes listen, and the bus 10,000 above: where neither the system nor the tests of cargo take ports from.
PORTS = range(12000, 16000)
# How long what is waited for may take on a slow machine, in seconds.
PATIENCE = 60


class Refused(Exception):
    """What a node answered was an error."""

    def kind(self):
        return str(self).partition(" ")[0]


def die(text):
    sys.exit(f"{Path(sys.argv[0]).name}: {text}")


def wait(what, holds, patience=PATIENCE):
    """Waits until something holds; the seconds it took. Nodes that do not answer do not make it hold."""
    begun = time.monotonic()
    while True:
        try:
            if holds():
                return time.monotonic() - begun
        except (OSError, Refused):
            pass
        if time.monotonic() - begun > patience:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.05)


# ---------------------------------------------------------------- kinds


def oxidis():
    """Our binary: the one that OXIDIS names, or the release build."""
    named = os.environ.get("OXIDIS")
    if named is None:
        subprocess.run(["cargo", "build", "--release", "--bin", "oxidis"], cwd=ROOT, check=True)
        named = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "release" / "oxidis"
    return str(named)


def kinds():
    """The programs that are there, by name."""
    found = {"oxidis": oxidis(), "redis7": os.environ.get("OXIDIS_REDIS") or shutil.which("redis-server")}
    found["redis8"] = os.environ.get("OXIDIS_REDIS8")
    found["valkey9"] = os.environ.get("OXIDIS_VALKEY9")
    return {name: program for name, program in found.items() if program}


# ---------------------------------------------------------------- a connection


class Connection:
    """RESP2 over a socket. Errors are raised: Refused for those of the node, OSError for those of the way to it."""

    def __init__(self, ip, port, patience=PATIENCE):
        self.socket = socket.create_connection((ip, port), timeout=patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")

    def close(self):
        self.stream.close()
        self.socket.close()

    def call(self, *words):
        self.socket.sendall(encode(words))
        return self.reply()

    def calls(self, requests):
        """Replies to many, errors among them as values."""
        self.socket.sendall(b"".join(map(encode, requests)))
        return [self.reply_or_error() for _ in requests]

    def reply_or_error(self):
        try:
            return self.reply()
        except Refused as refused:
            return refused

    def reply(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the node has closed the connection")
        kind, rest = line[:1], line[1:-2].decode(errors="replace")
        if kind == b"-":
            raise Refused(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self.bulk(length)
        if kind == b"*":
            return None if rest == "-1" else [self.reply_or_error() for _ in range(int(rest))]
        return rest

    def bulk(self, length):
        data = self.stream.read(length + 2)
        if len(data) != length + 2:
            raise ConnectionResetError("the node has closed the connection")
        return data[:-2].decode(errors="surrogateescape")


def encode(words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode(errors="surrogateescape")
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


# ---------------------------------------------------------------- a node


class Node:
    """A node: its program, its place, its process, and a connection to it that is made anew when it is lost."""

    def __init__(self, kind, program, folder, ip, port, directives=()):
        self.kind, self.program, self.folder = kind, program, Path(folder)
        self.ip, self.port, self.directives = ip, port, list(directives)
        self.process = self.connection = None
        self.is_stopped = False

    def __str__(self):
        return f"{self.kind}:{self.port}"

    def name(self):
        return f"{self.ip}:{self.port}"

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        directives = {
            "port": self.port, "dir": self.folder, "logfile": self.folder / "log", "cluster-enabled": "yes",
            "enable-debug-command": "yes", "save": "", "repl-diskless-sync-delay": "0", "appendonly": "yes",
            **dict(self.directives),
        }
        arguments = [text for name, value in directives.items() for text in (f"--{name}", str(value))]
        self.process = subprocess.Popen(
            [self.program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def is_up(self):
        return self.process is not None and not self.is_stopped

    def kill(self):
        self.forget_connection()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.is_stopped = False

    def stand_still(self):
        self.process.send_signal(signal.SIGSTOP)
        self.is_stopped = True

    def go_on(self):
        if self.is_stopped:
            self.process.send_signal(signal.SIGCONT)
            self.is_stopped = False

    def forget_connection(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def call(self, *words, patience=PATIENCE):
        try:
            if self.connection is None:
                self.connection = Connection(self.ip, self.port, patience)
            self.connection.socket.settimeout(patience)
            return self.connection.call(*words)
        except OSError:
            self.forget_connection()
            raise

    def info(self, section, name):
        return field(self.call("INFO", section), name)

    def state(self):
        return field(self.call("CLUSTER", "INFO"), "cluster_state")

    def id(self):
        return self.call("CLUSTER", "MYID")

    def nodes(self):
        """What it knows of all nodes."""
        return [Line(line) for line in self.call("CLUSTER", "NODES").splitlines()]

    def myself(self):
        return next(line for line in self.nodes() if "myself" in line.flags)

    def is_primary(self):
        return "master" in self.myself().flags

    def log(self):
        return (self.folder / "log").read_text(errors="replace")


def field(text, name):
    lines = (line.partition(":") for line in text.splitlines())
    return next((value for key, _, value in lines if key == name), "")


class Line:
    """A line of CLUSTER NODES."""

    def __init__(self, line):
        self.text = line
        fields = line.split()
        self.id, self.address, self.flags = fields[0], fields[1].partition("@")[0], fields[2].split(",")
        self.primary = None if fields[3] == "-" else fields[3]
        self.epoch, self.is_linked = int(fields[6]), fields[7] == "connected"
        self.slots, self.open = set(), []
        for text in fields[8:]:
            if text.startswith("["):
                self.open.append(text)
            else:
                first, _, last = text.partition("-")
                self.slots.update(range(int(first), int(last or first) + 1))

    def has_failed(self):
        return "fail" in self.flags or "fail?" in self.flags


# ---------------------------------------------------------------- all of them


class Cluster:
    """Nodes that are one cluster, or are to be."""

    def __init__(self, nodes):
        self.nodes = nodes

    def up(self):
        return [node for node in self.nodes if node.is_up()]

    def primaries(self):
        return [node for node in self.up() if node.is_primary()]

    def replicas_of(self, primary):
        own = primary.id()
        return [node for node in self.up() if node is not primary and node.myself().primary == own]

    def by_id(self, name):
        return next(node for node in self.up() if node.id() == name)

    def is_served(self):
        """Whether all nodes say that the cluster is well."""
        return all(node.state() == "ok" for node in self.up())

    def is_of_one_mind(self):
        """Whether all nodes know who has which slot, and nobody is thought to have failed."""
        views = []
        for node in self.up():
            lines = node.nodes()
            if any(line.has_failed() or "handshake" in line.flags for line in lines):
                return False
            views.append({line.id: (line.primary, frozenset(line.slots)) for line in lines})
        return all(view == views[0] for view in views)

    def follows(self):
        """Whether all replicas have their primaries' data, as far as it is there."""
        return all(
            node.info("replication", "master_link_status") == "up" for node in self.up() if not node.is_primary()
        )

    def settle(self, patience=PATIENCE):
        """Waits until all is well; how long the cluster did not serve."""
        took = wait("the cluster to serve", self.is_served, patience)
        wait("the nodes to agree", self.is_of_one_mind)
        wait("the replicas to follow", self.follows)
        return took

    def check_digests(self, patience=PATIENCE):
        """The data of replicas is that of their primaries."""
        for primary in self.primaries():
            for replica in self.replicas_of(primary):
                wait(
                    f"{replica} to have the data of {primary}",
                    lambda: primary.call("DEBUG", "DIGEST") == replica.call("DEBUG", "DIGEST"),
                    patience,
                )

    def end(self):
        for node in self.nodes:
            node.kill()


def free_ports(count, ip="127.0.0.1"):
    """Ports that nobody listens at, neither there nor where the bus would be."""
    found = []
    while len(found) < count:
        port = random.choice(PORTS)
        if port not in found and all(is_free(ip, number) for number in (port, port + 10000)):
            found.append(port)
    return found


def is_free(ip, port):
    with socket.socket() as probe:
        try:
            probe.bind((ip, port))
            return True
        except OSError:
            return False


def crc16_table():
    table = []
    for value in range(256):
        value <<= 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
        table.append(value)
    return table


CRC16 = crc16_table()


def slot_of(key):
    data = key.encode()
    begin = data.find(b"{")
    end = data.find(b"}", begin + 1)
    if begin >= 0 and end > begin + 1:
        data = data[begin + 1 : end]
    value = 0
    for byte in data:
        value = value << 8 & 0xFF00 ^ CRC16[value >> 8 ^ byte]
    return value % SLOTS

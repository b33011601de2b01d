"""Writes through the Sentinel support of the Python package `redis` while the primary dies. Usage: python_sentinel.py BINARY

Three real Sentinels watch a primary and two replicas of the server. Writers ask them for the primary. It is killed under
load: writes go on at another, the old one comes back as a replica, and nothing is lost that WAIT has told to be at both
replicas.
"""

import itertools
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import redis
from redis.sentinel import MasterNotFoundError, Sentinel

NAME = "watched"
SENTINEL_PROGRAM = "redis-server"
DOWN_AFTER_MS = 1000
LIMIT_SECONDS = 30
WRITERS = 2


def lasting_port():
    """A port that nobody listens on, and none that the system gives away while its node is dead."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def wait_until(what, holds):
    """Asks until it holds; errors on the way are those of nodes that are not there."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        try:
            if holds():
                return
        except (redis.RedisError, OSError):
            pass
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain: {what}")
        time.sleep(0.02)


class Process:
    """A server or a Sentinel, which keeps its port and its configuration file over several lives."""

    def __init__(self, stack, program, lines, *arguments):
        self.port = lasting_port()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="oxidis-sentinel-")))
        file = folder / "node.conf"
        file.write_text("\n".join([f"port {self.port}", f"dir {folder}", *lines, ""]))
        self.command = [program, str(file), *arguments]
        self.client = redis.Redis(port=self.port, decode_responses=True, socket_timeout=2)
        self.process = None
        self.start()
        stack.callback(self.kill)

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_until(f"{self.command[0]} answers", self.client.ping)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def follows(self, port):
        info = self.client.info("replication")
        return info["role"] == "slave" and info["master_port"] == port and info["master_link_status"] == "up"


class Writer(threading.Thread):
    """Appends numbers to a list of its own at whoever is the primary, and notes which of them both replicas have."""

    def __init__(self, sentinel, number):
        super().__init__(daemon=True)
        self.client = sentinel.master_for(NAME, socket_timeout=2, decode_responses=True)
        self.key = f"list:{number}"
        self.kept = []
        self.written = 0
        self.over = threading.Event()

    def run(self):
        for number in itertools.count():
            if self.over.is_set():
                return
            try:
                # On one connection: WAIT is about what was written on its own.
                _, replicas = self.client.pipeline(transaction=False).rpush(self.key, number).wait(2, 300).execute()
            except (redis.RedisError, OSError):
                time.sleep(0.01)
                continue
            self.written += 1
            if replicas >= 2:
                self.kept.append(number)


def wait_for_writes(writers, count, what):
    before = [writer.written for writer in writers]
    wait_until(what, lambda: all(writer.written >= old + count for writer, old in zip(writers, before)))


def start_all(stack, binary):
    common = ["save ''", "repl-diskless-sync-delay 0"]
    primary = Process(stack, binary, common)
    replicas = [Process(stack, binary, [*common, f"replicaof 127.0.0.1 {primary.port}"]) for _ in range(2)]
    for replica in replicas:
        wait_until("a replica follows", lambda: replica.follows(primary.port))
    lines = [f"sentinel monitor {NAME} 127.0.0.1 {primary.port} 2",
             f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
             f"sentinel failover-timeout {NAME} 4000", f"sentinel parallel-syncs {NAME} 2"]
    sentinels = [Process(stack, SENTINEL_PROGRAM, lines, "--sentinel") for _ in range(3)]
    for watcher in sentinels:
        def knows_all():
            state = watcher.client.sentinel_masters()[NAME]
            return (state["num-slaves"], state["num-other-sentinels"]) == (2, 2)
        wait_until("the Sentinels know all", knows_all)
    return [primary, *replicas], Sentinel([("127.0.0.1", watcher.port) for watcher in sentinels], socket_timeout=1)


def node_of_primary(sentinel, nodes):
    _, port = sentinel.discover_master(NAME)
    return next(node for node in nodes if node.port == port)


def check_failover(stack, binary):
    nodes, sentinel = start_all(stack, binary)
    old = nodes[0]
    writers = [Writer(sentinel, number) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    wait_for_writes(writers, 50, "writes reach the first primary")
    old.kill()
    killed = time.monotonic()
    wait_for_writes(writers, 1, "writes go on after the primary is dead")
    print(f"ok: writes go on {time.monotonic() - killed:.1f} s after the primary was killed", flush=True)
    wait_for_writes(writers, 20, "many writes go on")
    new = node_of_primary(sentinel, nodes)
    assert new is not old
    old.start()
    wait_until("the old primary follows the new one", lambda: old.follows(new.port))
    wait_until("both replicas can be found", lambda: len(sentinel.discover_slaves(NAME)) == 2)
    wait_for_writes(writers, 20, "writes go on with two replicas")
    for writer in writers:
        writer.over.set()
        writer.join()
    check_promises(sentinel, writers)


def check_promises(sentinel, writers):
    primary = sentinel.master_for(NAME, decode_responses=True)
    for writer in writers:
        there = primary.lrange(writer.key, 0, -1)
        lost = {str(number) for number in writer.kept} - set(there)
        assert not lost, f"acknowledged and lost: {lost}"
        assert len(writer.kept) > 50
        print(f"ok: {writer.key}: {len(writer.kept)} of {len(there)} writes were promised, and are there")
        replica = sentinel.slave_for(NAME, decode_responses=True)
        wait_until("a replica has all", lambda: replica.lrange(writer.key, 0, -1) == there)
    try:
        sentinel.discover_master("unknown")
        raise AssertionError("nobody watches it")
    except MasterNotFoundError:
        print("ok: replicas have all, and what nobody watches is not found")


def main():
    with ExitStack() as stack:
        check_failover(stack, sys.argv[1])
    print(f"the Sentinel support of the Python package redis {redis.__version__} works with {sys.argv[1]}")


if __name__ == "__main__":
    main()

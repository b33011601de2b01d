"""Clients in processes of their own: one that writes at a steady pace, and one that tells how long it waits.

The writer has its commands ready before it starts, and sends some of them every half millisecond, whether what it sent
before is answered or not: if it falls behind, it catches up. So servers have the same work, however fast they are.
"""

import gc
import itertools
import multiprocessing
import random
import re
import socket
import time
from pathlib import Path

from resp import encoded
from server import die, take_precedence
from workloads import VALUE_BYTES

WRITES_PER_SECOND = 100_000
BATCH, CONNECTIONS = 50, 4
# Commands that are ready, of half a minute; then the writer starts again.
PREPARED = 30 * WRITES_PER_SECOND


class Writer:
    """Sets random ones of so many keys that redis-benchmark knows, WRITES_PER_SECOND of them."""

    def __init__(self, port, keys):
        self.answered, ready = multiprocessing.Value("Q", 0, lock=False), multiprocessing.Event()
        self.process = multiprocessing.Process(target=write, args=(port, keys, self.answered, ready), daemon=True)
        self.process.start()
        while not ready.wait(0.1):
            self.count()

    def count(self):
        """How many writes have been answered."""
        if not self.process.is_alive():
            die("the writer has ended")
        return self.answered.value

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()


def write(port, keys, answered, ready):
    some = random.Random(4)
    value = some.randbytes(VALUE_BYTES // 2).hex()
    # Twelve digits stand for a key's number, which is filled in for each.
    digits = b"0" * 12
    batch = encoded(("SET", b"key:" + digits, value)).replace(digits, b"%012d") * BATCH
    batches = [batch % tuple(some.choices(range(keys), k=BATCH)) for _ in range(PREPARED // BATCH)]
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for one in sockets:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    gc.disable()
    ready.set()
    pause, received, due = BATCH / WRITES_PER_SECOND, 0, time.perf_counter()
    for batch, one in zip(itertools.cycle(batches), itertools.cycle(sockets)):
        due += pause
        if (early := due - time.perf_counter()) > 0:
            time.sleep(early)
        one.sendall(batch)
        try:
            replies = one.recv(1 << 20, socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue
        if not replies or b"-" in replies:
            die(f"a write was answered by {replies[:100]}")
        received += len(replies)
        answered.value = received // len(b"+OK\r\n")


class Probe:
    """A client that asks for an answer again and again: how long it waited each time, in ms."""

    def __init__(self, port):
        self.over, (self.waits, waits) = multiprocessing.Event(), multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=probe, args=(port, self.over, waits), daemon=True)
        self.process.start()
        waits.close()
        self.waits.recv()

    def end(self):
        """All waits, the longest last."""
        self.over.set()
        waits = self.waits.recv()
        self.process.join()
        return sorted(waits)


def probe(port, over, report):
    connection, waits = socket.create_connection(("127.0.0.1", port)), []
    gc.disable()
    take_precedence()
    report.send("ready")
    while not over.is_set():
        started = time.perf_counter()
        connection.sendall(b"PING\r\n")
        connection.recv(64)
        waits.append((time.perf_counter() - started) * 1000)
        time.sleep(0.0005)
    report.send(waits)


def process_group_bytes(pid):
    """Memory of a process and its children, what they share counted once."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = 0
    for one in [str(pid), *children]:
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            found += int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M).group(1)) * 1024
        except OSError:
            pass  # It has ended.
    return found

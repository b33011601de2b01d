"""What a save in the background costs while clients write: by fork and without, of small keys and of all types.

Servers may use both cores here, as a save uses a second one. Memory is that of the server and its children, what they share
counted once; waits are those of a client that asks again and again.
"""

import random
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

from persistence import Saved
from report import figure, ratio
from server import Server, die
from workloads import VALUE_BYTES

# Elements of the largest collections of a data set that is saved.
LARGE = 1_000_000


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


class Probe(threading.Thread):
    """A client that asks for an answer again and again: how long it waited each time, in ms."""

    def __init__(self, port):
        super().__init__()
        self.connection, self.waits, self.over = socket.create_connection(("127.0.0.1", port)), [], False
        self.start()

    def run(self):
        while not self.over:
            started = time.perf_counter()
            self.connection.sendall(b"PING\r\n")
            self.connection.recv(64)
            self.waits.append((time.perf_counter() - started) * 1000)
            time.sleep(0.0005)

    def end(self):
        self.over = True
        self.join()
        return sorted(self.waits)


# Types of collections: what makes one of so many elements, and what changes an element of it.
HUGE_COLLECTIONS = {
    "hash": (lambda at: ("HSET", b"member:%012d" % at, b"%d" % at), lambda at: ("HSET", "{key}", b"member:%012d" % at, "x")),
    "set": (lambda at: ("SADD", b"member:%012d" % at), lambda at: ("SREM", "{key}", b"member:%012d" % at)),
    "sorted set": (lambda at: ("ZADD", b"%d" % at, b"member:%012d" % at),
                   lambda at: ("ZINCRBY", "{key}", "0.5", b"member:%012d" % at)),
    "list": (lambda at: ("RPUSH", b"member:%012d" % at), lambda at: ("LSET", "{key}", at, "x")),
    "stream": (lambda at: ("XADD", f"{at + 1}-1", "field", b"member:%012d" % at), lambda at: ("XDEL", "{key}", f"{at + 1}-1")),
}


def fill_huge(server, kind, count):
    """Makes a collection of so many elements, whose key is its type."""
    element, _ = HUGE_COLLECTIONS[kind]
    for first in range(0, count, 1000):
        elements = [element(at) for at in range(first, first + 1000)]
        if kind == "stream":
            for command, *rest in elements:
                server.send((command, kind, *rest))
            server.replies = server.connection.makefile("rb")
            for _ in elements:
                server.reply()
        else:
            server.call(elements[0][0], kind, *(word for one in elements for word in one[1:]))


def fill_mixed(server, size):
    """Keys of all types, of so many bytes in all, about; each has a hundred elements."""
    some, number = random.Random(2), 0
    while number * 100 * 40 < size:
        for kind, (element, _) in HUGE_COLLECTIONS.items():
            number += 1
            words = [element(at) for at in some.sample(range(10**9), 100)]
            if kind == "stream":
                server.call("XADD", f"{kind}:{number}", "*", "field", some.randbytes(4000).hex())
            else:
                server.call(words[0][0], f"{kind}:{number}", *(word for one in words for word in one[1:]))


def longest_changes(options, binary, *words):
    """The most CPU time of the loop, in ms, that a change to a huge collection takes while a save has it, by type."""
    def loop_ns():
        return int(Path(f"/proc/{server.process.pid}/task/{server.process.pid}/schedstat").read_text().split()[0])

    figures, some = {}, random.Random(3)
    for kind, (_, change) in HUGE_COLLECTIONS.items():
        with Server("", binary, options.port, "--save", "", "--rdb-key-save-delay", "5000000", core="0-1") as server:
            fill_huge(server, kind, LARGE)
            places, spent = some.sample(range(LARGE), 400), []
            server.call("BGSAVE", *words)
            for at in places:
                before = loop_ns()
                server.call(*(kind if word == "{key}" else word for word in change(at)))
                spent.append(loop_ns() - before)
            is_saving = server.info("persistence", "rdb_bgsave_in_progress") == "1"
            figures[f"a change to a {kind} of {LARGE:,}, ms of CPU at most"] = max(spent) / 1e6
            if not is_saving:
                die("the save ended too early")
    return figures


def snapshot(options, saved, binary, *words, mixed=False):
    """What a save in the background costs: alone, and while random keys are written."""
    def save(server, watch):
        started = time.monotonic()
        server.call("BGSAVE", *words)
        while server.info("persistence", "rdb_bgsave_in_progress") != "0":
            watch()
            time.sleep(0.02)
        return time.monotonic() - started

    arguments = ("--save", "") if mixed else saved.arguments
    with Server("", binary, options.port, *arguments, ready_seconds=600, core="0-1") as server:
        if mixed:
            fill_mixed(server, options.mixed_bytes)
            fill_huge(server, "sorted set", LARGE)
        fill_huge(server, "set", LARGE)
        figures = {"seconds when idle": save(server, lambda: None)}
        load = subprocess.Popen(
            ["redis-benchmark", "-p", str(options.port), "-t", "set", "-r", str(options.saved_keys), "-n", "1000000000",
             "-d", str(VALUE_BYTES), "-P", "4", "-c", "50", "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            def rate(seconds, since):
                return (int(server.info("stats", "total_commands_processed")) - since) / seconds

            time.sleep(2)
            done, started = int(server.info("stats", "total_commands_processed")), time.monotonic()
            time.sleep(options.seconds)
            before = rate(time.monotonic() - started, done)
            bytes_before, most = process_group_bytes(server.process.pid), []
            probe, done = Probe(options.port), int(server.info("stats", "total_commands_processed"))
            seconds = save(server, lambda: most.append(process_group_bytes(server.process.pid)))
            during, waits = rate(seconds, done), probe.end()
        finally:
            load.kill()
            load.wait()
        figures |= {
            "seconds under load": seconds,
            "requests/s without": before,
            "% of requests left": 100 * during / before,
            "MB of memory": (max(most, default=bytes_before) - bytes_before) / 2**20,
            "ms waited, 99.9 %": waits[int(len(waits) * 0.999)],
            "ms waited at most": waits[-1],
        }
    return figures


def snapshot_rows(options):
    """The rows of the table on saves with and without fork, of small keys and of all types; all servers read the same
    file of small keys."""
    saved, rows = Saved(options), []
    small, mixed = f"{options.saved_keys:,} keys", f"{options.mixed_bytes / 2**20:,.0f} MB of all types"
    measures = {
        small: lambda binary, *words: snapshot(options, saved, binary, *words),
        mixed: lambda binary, *words: snapshot(options, saved, binary, *words, mixed=True),
        "while it lasts": lambda binary, *words: longest_changes(options, binary, *words),
    }
    for what, measure in measures.items():
        peer, forked = measure(options.peer), {}
        for method in ("fork", "forkless"):
            ours = measure(options.ours, method)
            for name, value in ours.items():
                less = ratio(peer[name], value) if "requests" not in name else ratio(value, peer[name])
                rows.append([f"BGSAVE {method}, {what}: {name}", figure(value, 2), figure(peer[name], 2), less])
            forked = forked or ours
        if "seconds when idle" in ours:
            times = ours["seconds when idle"] / forked["seconds when idle"]
            rows.append([f"BGSAVE forkless, {what}: time in that of fork, idle", figure(times, 2), "", ""])
    saved.directory.cleanup()
    return rows

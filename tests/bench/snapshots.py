"""What a save in the background costs while clients write: by fork and without, of small keys and of all types.

Each server loads the same file, and may use both cores, as a save uses a second one. It saves three times: with nothing else
to do; under so many writes a second as every server answers with ease, which are the same for all; and while
redis-benchmark writes as fast as it can, of which a part is left.

A client that asks again and again tells its waits under the steady writes, for as long before the save too. Loop and client
take precedence then, if they may, so that what is waited for is the loop and not a core; what is left of that is to be seen
before the save. Memory is that of the server and its children, what they share counted once, above what it was before the
save at full speed: to count it takes locks that a server might wait for.
"""

import random
import subprocess
import time
from pathlib import Path

from datasets import KINDS, LARGE, Dataset, large_collection, mixed_keys, small_keys
from load import WRITES_PER_SECOND, Probe, Writer, process_group_bytes
from report import figure, row
from server import Server, die
from workloads import VALUE_BYTES

CORES = "0-1"
# The pause between two looks whether a save has ended; every fifth is a look at the memory too, where that is wanted.
LOOK_SECONDS, LOOKS = 0.02, 5
STEADY = f"{WRITES_PER_SECOND:,} SETs/s"
# A change to the element of each type that has this number.
CHANGES = {
    "hash": lambda at: ("HSET", "hash", b"member:%012d" % at, "x"),
    "set": lambda at: ("SREM", "set", b"member:%012d" % at),
    "sorted set": lambda at: ("ZINCRBY", "sorted set", "0.5", b"member:%012d" % at),
    "list": lambda at: ("LSET", "list", at, "x"),
    "stream": lambda at: ("XDEL", "stream", f"{at + 1}-1"),
}


def is_saving(server):
    return server.info("persistence", "rdb_bgsave_in_progress") == "1"


class Watched:
    """A server under load, watched until something is over: seconds, requests a second, with `memory` MB more.

    `count` tells how many requests have been answered, `words` are those of the command that begins it, if any.
    """

    def __init__(self, server, count, is_over, *words, memory=False):
        def group_bytes():
            return process_group_bytes(server.process.pid) if memory else 0

        bytes_before, looks = group_bytes(), 0
        most, counted, started = bytes_before, count(), time.monotonic()
        if words and server.call(*words) is None:
            die(f"{' '.join(words)} was refused")
        while not is_over():
            looks += 1
            if looks % LOOKS == 1:
                most = max(most, group_bytes())
            time.sleep(LOOK_SECONDS)
        self.seconds = time.monotonic() - started
        self.rate = (count() - counted) / self.seconds
        self.mb = (most - bytes_before) / 2**20


class Waited:
    """How long a client waits while a server is watched, in ms, and what was watched."""

    def __init__(self, server, *watched):
        probe = Probe(server.port)
        self.watched = Watched(server, *watched)
        self.waits = probe.end()

    def most_of(self, share):
        return self.waits[min(int(len(self.waits) * share), len(self.waits) - 1)]


def steady(options, server, keys, seconds, *words):
    """A save under steady writes, watched for some seconds before."""
    with Writer(server.port, keys) as writer, server.precedence():
        time.sleep(options.seconds / 3)
        end = time.monotonic() + seconds
        before = Waited(server, writer.count, lambda: time.monotonic() > end)
        during = Waited(server, writer.count, lambda: not is_saving(server), "BGSAVE", *words)
    return {
        f"{STEADY}: seconds": during.watched.seconds,
        f"{STEADY}: ms waited, 99.9 %": during.most_of(0.999),
        f"{STEADY}: ms waited, 99.9 %, no save": before.most_of(0.999),
        f"{STEADY}: ms waited at most": during.most_of(1),
        f"{STEADY}: ms waited at most, no save": before.most_of(1),
        f"{STEADY}: requests/s": during.watched.rate,
        f"{STEADY}: requests/s, no save": before.watched.rate,
    }


def full_speed(options, server, keys, *words):
    """A save while redis-benchmark writes as fast as it can."""
    load = subprocess.Popen(
        ["redis-benchmark", "-p", str(server.port), "-t", "set", "-r", str(keys), "-n", "1000000000",
         "-d", str(VALUE_BYTES), "-P", "4", "-c", "50", "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def count():
        return int(server.info("stats", "total_commands_processed"))

    try:
        time.sleep(2)
        end = time.monotonic() + options.seconds
        before = Watched(server, count, lambda: time.monotonic() > end)
        during = Watched(server, count, lambda: not is_saving(server), "BGSAVE", *words, memory=True)
    finally:
        load.kill()
        load.wait()
    return {
        "full speed: seconds": during.seconds,
        "full speed: MB of memory": during.mb,
        "full speed: requests/s, no save": before.rate,
        "full speed: % of requests left": 100 * during.rate / before.rate,
    }


def snapshot(options, data, keys, binary, *words):
    """What a save in the background costs a server that has loaded `data`, in which clients change so many keys."""
    with data.loaded("", binary, options.port, core=CORES) as server:
        idle = Watched(server, lambda: 0, lambda: not is_saving(server), "BGSAVE", *words).seconds
        seconds = max(options.seconds, idle)
        return {"idle: seconds": idle, **steady(options, server, keys, seconds, *words),
                **full_speed(options, server, keys, *words)}


def longest_changes(options, binary, *words):
    """The most CPU time of the loop, in ms, that a change to a huge collection takes while a save has it, by type."""
    def loop_ns():
        return int(Path(f"/proc/{server.process.pid}/task/{server.process.pid}/schedstat").read_text().split()[0])

    figures, some = {}, random.Random(3)
    for kind in KINDS:
        with Server("", binary, options.port, "--rdb-key-save-delay", "5000000", core=CORES) as server:
            large_collection(server, kind)
            places, spent = some.sample(range(LARGE), 400), []
            server.call("BGSAVE", *words)
            for at in places:
                before = loop_ns()
                server.call(*CHANGES[kind](at))
                spent.append(loop_ns() - before)
            if not is_saving(server):
                die("the save ended too early")
            figures[f"a change to a {kind} of {LARGE:,}, ms of CPU at most"] = max(spent) / 1e6
    return figures


def compared(options, what, measure):
    """Rows of what a measure tells of saves by fork and without, beside those of the peer."""
    peer, ours, rows = measure(options.peer), {}, []
    for method in ("fork", "forkless"):
        ours[method] = measure(options.ours, method)
        rows += [row(f"BGSAVE {method}, {what} {name}", value, peer[name], 0 if "requests/s" in name else 2, "requests" in name)
                 for name, value in ours[method].items()]
    if "idle: seconds" in peer:
        times = ours["forkless"]["idle: seconds"] / ours["fork"]["idle: seconds"]
        rows.append([f"BGSAVE forkless, {what} idle: time in that of fork", figure(times, 2), "", ""])
    return rows


def snapshot_rows(options):
    """The rows of the table on saves with and without fork, of small keys and of all types."""
    rows = []
    small, some = options.saved_keys, options.saved_keys // 10
    for what, keys, fill in (
        (f"{small:,} keys,", small, lambda server: small_keys(server, small)),
        (f"{options.mixed_bytes / 2**20:,.0f} MB of all types,", some,
         lambda server: mixed_keys(server, some, options.mixed_bytes)),
    ):
        data = Dataset(options, fill)
        rows += compared(options, what, lambda binary, *words: snapshot(options, data, keys, binary, *words))
        data.end()
    return rows + compared(options, "while it lasts:", lambda binary, *words: longest_changes(options, binary, *words))

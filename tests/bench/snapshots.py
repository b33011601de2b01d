"""What a save in the background costs while clients write: by fork and without, of small keys and of all types.

Each server loads the same file, and may use both cores, as a save uses a second one. It saves three times: with nothing else
to do; under so many writes a second as every server answers with ease, which are the same for all; and while
redis-benchmark writes as fast as it can, of which a part is left. A client that asks again and again tells its waits under
the steady writes, for as long before the save too: these are the machine's, as are those during the save in part. Memory
is that of the server and its children, what they share counted once, above what it was before the save.
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
# The pause between two looks whether a save has ended; every fifth is a look at the memory too, which takes longer.
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
    """A server under load, watched until something is over: seconds, requests a second, MB more, sorted waits in ms.

    `count` tells how many requests have been answered, `words` are those of the command that begins it, if any.
    """

    def __init__(self, server, count, is_over, *words):
        pid = server.process.pid
        probe, bytes_before, looks = Probe(server.port), process_group_bytes(pid), 0
        most, counted, started = bytes_before, count(), time.monotonic()
        if words and server.call(*words) is None:
            die(f"{' '.join(words)} was refused")
        while not is_over():
            looks += 1
            if looks % LOOKS == 1:
                most = max(most, process_group_bytes(pid))
            time.sleep(LOOK_SECONDS)
        self.seconds = time.monotonic() - started
        self.rate = (count() - counted) / self.seconds
        self.mb = (most - bytes_before) / 2**20
        self.waits = probe.end()

    def waited(self, share):
        return self.waits[min(int(len(self.waits) * share), len(self.waits) - 1)]


def before_and_during(server, count, seconds, *words):
    """Watches a server for some seconds, and then until a save is over."""
    end = time.monotonic() + seconds
    before = Watched(server, count, lambda: time.monotonic() > end)
    return before, Watched(server, count, lambda: not is_saving(server), "BGSAVE", *words)


def steady(options, server, keys, seconds, *words):
    """A save under steady writes."""
    with Writer(server.port, keys) as writer:
        time.sleep(options.seconds / 3)
        before, during = before_and_during(server, writer.count, seconds, *words)
    return {
        f"{STEADY}: seconds": during.seconds,
        f"{STEADY}: MB of memory": during.mb,
        f"{STEADY}: ms waited, 99.9 %": during.waited(0.999),
        f"{STEADY}: ms waited, 99.9 %, no save": before.waited(0.999),
        f"{STEADY}: ms waited at most": during.waited(1),
        f"{STEADY}: ms waited at most, no save": before.waited(1),
        f"{STEADY}: requests/s": during.rate,
        f"{STEADY}: requests/s, no save": before.rate,
    }


def full_speed(options, server, keys, seconds, *words):
    """A save while redis-benchmark writes as fast as it can."""
    load = subprocess.Popen(
        ["redis-benchmark", "-p", str(server.port), "-t", "set", "-r", str(keys), "-n", "1000000000",
         "-d", str(VALUE_BYTES), "-P", "4", "-c", "50", "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(2)
        before, during = before_and_during(
            server, lambda: int(server.info("stats", "total_commands_processed")), seconds, *words)
    finally:
        load.kill()
        load.wait()
    return {
        "full speed: seconds": during.seconds,
        "full speed: requests/s, no save": before.rate,
        "full speed: % of requests left": 100 * during.rate / before.rate,
    }


def snapshot(options, data, keys, binary, *words):
    """What a save in the background costs a server that has loaded `data`, in which clients change so many keys."""
    with data.loaded("", binary, options.port, core=CORES) as server:
        started = time.monotonic()
        server.call("BGSAVE", *words)
        while is_saving(server):
            time.sleep(LOOK_SECONDS)
        idle = time.monotonic() - started
        seconds = max(options.seconds, idle)
        return {"idle: seconds": idle, **steady(options, server, keys, seconds, *words),
                **full_speed(options, server, keys, options.seconds, *words)}


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

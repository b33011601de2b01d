"""What loading and saving a file take, of many small keys: seconds, processor time, and memory while a child saves.

All servers load the same file, which ours has written: values of hexadecimal digits that nothing compresses.
"""

import random
import statistics
import tempfile
import time

from report import row
from server import Server
from workloads import VALUE_BYTES


class Saved:
    """A data set of many small keys in an RDB file that every server reads."""

    def __init__(self, options):
        self.directory = tempfile.TemporaryDirectory(prefix="oxidis-bench-")
        self.arguments = "--dir", self.directory.name, "--enable-debug-command", "yes"
        with Server("ours", options.ours, options.port, *self.arguments) as server:
            some = random.Random(1)
            for first in range(0, options.saved_keys, 1000):
                # What cannot be compressed, as most small values.
                values = some.randbytes(1000 * VALUE_BYTES // 2).hex().encode()
                server.call("MSET", *(word for at in range(1000) for word in (
                    b"key:%012d" % (first + at), values[at * VALUE_BYTES:(at + 1) * VALUE_BYTES])))
            server.call("SAVE")


def persistence(options, saved, binary):
    """Seconds, wall and processor, that loading and saving take; and the memory that saving beside the loop takes."""
    figures = {}
    with Server("", binary, options.port, *saved.arguments, ready_seconds=600) as server:
        figures["load"] = server.start_seconds, server.cpu_ns() / 1e9
        cpu, started = server.cpu_ns(), time.monotonic()
        server.call("SAVE")
        figures["SAVE"] = time.monotonic() - started, (server.cpu_ns() - cpu) / 1e9
        cpu, started, before = server.cpu_ns(), time.monotonic(), server.resident()
        server.call("BGSAVE")
        forked, most = time.monotonic() - started, before
        while server.info("persistence", "rdb_bgsave_in_progress") != "0":
            most = max(most, server.resident())
            time.sleep(0.05)
        figures["BGSAVE"] = time.monotonic() - started, (server.cpu_ns() - cpu) / 1e9
        figures["fork"] = forked, None
        figures["memory"] = (most - before) / 2**20, int(server.info("persistence", "rdb_last_cow_size")) / 2**20
    return figures


def persistence_rows(options):
    """The rows of the table on loading and saving; both servers read the same file, in turn."""
    saved, samples = Saved(options), ([], [])
    for number in range(min(options.rounds, 3)):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            binary = (options.ours, options.peer)[side]
            samples[side].append(persistence(options, saved, binary))
    saved.directory.cleanup()
    rows = []
    for name, what, column, digits in (
        ("load", "load, seconds", 0, 2), ("load", "load, seconds of CPU", 1, 2),
        ("SAVE", "SAVE, seconds", 0, 2), ("SAVE", "SAVE, seconds of CPU", 1, 2),
        ("BGSAVE", "BGSAVE, seconds", 0, 2), ("fork", "BGSAVE until it is answered, seconds", 0, 3),
        ("memory", "BGSAVE: growth of the parent, MB", 0, 1), ("memory", "BGSAVE: copied by the child, MB", 1, 1),
    ):
        our, peer = (statistics.median(sample[name][column] for sample in side) for side in samples)
        rows.append(row(f"{options.saved_keys:,} keys: {what}", our, peer, digits))
    return rows

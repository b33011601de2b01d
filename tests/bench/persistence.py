"""What loading and saving a file take, of many small keys: seconds, processor time, and memory while a child saves.

All servers load the same file, which ours has written; what they save goes elsewhere.
"""

import statistics
import time

from datasets import Dataset, small_keys
from report import row


def persistence(options, data, binary):
    """Seconds, wall and processor, that loading and saving take; and the memory that saving beside the loop takes."""
    figures = {}
    with data.loaded("", binary, options.port) as server:
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
    """The rows of the table on loading and saving; both servers load the same file, in turn."""
    data, samples = Dataset(options, lambda server: small_keys(server, options.saved_keys)), ([], [])
    for number in range(min(options.rounds, 3)):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            binary = (options.ours, options.peer)[side]
            samples[side].append(persistence(options, data, binary))
    data.end()
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

"""How the cost of a request grows: with the depth of the pipeline, keys, the size of values, clients.

Each row is processor time per request, GET or SET of redis-benchmark's random keys, with a million keys and values of 32
bytes where the row does not say otherwise. Both servers take turns; those with most keys come one after the other where
the machine has no memory for both, and are left out where it has none for one. A point is measured for a part of
--seconds in each round, as there are many.
"""

import contextlib
import re
import shutil
import sys
import tempfile
from pathlib import Path

from connections import OTHER_FILES, can_have
from datasets import ManyKeys
from report import row
from runs import CLIENTS, Pair, benchmark, medians, rounded
from server import both
from workloads import KEYS, Workload, preload

COMMANDS = "get", "set"
PIPELINES = 1, 2, 4, 8, 16, 32, 64, 256
KEY_COUNTS = 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000
# The largest count of keys with --quick.
QUICK_KEYS = 1_000_000
# The depths of pipelines at which values of a size are measured.
VALUE_SIZES = {"8 B": (8, (1, 16)), "32 B": (32, (1, 16)), "512 B": (512, (1, 16)), "4 KB": (4096, (1, 16)),
               "64 KB": (65_536, (1,)), "1 MB": (1_048_576, (1,))}
CLIENT_COUNTS = 1, 10, 50, 1_000, 10_000
PART_OF_SECONDS = 1 / 3
# With more clients, the time goes into connecting them: there is no first run, and of most of them only one round.
MANY_CLIENTS, MOST_CLIENTS, MANY_PER_SECOND = 1_000, 10_000, 40_000
# What all values take at most, and a first run, which tells how many requests fill a part of a second.
VALUES_BYTES, FIRST_BYTES = 128 * 2**20, 32 * 2**20
# What a key with its value takes in memory at most, of any server.
KEY_BYTES = 160


def costs(servers, options, workload, clients=CLIENTS):
    """CPU µs per request of each server."""
    seconds, counts = options.seconds * PART_OF_SECONDS, {}

    def measure(server):
        if clients >= MANY_CLIENTS:
            counts[server] = max(10 * clients, rounded(MANY_PER_SECOND * seconds, workload, clients))
        elif server not in counts:
            first = min(2000 * min(workload.pipeline, 8), FIRST_BYTES // workload.size)
            first = rounded(first, workload, clients)
            rate = benchmark(server, workload, first, clients)[0]
            counts[server] = max(4 * first, rounded(rate * seconds, workload, clients))
        return benchmark(server, workload, counts[server], clients)
    rounds = 1 if clients >= MOST_CLIENTS else options.rounds
    return [cost for _, cost, _ in medians(servers, rounds, measure)]


def told(name, ours, peer):
    print(f"  scaling: {name}: {ours:.3f} against {peer:.3f} µs CPU", file=sys.stderr, flush=True)
    return row(f"scaling: {name}, CPU µs/req", ours, peer, 3)


def pipeline_rows(options, pair):
    for command in COMMANDS:
        for pipeline in PIPELINES:
            found = costs(pair.servers, options, Workload(command, pipeline=pipeline))
            yield told(f"{command.upper()} -P {pipeline}", *found)


def client_rows(options, pair):
    counts = list(filter(can_have, CLIENT_COUNTS))
    for command in COMMANDS:
        for clients in counts:
            found = costs(pair.servers, options, Workload(command, pipeline=1), clients)
            yield told(f"{command.upper()} -P 1, {clients:,} client{'s' * (clients > 1)}", *found)


def value_rows(options, pair):
    for name, (size, pipelines) in VALUE_SIZES.items():
        keys = min(KEYS, VALUES_BYTES // size)
        for server in pair.servers:
            server.resume()
            server.call("FLUSHALL", "SYNC")
            preload(server, None, size, keys)
            server.stop()
        for pipeline in pipelines:
            for command in COMMANDS:
                found = costs(pair.servers, options, Workload(command, pipeline=pipeline, draw=keys, size=size))
                yield told(f"{command.upper()} -P {pipeline}, values of {name}", *found)


def memory_bytes(field):
    return int(re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M).group(1)) * 1024


def key_count_costs(options, keys, at_once):
    """What each command costs each of both servers, which have so many keys, of which `at_once` run at the same time."""
    data, found = ManyKeys(keys), {command: [] for command in COMMANDS}
    sides = [(*side, options.port + number) for number, side in enumerate(both(options))]
    for first in range(0, len(sides), at_once):
        with contextlib.ExitStack() as running:
            servers = []
            for side in sides[first:first + at_once]:
                servers.append(running.enter_context(data.loaded(*side)))
                servers[-1].stop()
            for command in COMMANDS:
                found[command] += costs(servers, options, Workload(command, pipeline=16, draw=keys))
    data.end()
    return found


def key_count_rows(options):
    for keys in KEY_COUNTS:
        if options.quick and keys > QUICK_KEYS:
            continue
        needed = keys * KEY_BYTES
        if needed > 0.8 * memory_bytes("MemAvailable"):
            print(f"bench: no {keys:,} keys, for there is too little memory", file=sys.stderr)
        elif keys * ManyKeys.KEY_BYTES > shutil.disk_usage(tempfile.gettempdir()).free:
            print(f"bench: no {keys:,} keys, for there is no place for a file of them", file=sys.stderr)
        else:
            at_once = 2 if 2 * needed < 0.6 * memory_bytes("MemTotal") else 1
            for command, found in key_count_costs(options, keys, at_once).items():
                yield told(f"{command.upper()} -P 16, {keys:,} keys", *found)


def scaling_rows(options):
    """The rows of the table on what requests cost as more comes together."""
    with Pair(options, "--maxclients", str(max(CLIENT_COUNTS) + OTHER_FILES)) as pair:
        rows = [*pipeline_rows(options, pair), *client_rows(options, pair), *value_rows(options, pair)]
    return rows + list(key_count_rows(options))

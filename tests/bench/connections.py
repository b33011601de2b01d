"""Clients of which each waits for its answer before it asks again (-P 1): how long they wait, and what many of them cost.

A few of them tell latency, thousands tell what a turn of the event loop costs for each connection. The servers take turns.
"""

import re
import subprocess
import sys

from report import row
from runs import Pair, benchmark
from server import CLIENT_CORE, open_files
from workloads import KEYS, Workload

LATENCY_CLIENTS = 1, 8, 50
CONNECTIONS = 1_000, 10_000
# Files that redis-benchmark and a server have open besides connections.
OTHER_FILES = 100


def waits(server, clients, requests):
    """How long clients waited for the value of a key, in ms: at most so long half of all times, 99 % and 99.9 %."""
    output = subprocess.run(
        ["taskset", "-c", str(CLIENT_CORE), "redis-benchmark", *server.client, "-t", "get", "-c", str(clients), "-P", "1",
         "-n", str(requests), "-r", str(KEYS), "--precision", "3"], capture_output=True, text=True, check=True).stdout
    steps = re.findall(r"^([0-9.]+)% <= ([0-9.]+) milliseconds \(cumulative", output, re.M)
    return [next(float(ms) for percent, ms in steps if float(percent) >= wanted) for wanted in (50, 99, 99.9)]


def latency_rows(options):
    """The rows of the table on waiting: a few clients that ask for one key at a time."""
    rows = []
    with Pair(options) as pair:
        for clients in LATENCY_CLIENTS:
            requests = round(options.seconds * (15_000 if clients == 1 else 40_000))
            our, peer = pair.medians(options.rounds, lambda server: waits(server, clients, requests))
            names = [f"GET -P 1, {clients} client{'s' * (clients > 1)}: {share} %, ms" for share in ("50", "99", "99.9")]
            rows += [row(*one, 3) for one in zip(names, our, peer)]
    return rows


def can_have(clients):
    """Whether processes may have so many connections; says so on stderr if not."""
    if enough := open_files() >= clients + OTHER_FILES:
        return enough
    print(f"bench: no {clients:,} connections, for a process may have but {open_files():,} files open", file=sys.stderr)
    return False


def connections_rows(options):
    """The rows of the table on many clients, all of which ask for one key at a time."""
    rows = []
    with Pair(options, "--maxclients", str(max(CONNECTIONS) + OTHER_FILES)) as pair:
        for clients in filter(can_have, CONNECTIONS):
            workload, requests = Workload("get", pipeline=1), max(4 * clients, round(options.seconds * 40_000))
            our, peer = pair.medians(options.rounds, lambda server: benchmark(server, workload, requests, clients))
            rows.append(row(f"GET -P 1, {clients:,} clients: CPU µs/req", our[1], peer[1], 3))
            rows.append(row(f"GET -P 1, {clients:,} clients: req/s", our[0], peer[0], 0, more=True))
    return rows

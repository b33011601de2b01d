"""What two replicas cost their primary per SET, and how long a full synchronization takes.

The replicas are of the same kind as the primary and run on the client's core, so requests per second are those of all four
processes on two cores; the primary's processor time per SET is the figure to look at.
"""

import statistics
import time

from report import row
from runs import benchmark, rounded
from server import CLIENT_CORE, Server, both, die
from workloads import Workload, preload


def replication(options, label, binary):
    """Two replicas of the same kind, on the client's core: {what: figure}, medians over the rounds.

    Requests per second and µs of the primary's CPU per SET while both follow, and the seconds from REPLICAOF until one
    has all keys.
    """
    found = {}
    with Server(label, binary, options.port, "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "64mb",
                "--client-output-buffer-limit", "replica 0 0 0") as primary, \
            Server(label, binary, options.port + 1, core=CLIENT_CORE) as first, \
            Server(label, binary, options.port + 2, core=CLIENT_CORE) as second:
        for replica in (first, second):
            follow(replica, primary)
        for pipeline in (1, 16, 64):
            workload = Workload("set", pipeline=pipeline)
            requests = rounded(options.seconds * (40_000 if pipeline == 1 else 300_000), workload)
            rates, cpus, _ = zip(*(benchmark(primary, workload, requests) for _ in range(options.rounds)))
            found[f"two replicas: SET -P {pipeline}, req/s"] = statistics.median(rates)
            found[f"two replicas: SET -P {pipeline}, CPU µs/req"] = statistics.median(cpus)
        second.call("REPLICAOF", "NO", "ONE")
        preload(primary, None, keys=options.sync_keys)
        times = []
        for _ in range(min(3, options.rounds)):
            first.call("REPLICAOF", "NO", "ONE")
            first.call("FLUSHALL")
            times.append(follow(first, primary))
            if first.call("DBSIZE") != primary.call("DBSIZE"):
                die("the replica has not all keys")
        found[f"full sync of {options.sync_keys:,} keys, s"] = statistics.median(times)
    return found


def follow(replica, primary):
    """Makes a server a replica; the seconds until it has everything."""
    started = time.monotonic()
    replica.call("REPLICAOF", "127.0.0.1", primary.port)
    while replica.info("replication", "master_link_status") != "up":
        time.sleep(0.01)
    return time.monotonic() - started


def replication_rows(options):
    """The rows of the table on replication."""
    our, peer = (replication(options, *one) for one in both(options))
    rows = []
    for name in our:
        is_rate = name.endswith("req/s")
        rows.append(row(name, our[name], peer[name], 0 if is_rate else 3, more=is_rate))
    return rows

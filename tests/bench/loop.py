"""What holds the event loop: the longest SET while the table of keys grows, removing huge collections, calls by scripts.

The servers tell it themselves, by the slow log and the latency statistics; what scripts' calls cost is processor time.
"""

import statistics
import time

from report import figure, row
from runs import benchmark, rounded
from server import Server, both, take_precedence
from workloads import KEYS, VALUE_BYTES, Workload, elements, preload

CALLS = 1_000_000
# A script that calls a command often.
LOOP = f"local v for i = 1, {CALLS} do v = redis.call('GET', KEYS[1]) end return v"


def freeing(options, label, binary):
    """Time that removing a huge collection takes of the loop, in µs, in each of three ways."""
    found = {}
    with Server(label, binary, options.port, "--lazyfree-lazy-expire", "yes", "--lazyfree-lazy-server-del", "yes",
                "--latency-monitor-threshold", "1", "--slowlog-log-slower-than", "0") as server:
        for name, last in {
            "UNLINK": ("UNLINK", "key"), "overwriting": ("SET", "key", "x"), "expiry": ("PEXPIREAT", "key", "1"),
        }.items():
            for kind, command in {"set": ("SADD", "key"), "sorted set": ("ZADD", "key")}.items():
                elements(*command, score=kind == "sorted set", count=options.huge)(server, None)
                server.call("SLOWLOG", "RESET")
                server.call(*last)
                found[f"{name} of a {kind}"] = [e[2] for e in server.call("SLOWLOG", "GET", 10) if e[3][0] == last[0]][0]
                while server.info("memory", "lazyfree_pending_objects") not in ("0", None):
                    time.sleep(0.1)
    return found


def freeing_rows(options):
    """The rows of the table on removing huge collections."""
    our, peer = (freeing(options, *one) for one in both(options))
    return [row(f"{name}, {options.huge:,} members, µs", our[name], peer[name], 0) for name in our]


def script_calls(options, label, binary):
    """Server CPU per command that a script calls in a loop, in ns: the median of several runs."""
    with Server(label, binary, options.port, "--busy-reply-threshold", "0") as server:
        server.call("SET", "key", "x" * VALUE_BYTES)
        times = []
        for _ in range(options.rounds):
            before = server.cpu_ns()
            server.call("EVAL", LOOP, 1, "key")
            times.append((server.cpu_ns() - before) / CALLS)
        return statistics.median(times)


def script_calls_rows(options):
    """The row of the table on what a script's call costs."""
    our, peer = (script_calls(options, *one) for one in both(options))
    return [row(f"GET called by a script {CALLS:,} times, CPU ns", our, peer, 0)]


def growth(options, label, binary):
    """(keys, longest SET in µs, SETs above 1 ms) while the table grows, then the last two for a control.

    The control overwrites keys of a table that stays as it is: what it shows is the machine's noise. As far as
    that comes from other processes on the same core it is kept out by a real-time priority, where that is allowed.
    """
    with Server(label, binary, options.port) as server:
        take_precedence(server.process.pid)
        preload(server, None)
        server.call("CONFIG", "SET", "slowlog-log-slower-than", 1000)
        server.call("CONFIG", "SET", "slowlog-max-len", 10_000)
        server.call("CONFIG", "SET", "latency-tracking-info-percentiles", "99.99 100")
        found = []
        for keys in (KEYS, 2_000_000_000):
            workload = Workload("set", draw=keys)
            server.call("CONFIG", "RESETSTAT")
            server.call("SLOWLOG", "RESET")
            benchmark(server, workload, rounded(options.growth_keys, workload))
            found.append(longest_set(server))
        return server.call("DBSIZE"), *found[1], *found[0]


def longest_set(server):
    line = server.info("latencystats", "latency_percentiles_usec_set") or ""
    percentiles = dict(part.split("=") for part in line.split(",") if "=" in part)
    entries = server.call("SLOWLOG", "GET", 10_000)
    if entries is None:
        return float(percentiles["p100"]) if "p100" in percentiles else None, None
    times = [e[2] for e in entries if e[3] and e[3][0].lower() == "set"]
    return max([float(percentiles.get("p100", 0)), *times]), len(times)


def growth_rows(options):
    """The rows of the table on growth."""
    (keys, *our), (_, *peer) = (growth(options, *one) for one in both(options))
    rows = []
    for what, start in ((f"growth to {keys:,} keys", 0), ("control, no growth", 2)):
        rows.append(row(f"{what}: longest SET, µs", our[start], peer[start], 0))
        rows.append([f"{what}: SETs above 1 ms", figure(our[start + 1], 0), figure(peer[start + 1], 0), ""])
    return rows

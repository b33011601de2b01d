"""Bytes per key and per element of collections, by resident pages and by the server's own count (used_memory).

Each figure is of a server of its own, which has nothing else: what it takes more than when it was empty.
"""

import time

from report import row
from runs import benchmark, rounded
from server import Server, both
from workloads import VALUE_BYTES, Workload, elements

# What lies in memory for the figures by element: how it is filled.
COLLECTIONS = {
    "list of 1,000,000": elements("RPUSH", "key", of=b"x" * VALUE_BYTES, count=1_000_000),
    "set of 1,000,000": elements("SADD", "key", count=1_000_000),
    "hash of 1,000,000": elements("HSET", "key", value=b"x" * VALUE_BYTES, count=1_000_000),
    "sorted set of 1,000,000": elements("ZADD", "key", score=True, count=1_000_000),
}
SMALL_HASHES, SMALL_HASH_FIELDS = 100_000, 10


class Footprint:
    """What a server takes more than when this was made."""

    def __init__(self, server):
        self.server, self.resident, self.used = server, server.resident(), self.counted(server)

    @staticmethod
    def counted(server):
        used = server.info("memory", "used_memory")
        return int(used) if used else None

    def per(self, number):
        """(bytes by resident pages, bytes by the server's own count), by element."""
        time.sleep(2)
        used = self.counted(self.server)
        by_count = (used - self.used) / number if used and self.used else None
        return (self.server.resident() - self.resident) / number, by_count


def key_bytes(options, label, binary):
    """Bytes per key after random SETs."""
    workload = Workload("set", draw=1_000_000_000)
    with Server(label, binary, options.port) as server:
        before = Footprint(server)
        benchmark(server, workload, rounded(options.memory_keys, workload))
        size = server.call("DBSIZE")
        return size, *before.per(size)


def key_rows(options):
    """The rows of the table on memory per key."""
    (keys, *our), (_, *peer) = (key_bytes(options, *one) for one in both(options))
    return [row(f"bytes per key, {keys:,} keys, {what}", *figures, 1)
            for what, *figures in zip(("resident", "used_memory"), our, peer)]


def small_hashes(server, _):
    fields = [word for number in range(SMALL_HASH_FIELDS) for word in (b"field:%d" % number, b"value:%d" % number)]
    for key in range(SMALL_HASHES):
        server.call("HSET", b"hash:%d" % key, *fields)


def element_bytes(options, label, binary):
    """Bytes per element of collections, a server for each: name and figures."""
    found = {}
    kinds = {name: (fill, 1_000_000) for name, fill in COLLECTIONS.items()}
    kinds[f"{SMALL_HASHES:,} hashes of {SMALL_HASH_FIELDS} fields"] = small_hashes, SMALL_HASHES * SMALL_HASH_FIELDS
    for name, (fill, number) in kinds.items():
        with Server(label, binary, options.port) as server:
            before = Footprint(server)
            fill(server, None)
            found[name] = before.per(number)
    return found


def element_rows(options):
    """The rows of the table on memory per element."""
    our, peer = (element_bytes(options, *one) for one in both(options))
    return [row(f"bytes per element, {name}, {what}", *figures, 1)
            for name in our for what, *figures in zip(("resident", "used_memory"), our[name], peer[name])]

"""Data sets, each an RDB file that is made once, of scripts by ours or here, and that every server loads.

Small keys have random values of hexadecimal digits, which nothing compresses, as most small values. The mixed set has
collections of a hundred elements of all five types, two of a million elements each, and small keys that clients can change.
"""

import contextlib
import os
import random
import tempfile

from server import Server, die
from workloads import VALUE_BYTES

LOAD_SECONDS = 600
# Scripts may take their time; and sets are written as Redis 7.0 reads them, whatever they become once loaded.
MAKER = "--busy-reply-threshold", "0", "--set-max-listpack-entries", "0"
# Elements of the largest collections, and of the others.
LARGE, SMALL = 1_000_000, 100
KINDS = "hash", "set", "sorted set", "list", "stream"
# Adds elements to a collection; each is a number, the next is larger than the one before.
ADD = """
local function add(kind, key, numbers)
    local words, is_stream = {}, kind == 'stream'
    for _, number in ipairs(numbers) do
        local member = string.format('member:%012d', number)
        if is_stream then
            redis.call('XADD', key, (number + 1) .. '-1', 'field', member)
        else
            if kind == 'sorted set' then words[#words + 1] = number end
            words[#words + 1] = member
            if kind == 'hash' then words[#words + 1] = number end
        end
    end
    local commands = {hash = 'HSET', set = 'SADD', ['sorted set'] = 'ZADD', list = 'RPUSH'}
    if not is_stream then redis.call(commands[kind], key, unpack(words)) end
end
"""
# ARGV: the type, which is the key too, the first of its elements, and how many.
ADD_TO_ONE = ADD + """
local numbers = {}
for number = ARGV[2], ARGV[2] + ARGV[3] - 1 do numbers[#numbers + 1] = number end
add(ARGV[1], ARGV[1], numbers)
return #numbers
"""
# ARGV: a type, the number of the first key, of how many, and how many elements each has: any ones.
ADD_MANY = ADD + """
math.randomseed(ARGV[2])
for key = ARGV[2], ARGV[2] + ARGV[3] - 1 do
    local numbers, number = {}, 0
    for index = 1, ARGV[4] do
        number = number + math.random(10000000)
        numbers[index] = number
    end
    add(ARGV[1], ARGV[1] .. ':' .. key, numbers)
end
return tonumber(ARGV[3])
"""


def run(server, script, *arguments, done):
    """Runs a script that answers with how much it has done."""
    if server.call("EVAL", script, 0, *arguments) != done:
        die(f"{server.label}: a script to make data failed: {arguments}")


def small_keys(server, count):
    """Keys as redis-benchmark draws them."""
    some = random.Random(1)
    for first in range(0, count, 1000):
        values = some.randbytes(1000 * VALUE_BYTES // 2).hex().encode()
        server.call("MSET", *(word for at in range(1000) for word in (
            b"key:%012d" % (first + at), values[at * VALUE_BYTES:(at + 1) * VALUE_BYTES])))


def large_collection(server, kind, count=LARGE):
    """A collection of so many elements, whose key is its type."""
    for first in range(0, count, 1000):
        run(server, ADD_TO_ONE, kind, first, 1000, done=1000)


def mixed_keys(server, small, size):
    """So many small keys, two large collections, and as many others of each type until all take so many bytes in memory."""
    small_keys(server, small)
    for kind in ("sorted set", "set"):
        large_collection(server, kind)
    first, at_once = 0, 100
    while int(server.info("memory", "used_memory")) < size:
        for kind in KINDS:
            run(server, ADD_MANY, kind, first, at_once, SMALL, done=at_once)
        first += at_once


class Dataset:
    """A file that ours has written after `fill` brought the data."""

    def __init__(self, options, fill):
        self.directory = tempfile.TemporaryDirectory(prefix="oxidis-bench-")
        with Server("ours", options.ours, options.port, "--dir", self.directory.name, *MAKER) as server:
            fill(server)
            server.call("SAVE")

    @contextlib.contextmanager
    def loaded(self, label, binary, port, *arguments, **more):
        """A server that has loaded the file; what it saves goes elsewhere."""
        with tempfile.TemporaryDirectory(dir=self.directory.name) as folder:
            os.link(f"{self.directory.name}/dump.rdb", f"{folder}/dump.rdb")
            with Server(label, binary, port, "--dir", folder, *arguments, ready_seconds=LOAD_SECONDS, **more) as server:
                yield server

    def end(self):
        self.directory.cleanup()


class ManyKeys(Dataset):
    """A file of so many keys as redis-benchmark draws them, of one value each: it is written here, more quickly.

    What it has, see https://rdb.fnordig.de/file_format.html: a version that all servers know, a database with the sizes
    of its two tables, a string (type 0) for each key, and in place of a checksum zeros, which say that there is none.
    """

    KEY_BYTES = len(b"\0\x10key:000000000000\x20") + VALUE_BYTES

    def __init__(self, count):
        self.directory = tempfile.TemporaryDirectory(prefix="oxidis-bench-")
        at_once = min(count, 1000)
        keys = (b"\0\x10key:%%012d%c" % VALUE_BYTES + b"x" * VALUE_BYTES) * at_once
        with open(f"{self.directory.name}/dump.rdb", "wb") as file:
            file.write(b"REDIS0009\xfe\0\xfb" + b"\x80" + count.to_bytes(4, "big") + b"\0")
            for first in range(0, count, at_once):
                file.write(keys % tuple(range(first, first + at_once)))
            file.write(b"\xff" + bytes(8))

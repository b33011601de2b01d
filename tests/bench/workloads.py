"""What redis-benchmark is told to ask for, and what brings the data it finds: the tables of workloads.

A name says the command, what it meets, and the depth of the pipeline (-P). SET and GET draw of a million keys, all of which
are there; what a workload makes or takes away is brought anew before each run.
"""

import hashlib
import json

KEYS = 1_000_000
VALUE_BYTES = 32


class Workload:
    """What redis-benchmark runs: one of its tests, a command, or several commands at the same time.

    `fill` brings the data before the first run, `refill` before each; both are given the server and the
    number of requests to come. `size` is that of the values it writes.
    """

    def __init__(self, *commands, pipeline=64, draw=KEYS, size=VALUE_BYTES, fill=None, refill=None, options=()):
        self.commands, self.pipeline, self.draw, self.size = commands, pipeline, draw, size
        self.fill, self.refill, self.options = fill, refill, options


def preload(server, _, size=VALUE_BYTES, keys=KEYS):
    """Gives every key that redis-benchmark may draw a value, of the size it writes."""
    value = b"x" * size
    server.fill(["MSET"], (word for key in range(keys) for word in (b"key:%012d" % key, value)),
                2 * max(1, min(1000, 2**20 // size)))


def elements(*command, of=None, score=False, value=None, count=None):
    """A filler of one collection with as many elements as there will be requests, or `count`."""
    def words(number):
        for index in range(number):
            if score:
                yield b"%d" % (index * 7919 % KEYS)
            yield of or b"element:%012d" % index
            if value:
                yield value

    def fill(server, requests):
        server.call("DEL", command[1])
        server.fill(command, words(count or requests), 1200)
    return fill


def fresh(*keys):
    return lambda server, _: server.call("DEL", *keys)


# A script as they are typical: it looks at a key and answers with what it found. And one that calls a command often.
SMALL_SCRIPT = "local v = redis.call('GET', KEYS[1]) if v then return v end return ARGV[1]"
SMALL_SCRIPT_SHA = hashlib.sha1(SMALL_SCRIPT.encode()).hexdigest()


def preload_and_script(server, requests):
    preload(server, requests)
    server.call("SCRIPT", "LOAD", SMALL_SCRIPT)


SMALL_LIST = elements("RPUSH", "mylist", of=b"x" * VALUE_BYTES, count=1000)
SORTED_SET = elements("ZADD", "myzset", score=True, count=100_000)
MEMBER = "element:__rand_int__"
# SET and GET meet a table that already holds every key.
WORKLOADS = {
    "SET -P 1": Workload("set", pipeline=1, fill=preload),
    "SET -P 16": Workload("set", pipeline=16, fill=preload),
    "SET -P 64": Workload("set", fill=preload),
    "GET -P 1": Workload("get", pipeline=1, fill=preload),
    "GET -P 16": Workload("get", pipeline=16, fill=preload),
    "GET -P 64": Workload("get", fill=preload),
    "INCR -P 16": Workload("incr", pipeline=16, fill=preload),
    "MSET -P 16 (10 keys)": Workload("mset", pipeline=16, fill=preload),
    "PING -P 16": Workload("ping_mbulk", pipeline=16),
    "LPUSH -P 64": Workload("lpush", refill=fresh("mylist")),
    "RPOP -P 64": Workload("rpop", refill=elements("RPUSH", "mylist", of=b"x" * VALUE_BYTES)),
    "LRANGE_100 -P 64": Workload(("LRANGE", "mylist", "0", "99"), fill=SMALL_LIST),
    "SADD -P 64": Workload("sadd"),
    "SPOP -P 64": Workload("spop", refill=elements("SADD", "myset")),
    "HSET -P 64": Workload("hset"),
    "HGET -P 64": Workload(("HGET", "myhash", MEMBER), fill=elements("HSET", "myhash", value=b"x", count=KEYS)),
    "HSET small hashes -P 64": Workload(("HSET", "hash:__rand_int__", "field:1", "x" * VALUE_BYTES), draw=100_000),
    "ZADD 100,000 members -P 64": Workload("zadd", draw=100_000),
    "ZPOPMIN -P 64": Workload("zpopmin", refill=elements("ZADD", "myzset", score=True)),
    "ZRANGE 100 of 100,000 -P 64": Workload(("ZRANGE", "myzset", "50000", "50099"), fill=SORTED_SET),
    "ZRANK 100,000 members -P 64": Workload(("ZRANK", "myzset", MEMBER), draw=100_000, fill=SORTED_SET),
    "XADD -P 64": Workload(("XADD", "mystream", "*", "myfield", "x" * VALUE_BYTES), refill=fresh("mystream")),
    "EVALSHA -P 16": Workload(("EVALSHA", SMALL_SCRIPT_SHA, "1", "key:__rand_int__", "none"), pipeline=16,
                              fill=preload_and_script),
    "mixed -P 16": Workload("set", "get", "hset", "sadd", "zadd", "lpush", "rpop", ("HGET", "myhash", MEMBER),
                            ("LRANGE", "small", "0", "9"), pipeline=16, draw=100_000, fill=preload,
                            refill=elements("RPUSH", "small", of=b"x" * VALUE_BYTES, count=100)),
}


def made(*command):
    """A filler that makes a value by one command."""
    return lambda server, _: server.call(*command)


def items(*commands, batch=50, count=100_000):
    """A filler that makes a value by the first command, and adds items to it by the second."""
    make, add = commands

    def fill(server, _):
        server.call(*make)
        server.fill(add, (b"element:%012d" % index for index in range(count)), batch)
    return fill


# A document of a kilobyte with values of each kind.
JSON_TEXT = json.dumps({
    "id": 123456, "name": "Katherine Johnson", "active": True, "score": 98.25, "nothing": None,
    "tags": ["alpha", "beta", "gamma", "a tag that is longer than others"],
    "address": {"street": "12 Long Street, second floor", "city": "London",
                "place": {"north": 51.523767, "east": -0.1585557}},
    "orders": [{"item": f"A-{number:04}", "count": 3 * number, "price": 19.99 + number, "gift": number % 2 == 0,
                "note": f"deliver to the back door {number}"} for number in range(7)],
    "text": "one line\nand \"another\" one",
}, separators=(",", ":"))
JSON_MADE = made("JSON.SET", "json", "$", JSON_TEXT)
# With --peer-module, which says where the peer has these commands from.
MODULE_WORKLOADS = {
    "modules: BF.ADD -P 64": Workload(("BF.ADD", "bf", MEMBER), refill=fresh("bf"), draw=100_000),
    "modules: BF.EXISTS -P 64": Workload(("BF.EXISTS", "bf", MEMBER), draw=200_000,
                                         fill=items(("BF.RESERVE", "bf", "0.01", "100000"), ("BF.MADD", "bf"))),
    "modules: CF.ADD -P 64": Workload(("CF.ADDNX", "cf", MEMBER), draw=100_000,
                                      fill=made("CF.RESERVE", "cf", "200000")),
    "modules: CMS.INCRBY -P 64": Workload(("CMS.INCRBY", "cms", MEMBER, "1"), draw=100_000,
                                          fill=made("CMS.INITBYDIM", "cms", "2000", "7")),
    "modules: TOPK.ADD -P 64": Workload(("TOPK.ADD", "topk", MEMBER), draw=10_000,
                                        fill=made("TOPK.RESERVE", "topk", "50", "2000", "7", "0.9")),
    "modules: TDIGEST.ADD -P 64": Workload(("TDIGEST.ADD", "tdigest", "__rand_int__"),
                                           fill=made("TDIGEST.CREATE", "tdigest")),
    "modules: JSON.SET 1 KB -P 64": Workload(("JSON.SET", "json", "$", JSON_TEXT), fill=JSON_MADE),
    "modules: JSON.GET 1 KB -P 64": Workload(("JSON.GET", "json", "$"), fill=JSON_MADE),
    "modules: JSON.GET of a value -P 64": Workload(("JSON.GET", "json", "$.address.place.north"), fill=JSON_MADE),
    "modules: JSON.NUMINCRBY -P 64": Workload(("JSON.NUMINCRBY", "json", "$.score", "1"), fill=JSON_MADE),
}
# With --tls, besides all of those above.
TLS_WORKLOADS = {
    "GET 16 KB -P 16": Workload("get", pipeline=16, draw=10_000,
                                fill=lambda server, _: preload(server, 0, 16 * 1024, 10_000)),
    "a connection for each PING": Workload("ping_mbulk", pipeline=1, options=["-k", "0"]),
}

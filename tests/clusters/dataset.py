"""Keys of every type that all kinds of nodes know, small and big, with and without a time to live."""

from nodes import slot_of

# Elements of what is to be too big for the compact encodings.
MANY = 600
TTL_MS = 100_000_000
# How far a time to live may be off after all: what goes by is not restored.
TTL_SLACK_MS = 3_600_000


def commands(tag, dice):
    """Pairs of a key and the commands that make it."""
    def key(name):
        return f"{{{tag}}}:{name}"

    text = "".join(dice.choices("abcdefghij \r\n", k=dice.choice([0, 5, 50, 3000])))
    words = [f"{number}:{dice.random()}" for number in range(MANY)]
    few = words[:5]
    yield key("text"), [("SET", key("text"), text)]
    yield key("number"), [("SET", key("number"), dice.randrange(-(2**62), 2**62))]
    yield key("bits"), [("SETBIT", key("bits"), dice.randrange(5000), 1), ("BITFIELD", key("bits"), "SET", "i16", 3, -9)]
    yield key("seen"), [("PFADD", key("seen"), *few)]
    yield key("list"), [("RPUSH", key("list"), *few)]
    yield key("long"), [("RPUSH", key("long"), *words)]
    yield key("numbers"), [("SADD", key("numbers"), *range(10))]
    yield key("set"), [("SADD", key("set"), *few)]
    yield key("big"), [("SADD", key("big"), *words)]
    yield key("hash"), [("HSET", key("hash"), *few, "more")]
    yield key("table"), [("HSET", key("table"), *words)]
    yield key("ranks"), [("ZADD", key("ranks"), 1, "one", 2.5, "two", "-inf", "none")]
    yield key("scores"), [("ZADD", key("scores"), *(part for word in words for part in (len(word), word)))]
    yield key("places"), [("GEOADD", key("places"), 13.361389, 38.115556, "Palermo")]
    stream = key("stream")
    yield stream, [
        *(("XADD", stream, f"{number + 1}-1", "word", word) for number, word in enumerate(few)),
        ("XGROUP", "CREATE", stream, "group", "0"),
        ("XREADGROUP", "GROUP", "group", "somebody", "COUNT", "2", "STREAMS", stream, ">"),
        ("XDEL", stream, "1-1"),
    ]


# What is asked about a key of a type, and whether the order of the answer says something.
QUESTIONS = {
    "string": (lambda key: ("GET", key), False),
    "list": (lambda key: ("LRANGE", key, 0, -1), False),
    "set": (lambda key: ("SMEMBERS", key), True),
    "hash": (lambda key: ("HGETALL", key), True),
    "zset": (lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"), False),
    "stream": (lambda key: ("XRANGE", key, "-", "+"), False),
}


class Dataset:
    """What was written before all else, and has to be there in the end."""

    def __init__(self, dice, slots):
        self.dice, self.slots = dice, slots
        # A tag for each slot that has keys.
        self.tags = {}
        self.values = {}

    def fill(self, client, owned):
        """Fills the slots that go first when slots of an owner are moved; the number of keys."""
        wanted = set()
        for owner in set(owned.values()):
            wanted.update(sorted(slot for slot, node in owned.items() if node is owner)[: self.slots // 3])
        number = 0
        while len(self.tags) < len(wanted):
            number += 1
            slot = slot_of(str(number))
            if slot in wanted:
                self.tags.setdefault(slot, str(number))
        for number, tag in enumerate(self.tags.values()):
            # All types in some slots, one in each of the others.
            made = list(commands(tag, self.dice))
            for key, lines in made if number % 40 == 0 else [made[number % len(made)]]:
                for line in lines:
                    client.call(key, *line)
                if self.dice.random() < 0.5:
                    client.call(key, "PEXPIRE", key, TTL_MS)
                self.values[key] = self.value(client, key)
        return len(self.values)

    def value(self, client, key):
        """All there is to a key: type, value, groups of a stream, time to live."""
        kind = client.ask(key, "TYPE", key)
        if kind == "none":
            return None
        question, is_unordered = QUESTIONS[kind]
        value = client.ask(key, *question(key))
        if is_unordered:
            width = 2 if kind == "hash" else 1
            value = sorted(value[at : at + width] for at in range(0, len(value), width))
        groups = None
        if kind == "stream":
            groups = client.ask(key, "XPENDING", key, "group")
        ttl_ms = client.ask(key, "PTTL", key)
        return kind, value, groups, ttl_ms

    def faults(self, client):
        found = []
        for key, former in self.values.items():
            value = self.value(client, key)
            if value is None or value[:3] != former[:3]:
                found.append(f"{key} was {former}, is {value}"[:500])
            elif (value[3] < 0) != (former[3] < 0) or abs(value[3] - former[3]) > TTL_SLACK_MS:
                found.append(f"{key} had {former[3]} ms to live, has {value[3]}")
        return found

"""Clients that write while a cluster is troubled, and what of their writes has to be there in the end.

Each key is written by one writer, a new version each time, and each write is followed by WAIT on the same connection. A
write is

- confirmed, when a replica has it: that or something newer has to be there in the end;
- acknowledged, when no replica told so in time: it may be lost;
- unknown, when no answer came: it may take place at any time until all nodes have been well for a while.

What was answered with an error has not taken place.
"""

import random
import threading
import time

from nodes import PATIENCE, Connection, Refused, slot_of

# How long a client waits for an answer, and for replicas to confirm, in seconds.
ANSWER_SECONDS = 1.5
CONFIRM_MS = 500
REDIRECTIONS_MAX = 8
ABSENT = "absent"
# Errors of what passes.
PASSING = ("CLUSTERDOWN", "TRYAGAIN", "LOADING", "MASTERDOWN")

# How a version is written, by type: in one command that leaves nothing of the former one.
WRITES = {
    "string": lambda key, version: ("SET", key, version),
    "expiring": lambda key, version: ("SET", key, version, "EX", 100000),
    "hash": lambda key, version: ("HSET", key, "version", version),
    "zset": lambda key, version: ("ZADD", key, version, "version"),
}
READS = {
    "string": lambda key: ("GET", key),
    "expiring": lambda key: ("GET", key),
    "hash": lambda key: ("HGET", key, "version"),
    "zset": lambda key: ("ZSCORE", key, "version"),
}


class PlainClient:
    """A cluster client that repeats nothing whose outcome it does not know."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.connections, self.owners = {}, {}

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    def connection(self, address):
        if address not in self.connections:
            self.connections[address] = Connection(*address, ANSWER_SECONDS)
        return self.connections[address]

    def drop(self, address):
        connection = self.connections.pop(address, None)
        if connection:
            connection.close()

    def call(self, key, *words):
        """The reply, and what it came on: that can be asked for a confirmation."""
        slot = slot_of(key)
        address, asks = self.owners.get(slot) or random.choice(self.addresses), False
        for _ in range(REDIRECTIONS_MAX):
            try:
                connection = self.connection(address)
                if asks:
                    connection.call("ASKING")
                return connection.call(*words), connection
            except Refused as refused:
                kind, *where = str(refused).split()
                if kind not in ("MOVED", "ASK"):
                    raise
                ip, _, port = where[1].rpartition(":")
                address, asks = (ip, int(port)), kind == "ASK"
                if not asks:
                    self.owners[slot] = address
            except OSError:
                self.drop(address)
                # Whoever has the slot by now, the next one asked knows.
                self.owners.pop(slot, None)
                raise
        raise Refused("MOVED in circles")

    def ask(self, key, *words):
        """The reply to what may be asked again: of a node that is held up the others think for a moment that it failed."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.call(key, *words)[0]
            except (OSError, Refused) as error:
                if time.monotonic() > end or isinstance(error, Refused) and error.kind() not in PASSING:
                    raise
                time.sleep(0.1)

    def confirm(self, connection):
        return connection.call("WAIT", 1, CONFIRM_MS) >= 1


class Entry:
    """A key: its type, and what may be there."""

    def __init__(self, kind):
        self.kind = kind
        self.version = 0
        self.confirmed, self.acknowledged, self.unknown = ABSENT, [], []

    def possible(self):
        return [self.confirmed, *self.acknowledged, *self.unknown]

    def fail(self, state):
        self.unknown.append(state)

    def succeed(self, state, is_confirmed):
        if is_confirmed:
            self.confirmed, self.acknowledged = state, []
        else:
            self.acknowledged.append(state)

    def observed(self, state):
        """All is well, and this is what is there."""
        self.confirmed, self.acknowledged, self.unknown = state, [], []


class Writers:
    """Threads that write, each with a client and keys of its own."""

    def __init__(self, count, keys_of_each, make_client, seed, tags=None):
        self.make_client, self.seed, self.tags = make_client, seed, tags
        self.entries = [self.entries_of(number, keys_of_each) for number in range(count)]
        self.counts = {"confirmed": 0, "acknowledged": 0, "unknown": 0, "refused": 0}
        self.lock, self.threads, self.over = threading.Lock(), [], threading.Event()
        self.errors = []

    def entries_of(self, number, count):
        dice = random.Random(f"{self.seed} {number}")
        entries = {}
        for index in range(count):
            tag = dice.choice(self.tags) if self.tags else index
            entries[f"{{{tag}}}:{number}:{index}"] = Entry(dice.choice(list(WRITES)))
        return entries

    def start(self):
        self.over.clear()
        self.threads = [
            threading.Thread(target=self.run, args=(number, entries), daemon=True)
            for number, entries in enumerate(self.entries)
        ]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if self.errors:
            raise self.errors[0]

    def run(self, number, entries):
        dice = random.Random(f"{self.seed} {number} {time.monotonic_ns()}")
        client = self.make_client()
        names = list(entries)
        try:
            while not self.over.is_set():
                name = dice.choice(names)
                outcome = self.write(client, name, entries[name], is_deleting=dice.random() < 0.1)
                with self.lock:
                    self.counts[outcome] += 1
                if outcome in ("refused", "unknown"):
                    time.sleep(0.05)
        except Exception as error:  # Whoever started the writers is to know.
            self.errors.append(error)
        finally:
            client.close()

    def write(self, client, name, entry, is_deleting):
        entry.version += 1
        state = ABSENT if is_deleting else entry.version
        words = ("DEL", name) if is_deleting else WRITES[entry.kind](name, state)
        try:
            _, connection = client.call(name, *words)
        except Refused:
            return "refused"
        except OSError:
            entry.fail(state)
            return "unknown"
        try:
            is_confirmed = client.confirm(connection)
        except (OSError, Refused):
            is_confirmed = False
        entry.succeed(state, is_confirmed)
        return "confirmed" if is_confirmed else "acknowledged"

    def faults(self, addresses):
        """Compares what is there with what may be. From then on what is there counts as confirmed."""
        client, found = PlainClient(addresses), []
        for entries in self.entries:
            for name, entry in entries.items():
                value = client.ask(name, *READS[entry.kind](name))
                state = ABSENT if value is None else int(float(value))
                if state not in entry.possible():
                    found.append(f"{name} is {state}, may be {entry.possible()}")
                entry.observed(state)
        client.close()
        return found

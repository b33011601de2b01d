"""Shows that the checks of chaos find what they look for: faults are made by hand, and each has to be found."""

import time

from nodes import Refused
from writers import ABSENT, WRITES, PlainClient

WRITE_SECONDS = 3
# How long a replica may take to have the data of its primary.
DIGEST_SECONDS = 5
OTHER_NAME = "f" * 40


def prove(chaos):
    """What was not found."""
    writers = chaos.make_writers()
    writers.start()
    time.sleep(WRITE_SECONDS)
    writers.stop()
    if faults := chaos.check(writers):
        return [f"found where nothing was wrong: {faults}"]
    missed = []
    for name, (make, shows) in FAULTS.items():
        repair = make(chaos, writers)
        try:
            found = chaos.check(writers, DIGEST_SECONDS)
        except (AssertionError, Refused) as fault:
            found = [str(fault)]
        chaos.say(f"{name}: {found[0] if found else 'not found'}")
        if not any(shows in text for text in found):
            missed.append(f"{name} is not found")
        repair()
    return missed


def nothing():
    pass


def entry_with(writers, holds):
    return next((name, entry) for entries in writers.entries for name, entry in entries.items() if holds(entry))


def put(chaos, name, *words):
    client = PlainClient(chaos.addresses)
    client.ask(name, *words)
    client.close()


def lose_write(chaos, writers):
    """A key goes whose last write was confirmed."""
    name, _ = entry_with(writers, lambda entry: entry.confirmed != ABSENT)
    put(chaos, name, "DEL", name)
    return nothing


def lose_newest(chaos, writers):
    """A key has a confirmed version again that a later one has replaced."""
    name, entry = entry_with(writers, lambda entry: entry.confirmed != ABSENT and entry.confirmed > 1)
    put(chaos, name, *WRITES[entry.kind](name, entry.confirmed - 1))
    return nothing


def resurrect(chaos, writers):
    """A key is there again whose deletion was confirmed."""
    name, entry = entry_with(writers, lambda entry: entry.confirmed == ABSENT and entry.version > 1)
    put(chaos, name, *WRITES[entry.kind](name, entry.version - 1))
    return nothing


def part_replica(chaos, writers):
    """A replica has a key that its primary has not."""
    replica = chaos.cluster.replicas_of(chaos.cluster.primaries()[0])[0]
    replica.call("DEBUG", "POPULATE", 1, "apart")
    return nothing


def own_twice(chaos, writers):
    """Two nodes say that they have the same slots in one epoch."""
    primary = chaos.cluster.primaries()[0]
    text = primary.call("CLUSTER", "NODES")
    chaos.claims.note(text)
    chaos.claims.note(text.replace(primary.id(), OTHER_NAME))
    return chaos.claims.faults.clear


FAULTS = {
    "a lost write": (lose_write, "may be"),
    "an old version": (lose_newest, "may be"),
    "a resurrected key": (resurrect, "may be"),
    "a slot of two owners in one epoch": (own_twice, "in epoch"),
    "a replica apart from its primary": (part_replica, "to have the data of"),
}

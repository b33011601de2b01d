"""Six nodes under load, of which any are killed, stopped, cut off and asked to move slots and to take over.

Slots move key by key, while others are struck, and all at once (CLUSTER MIGRATION IMPORT): then source and destination
themselves are killed, stopped, and replaced by a replica in the middle, or the task is cancelled.

After each round all is well again. Then the cluster has to serve within two node timeouts and two seconds, every
confirmed write has to be there and nothing that was overwritten or deleted since, primaries and replicas have the same
data, and no slot has had two owners in one epoch. The cluster client of the Python package redis writes, if it is there
or asked for; what a write may have come to says writers.py.

Nodes have loopback addresses of their own in a network of their own (unshare -rn), where rules take what goes from one
to another: links are silent then rather than closed. OXIDIS names the binary, else it is built in release. A seed that
is printed is one to repeat: what strikes whom and for how long is the same, what it meets is up to the machine.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True

from nodes import (
    PATIENCE, SLOTS, Cluster, Connection, Line, Node, Refused, die, field, free_ports, oxidis, slot_of, wait,
)
from proof import prove
from writers import PlainClient, Writers

# Set in the network of its own.
INSIDE = "OXIDIS_CHAOS_INSIDE"
PRIMARIES, REPLICAS = 3, 3
# Slots that have keys.
BUSY_SLOTS = 60
KEYS_AT_ONCE = 50
STRIKES = "kill,stop,cut-off,cut-pair,split,take-over,migrate,import,import"


def enter_network():
    """Goes on in a network of its own."""
    if os.environ.get(INSIDE):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # Rules come before what the system has for its own addresses.
        subprocess.run(["ip", "rule", "add", "pref", "100", "table", "local"], check=True)
        subprocess.run(["ip", "rule", "del", "pref", "0"], check=True)
        return
    for tool in ("unshare", "ip"):
        if not shutil.which(tool):
            die(f"{tool} is missing: install util-linux and iproute2")
    environment = {**os.environ, INSIDE: "yes", "OXIDIS": oxidis()}
    sys.exit(subprocess.run(["unshare", "-rn", sys.executable, *sys.argv], env=environment).returncode)


class Walls:
    """Who cannot reach whom."""

    def __init__(self):
        self.standing = []

    def build(self, one, other):
        for origin, target in ((one, other), (other, one)):
            self.rule("add", origin, target)
            self.standing.append((origin, target))

    def build_between(self, some, others):
        for one in some:
            for other in others:
                self.build(one, other)

    def fall(self):
        for origin, target in self.standing:
            self.rule("del", origin, target)
        self.standing = []

    def rule(self, verb, origin, target):
        subprocess.run(["ip", "rule", verb, "pref", "10", "from", origin.ip, "to", target.ip, "blackhole"], check=True)


class Claims:
    """Who claimed which slots in which epoch, as all nodes say of themselves, asked again and again."""

    def __init__(self, nodes):
        self.nodes, self.claims, self.faults = nodes, {}, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        connections = {}
        while not self.over.wait(0.1):
            for node in self.nodes:
                try:
                    if node not in connections:
                        connections[node] = Connection(node.ip, node.port, 0.2)
                    self.note(connections[node].call("CLUSTER", "NODES"))
                except (OSError, Refused):
                    lost = connections.pop(node, None)
                    if lost:
                        lost.close()

    def note(self, text):
        line = next(Line(line) for line in text.splitlines() if "myself" in line)
        if "master" not in line.flags or not line.slots:
            return
        in_epoch = self.claims.setdefault(line.epoch, {})
        own = in_epoch.setdefault(line.id, set())
        own |= line.slots
        for other, slots in in_epoch.items():
            both = slots & line.slots if other != line.id else set()
            if both:
                self.faults.append(f"{line.id} and {other} claimed {len(both)} slots in epoch {line.epoch}")

    def end(self):
        self.over.set()
        self.thread.join()
        return self.faults


class Chaos:
    """The cluster and what comes over it."""

    def __init__(self, options, folder):
        self.options, self.timeout = options, options.node_timeout / 1000
        self.walls = Walls()
        self.make(folder)
        self.claims = Claims(self.nodes)
        # Who has got keys of others that its replica may not have yet: it is spared.
        self.spared = set()
        # How imports were struck, and ended.
        self.blows, self.ends = {}, {}

    def say(self, text):
        print(f"  {time.monotonic() - self.begun:5.1f} s  {text}", flush=True)

    def make(self, folder):
        program = oxidis()
        port = free_ports(1)[0]
        self.nodes = []
        for number in range(PRIMARIES + REPLICAS):
            ip = f"127.0.1.{number + 1}"
            directives = [
                ("bind", ip), ("bind-source-addr", ip), ("cluster-node-timeout", self.options.node_timeout),
                ("cluster-allow-replica-migration", "no"), ("protected-mode", "no"), ("repl-timeout", "10"),
                ("repl-backlog-size", "16mb"),
            ]
            self.nodes.append(Node(f"node{number}", program, Path(folder) / str(number), ip, port, directives))
        self.cluster = Cluster(self.nodes)
        self.addresses = [(node.ip, node.port) for node in self.nodes]
        for node in self.nodes:
            node.start()
        wait("the nodes to start", lambda: all(node.call("PING") == "PONG" for node in self.nodes))
        primaries, replicas = self.nodes[:PRIMARIES], self.nodes[PRIMARIES:]
        for number, node in enumerate(self.nodes):
            node.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.call("CLUSTER", "MEET", self.nodes[0].ip, self.nodes[0].port)
        for number, node in enumerate(primaries):
            node.call("CLUSTER", "ADDSLOTSRANGE", number * SLOTS // PRIMARIES, (number + 1) * SLOTS // PRIMARIES - 1)
        wait("the nodes to meet", lambda: all(len(node.nodes()) == len(self.nodes) for node in self.nodes))
        for primary, replica in zip(primaries, replicas):
            wait("the replica to follow", lambda: replica.call("CLUSTER", "REPLICATE", primary.id()) == "OK")
        self.cluster.settle()

    # ------------------------------------------------------------ what strikes

    def strike(self, dice):
        kinds = {
            "kill": self.kill, "stop": self.stop, "cut-off": self.cut_off, "cut-pair": self.cut_pair,
            "split": self.split, "take-over": self.take_over, "migrate": self.migrate, "import": self.import_slots,
        }
        kind = kinds[dice.choice(self.options.strikes.split(","))]
        kind(dice)

    def victim(self, dice):
        # One of all is chosen first, so that the same seed strikes the same nodes.
        choice = dice.choice(self.nodes)
        return choice if choice.is_up() and choice not in self.spared else None

    def lasts(self, dice):
        return dice.uniform(0.05, 2.5) * self.timeout

    def kill(self, dice):
        node, lasts, comes_back = self.victim(dice), self.lasts(dice), dice.random() < 0.6
        if node:
            self.say(f"{node} is killed" + (f" for {lasts:.1f} s" if comes_back else ""))
            node.kill()
            time.sleep(lasts)
            if comes_back:
                node.start()

    def stop(self, dice):
        node, lasts, comes_back = self.victim(dice), self.lasts(dice), dice.random() < 0.8
        if node:
            self.say(f"{node} stands still" + (f" for {lasts:.1f} s" if comes_back else ""))
            node.stand_still()
            time.sleep(lasts)
            if comes_back:
                node.go_on()

    def cut_off(self, dice):
        node, lasts = self.victim(dice), self.lasts(dice)
        if node:
            self.say(f"{node} is cut off for {lasts:.1f} s")
            self.walls.build_between([node], [other for other in self.nodes if other is not node])
            time.sleep(lasts)
            self.walls.fall()

    def cut_pair(self, dice):
        one, other, lasts = dice.choice(self.nodes), dice.choice(self.nodes), self.lasts(dice)
        if one is not other and not {one, other} & self.spared:
            self.say(f"{one} and {other} do not reach one another for {lasts:.1f} s")
            self.walls.build(one, other)
            time.sleep(lasts)
            self.walls.fall()

    def split(self, dice):
        some, lasts = [node for node in self.nodes if dice.random() < 0.4], self.lasts(dice)
        others = [node for node in self.nodes if node not in some]
        if some and others and not self.spared:
            self.say(f"{', '.join(map(str, some))} are cut off from the others for {lasts:.1f} s")
            self.walls.build_between(some, others)
            time.sleep(lasts)
            self.walls.fall()

    def take_over(self, dice):
        node, how = self.victim(dice), dice.choice([[], ["FORCE"]])
        try:
            if node and not node.call("CLUSTER", "MYID", patience=0.5) is None and not node.is_primary():
                self.say(f"{node} is asked to take over {' '.join(how)}")
                node.call("CLUSTER", "FAILOVER", *how, patience=0.5)
        except (OSError, Refused):
            pass

    def migrate(self, dice):
        """Moves slots, while a bystander may be struck. Whoever has got keys is spared until its replica has them."""
        count, struck, lasts = dice.randrange(1, 12), dice.choice(self.nodes), self.lasts(dice)
        try:
            primaries = [node for node in self.cluster.up() if node.call("PING", patience=0.5) and node.is_primary()]
            owners = [node for node in primaries if node.myself().slots]
        except (OSError, Refused):
            return
        if len(owners) < 2 or self.walls.standing:
            return
        origin, target = dice.sample(owners, 2)
        busy = sorted(origin.myself().slots & set(self.tags))
        slots = dice.sample(busy, min(count, len(busy)))
        self.say(f"{len(slots)} slots go from {origin} to {target}")
        self.spared |= {origin, target}
        mover = threading.Thread(target=self.move, args=(origin, target, slots))
        mover.start()
        if struck.is_up() and struck not in self.spared:
            self.say(f"meanwhile {struck} stands still for {lasts:.1f} s")
            struck.stand_still()
            time.sleep(lasts)
            struck.go_on()
        mover.join()

    def move(self, origin, target, slots):
        # Connections of its own: others ask the nodes meanwhile.
        try:
            at_origin = Connection(origin.ip, origin.port, 5)
            at_target = Connection(target.ip, target.port, 5)
            for slot in slots:
                self.move_slot(at_origin, at_target, target, slot)
            # No kill may come before the replica has what was moved.
            at_target.call("SET", f"{{{self.tags[slots[0]]}}}:mark", time.monotonic_ns())
            if at_target.call("WAIT", 1, 2000) >= 1:
                self.spared -= {origin, target}
        except (OSError, Refused, IndexError) as error:
            self.say(f"the slots do not get there: {error}")

    def move_slot(self, at_origin, at_target, target, slot):
        at_target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", at_origin.call("CLUSTER", "MYID"))
        at_origin.call("CLUSTER", "SETSLOT", slot, "MIGRATING", at_target.call("CLUSTER", "MYID"))
        self.finish_slot(at_origin, at_target, target, slot)

    def finish_slot(self, at_origin, at_target, target, slot):
        while keys := at_origin.call("CLUSTER", "GETKEYSINSLOT", slot, KEYS_AT_ONCE):
            at_origin.call("MIGRATE", target.ip, target.port, "", 0, 5000, "REPLACE", "KEYS", *keys)
        name = at_target.call("CLUSTER", "MYID")
        at_target.call("CLUSTER", "SETSLOT", slot, "NODE", name)
        at_origin.call("CLUSTER", "SETSLOT", slot, "NODE", name)

    def import_slots(self, dice):
        """Moves slots all at once, while one of the two nodes is struck or the task is cancelled."""
        count, after, lasts = dice.randrange(1, 30), dice.uniform(0, 0.8), self.lasts(dice)
        blow, at_source = dice.choice(["none", "cancel", "kill", "stop", "promote"]), dice.random() < 0.5
        try:
            owners = [node for node in self.cluster.up() if node.call("PING", patience=0.5) and node.myself().slots]
            # Whoever is promoted has to have what the other one had.
            if len(owners) < 2 or self.walls.standing or any(not self.is_followed(node) for node in owners):
                return
            origin, target = dice.sample(owners, 2)
            busy = sorted(origin.myself().slots & set(self.tags))
            slots = sorted(dice.sample(busy, min(count, len(busy))))
            if not slots or {origin, target} & self.spared:
                return
            # So that there is a middle to strike in.
            origin.call("CONFIG", "SET", "rdb-key-save-delay", 30000, patience=2)
            task = target.call("CLUSTER", "MIGRATION", "IMPORT", *[end for slot in slots for end in (slot, slot)])
        except (OSError, Refused) as error:
            return self.say(f"no slots are imported: {error}")
        self.say(f"{target} imports {len(slots)} slots from {origin}")
        time.sleep(after)
        self.strike_import(blow, task, origin if at_source else target, lasts)
        self.await_import(task, origin, target)

    def is_followed(self, node):
        return node.call("WAIT", 1, 500, patience=2) >= 1

    def strike_import(self, blow, task, node, lasts):
        how_far = {"none": "", "cancel": "cancelled", "kill": f"killed for {lasts:.1f} s",
                   "stop": f"stopped for {lasts:.1f} s", "promote": "replaced by its replica"}[blow]
        if how_far:
            self.say(f"in the middle {node} is {how_far}" if blow != "cancel" else f"the task is cancelled at {node}")
        self.blows[blow] = self.blows.get(blow, 0) + 1
        try:
            if blow == "cancel":
                node.call("CLUSTER", "MIGRATION", "CANCEL", "ID", task, patience=2)
            elif blow == "kill":
                node.kill()
                time.sleep(lasts)
                node.start()
            elif blow == "stop":
                node.stand_still()
                time.sleep(lasts)
                node.go_on()
            elif blow == "promote":
                self.cluster.replicas_of(node)[0].call("CLUSTER", "FAILOVER", "FORCE", patience=2)
        except (OSError, Refused, IndexError) as error:
            self.say(f"{node} is not struck: {error}")

    def await_import(self, task, origin, target):
        """Waits until the task is over, for a while, and says what became of it."""
        end, state = time.monotonic() + 3 * self.timeout + 3, "gone"
        while time.monotonic() < end:
            try:
                tasks = target.call("CLUSTER", "MIGRATION", "STATUS", "ID", task, patience=1)
                fields = dict(zip(tasks[0][::2], tasks[0][1::2])) if tasks else {}
                state = fields.get("state", "gone")
                if state in ("completed", "canceled", "gone"):
                    break
            except (OSError, Refused):
                pass
            time.sleep(0.05)
        try:
            origin.call("CONFIG", "SET", "rdb-key-save-delay", 0, patience=2)
            # A strike that follows is not to meet a replica that has missed it all.
            if state == "completed" and not self.is_followed(target):
                self.spared.add(target)
        except (OSError, Refused):
            pass
        self.ends[state] = self.ends.get(state, 0) + 1
        self.say(f"the import is {state}")

    # ------------------------------------------------------------ all is well again

    def heal(self):
        self.walls.fall()
        for node in self.nodes:
            node.go_on()
            if node.process is None:
                node.start()
        limit = 2 * self.timeout + 2
        try:
            took = wait("the cluster to serve", self.cluster.is_served, limit * self.options.patience)
        except AssertionError:
            states = [(str(node), node.state(), node.call("CLUSTER", "NODES")) for node in self.nodes]
            raise AssertionError("\n".join(map(str, ["the cluster does not serve:", *states]))) from None
        self.say(f"the cluster serves {took:.1f} s after all is well")

    def end_imports(self):
        """No import goes on, and nothing is left of those that did not succeed."""
        for node in self.nodes:
            node.call("CONFIG", "SET", "rdb-key-save-delay", 0)
            node.call("CLUSTER", "MIGRATION", "CANCEL", "ALL")
        for node in self.cluster.primaries():
            wait(f"{node} to have keys of its own slots alone", lambda: self.has_own_keys_alone(node))
        wait("the nodes to agree", self.cluster.is_of_one_mind)

    def has_own_keys_alone(self, node):
        held = field(node.call("INFO", "keyspace"), "db0").partition("keys=")[2].partition(",")[0]
        line = node.myself()
        slots = line.slots | {int(text.strip("[]").partition("-")[0]) for text in line.open}
        return int(held or 0) == sum(node.call("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in slots & set(self.tags))

    def mend_open_slots(self):
        """Brings what was left halfway to its end."""
        for origin in self.cluster.primaries():
            for text in origin.myself().open:
                slot, _, other = text.strip("[]").partition("->-")
                if not other:
                    continue
                target = self.cluster.by_id(other)
                if not target.is_primary():
                    target = self.cluster.by_id(target.myself().primary)
                at_origin, at_target = (Connection(node.ip, node.port) for node in (origin, target))
                self.say(f"slot {slot} goes on from {origin} to {target}")
                self.move_slot(at_origin, at_target, target, int(slot))
        for node in self.cluster.primaries():
            for text in node.myself().open:
                node.call("CLUSTER", "SETSLOT", text.strip("[]").partition("-")[0], "STABLE")
        wait("the nodes to agree", self.cluster.is_of_one_mind)

    def check(self, writers, digest_patience=PATIENCE):
        self.cluster.settle()
        self.end_imports()
        self.mend_open_slots()
        self.spared.clear()
        faults = writers.faults(self.addresses)
        self.cluster.check_digests(digest_patience)
        return faults + self.claims.faults

    def run(self):
        options = self.options
        writers = self.make_writers()
        for round_number in range(options.first, options.first + options.rounds):
            print(f"round {round_number} of seed {options.seed}", flush=True)
            dice = random.Random(f"{options.seed} {round_number}")
            writers.start()
            for _ in range(dice.randrange(1, 5)):
                time.sleep(dice.uniform(0, 1))
                self.strike(dice)
            self.heal()
            time.sleep(0.5)
            writers.stop()
            faults = self.check(writers)
            if faults:
                return faults
        for counts in (writers.counts, self.blows, self.ends):
            self.say(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
        return self.claims.end() + ([] if writers.counts["confirmed"] else ["no write was confirmed"])

    def make_writers(self):
        self.begun = time.monotonic()
        self.tags = {}
        number = 0
        while len(self.tags) < BUSY_SLOTS:
            number += 1
            self.tags.setdefault(slot_of(str(number)), str(number))
        return Writers(self.options.writers, 60, self.make_client, self.options.seed, list(self.tags.values()))

    def make_client(self):
        if self.options.plain:
            return PlainClient(self.addresses)
        from python_client import PythonClient

        return PythonClient(self.addresses)


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/chaos --cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rounds", nargs="?", type=int, default=30, help="rounds (%(default)s)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("--first", type=int, default=0, help="the round to begin with (%(default)s)")
    parser.add_argument("--node-timeout", type=int, default=2000, help="in milliseconds (%(default)s)")
    parser.add_argument("--writers", type=int, default=3, help="clients that write (%(default)s)")
    parser.add_argument("--plain", action="store_true", help="write with a client of our own")
    parser.add_argument("--patience", type=float, default=1, help="so many times the time to heal is granted")
    parser.add_argument("--keep", action="store_true", help="keep the folders of the nodes")
    parser.add_argument("--short", action="store_true", help="short node timeouts, and all the time to heal")
    parser.add_argument("--strikes", default=STRIKES, help="what strikes, each as likely as it is named (%(default)s)")
    parser.add_argument("--prove", action="store_true", help="show that what is looked for is found")
    options = parser.parse_args()
    if options.short:
        options.node_timeout, options.patience = 700, 20
    if not options.plain:
        try:
            import redis.cluster  # noqa: F401
        except ImportError:
            die("the Python package redis is missing: install it, or say --plain")
    enter_network()
    folder = tempfile.mkdtemp(prefix="cluster-chaos-")
    chaos = Chaos(options, folder)
    try:
        faults = prove(chaos) if options.prove else chaos.run()
    except (AssertionError, OSError, Refused) as fault:
        faults = [f"{type(fault).__name__}: {fault}"]
    finally:
        chaos.cluster.end()
    for fault in faults[:20]:
        print(f"  {fault}")
    if not faults and not options.prove:
        print(f"all was well in {options.rounds} rounds of seed {options.seed}")
    if faults or options.keep:
        print(f"the nodes' files are in {folder}")
    else:
        shutil.rmtree(folder)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()

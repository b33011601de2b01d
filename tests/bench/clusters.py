"""What nodes of a cluster take for a request: one that has all slots, and three that share them.

Three nodes of a kind share the server core, and redis-benchmark asks each for what it has. So the figure to look at is the
processor time of all nodes per request: three nodes with a core each answer three times as many.
"""

import itertools
import subprocess
import time

from report import row
from runs import benchmark, medians, rounded
from server import Server, both, die
from workloads import KEYS, VALUE_BYTES, Workload

SLOTS = 16_384
NODES = 1, 3
PIPELINES = 16, 64
READY_SECONDS = 60
# No node takes another for failed while both are stopped.
ARGUMENTS = "--cluster-enabled", "yes", "--cluster-node-timeout", "600000"


class Cluster:
    """Nodes of a kind, which have the keys that redis-benchmark draws."""

    def __init__(self, label, binary, first_port, count):
        self.servers = [Server(label, binary, first_port + number, *ARGUMENTS) for number in range(count)]
        for number, server in enumerate(self.servers):
            first, behind = SLOTS * number // count, SLOTS * (number + 1) // count
            server.call("CLUSTER", "ADDSLOTSRANGE", first, behind - 1)
            server.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            server.call("CLUSTER", "MEET", "127.0.0.1", first_port)
        self.label = label
        self.client = ["-p", str(first_port), *(["--cluster"] if count > 1 else [])]
        give_up = time.monotonic() + READY_SECONDS
        while not all(self.serves(server) for server in self.servers):
            if time.monotonic() > give_up:
                die(f"{self.label}: the cluster does not serve")
            time.sleep(0.1)

    def serves(self, server):
        known = f"cluster_known_nodes:{len(self.servers)}\r"
        text = server.call("CLUSTER", "INFO")
        return "cluster_state:ok" in text and known in text + "\r"

    def cpu_ns(self):
        return sum(server.cpu_ns() for server in self.servers)

    def stop(self):
        for server in self.servers:
            server.stop()

    def resume(self):
        for server in self.servers:
            server.resume()

    def end(self):
        for server in self.servers:
            server.end()


def fill(cluster):
    """Brings most of the keys that redis-benchmark draws, which only it can name: they carry tags of slots."""
    subprocess.run(["redis-benchmark", *cluster.client, "-t", "set", "-r", str(KEYS), "-n", str(3 * KEYS), "-P", "64",
                    "-d", str(VALUE_BYTES), "-q"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cluster_rows(options):
    """The rows of the table on clusters, of a node and of three."""
    rows = []
    for count in NODES:
        pair = [Cluster(label, binary, options.port + 10 * number, count)
                for number, (label, binary) in enumerate(both(options))]
        for cluster in pair:
            fill(cluster)
            cluster.stop()
        for command, pipeline in itertools.product(("set", "get"), PIPELINES):
            workload = Workload(command, pipeline=pipeline)
            requests = rounded(options.seconds * 400_000, workload)
            our, peer = medians(pair, options.rounds, lambda cluster: benchmark(cluster, workload, requests))
            name = f"{command.upper()} -P {pipeline}, cluster of {count}"
            rows.append(row(f"{name}: CPU µs/req", our[1], peer[1], 3))
            rows.append(row(f"{name}: req/s", our[0], peer[0], 0, more=True))
        for cluster in pair:
            cluster.end()
    return rows

"""What nodes of a cluster take for a request: one that has all slots, and three that share them.

Three nodes of a kind share the server core, and redis-benchmark asks each for what it has. So the figure to look at is the
processor time of all nodes per request: three nodes with a core each answer three times as many.
"""

import subprocess
import time

SLOTS = 16_384
NODES = 1, 3
PIPELINES = 16, 64
READY_SECONDS = 60
# No node takes another for failed while both are stopped.
ARGUMENTS = "--cluster-enabled", "yes", "--cluster-node-timeout", "600000"


class Cluster:
    """Nodes of a kind, which have the keys that redis-benchmark draws; `start` starts a server on a port."""

    def __init__(self, start, first_port, count):
        self.servers = [start(first_port + number) for number in range(count)]
        for number, server in enumerate(self.servers):
            first, behind = SLOTS * number // count, SLOTS * (number + 1) // count
            server.call("CLUSTER", "ADDSLOTSRANGE", first, behind - 1)
            server.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            server.call("CLUSTER", "MEET", "127.0.0.1", first_port)
        self.label = self.servers[0].label
        self.client = ["-p", str(first_port), *(["--cluster"] if count > 1 else [])]
        give_up = time.monotonic() + READY_SECONDS
        while not all(self.serves(server) for server in self.servers):
            if time.monotonic() > give_up:
                raise SystemExit(f"bench: {self.label}: the cluster does not serve")
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




def fill(cluster, keys, value_bytes):
    """Brings most of the keys that redis-benchmark draws, which only it can name: they carry tags of slots."""
    subprocess.run(["redis-benchmark", *cluster.client, "-t", "set", "-r", str(keys), "-n", str(3 * keys), "-P", "64",
                    "-d", str(value_bytes), "-q"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

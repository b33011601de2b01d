"""Drives a cluster with the cluster client of the Python package `redis` and with redis-benchmark. Usage:
python_cluster.py BINARY

Slots move and a replica takes its primary's place while the client works.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.cluster import RedisCluster

ROOT = Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "clusters"))

from nodes import Connection, Refused, free_ports, is_free, wait  # noqa: E402

REQUESTS = 20_000
NODES = 6


@contextmanager
def cluster(binary):
    """Three primaries and three replicas: the port of the first."""
    with tempfile.TemporaryDirectory(prefix="oxidis-cluster-") as folder:
        def script(*words):
            subprocess.run([ROOT / "scripts" / "cluster", *map(str, words), "--dir", folder], check=True,
                           env={**os.environ, "OXIDIS": binary}, stdout=subprocess.DEVNULL)

        first = next(port for port in iter(lambda: free_ports(1)[0], None) if are_free(port))
        try:
            script("start", 3, "--replicas", 1, "--port", first - 1)
            yield first
        finally:
            script("stop")


def are_free(first):
    return all(is_free("127.0.0.1", port + bus) for port in range(first, first + NODES) for bus in (0, 10000))


def check_commands(client):
    for number in range(500):
        assert client.set(f"key:{number}", number) is True
    assert [client.get(f"key:{number}") for number in range(500)] == [str(number) for number in range(500)]
    assert client.mget_nonatomic("key:1", "key:2", "missing") == ["1", "2", None]
    assert client.mset({"{tag}:a": 1, "{tag}:b": 2}) is True
    assert client.mget("{tag}:a", "{tag}:b") == ["1", "2"]
    try:
        client.execute_command("DEL", "key:1", "key:2", target_nodes=client.get_node_from_key("key:1"))
        raise AssertionError("keys of two slots were taken")
    except (redis.ResponseError, redis.RedisError) as error:
        assert "slot" in str(error), error
    assert client.eval("return redis.call('incrby', KEYS[1], ARGV[1])", 1, "{tag}:count", 5) == 5
    assert sum(client.dbsize(target_nodes=node) for node in client.get_primaries()) == 503
    assert len(set(client.scan_iter("key:*", count=50))) == 500


def check_pipelines(client):
    with client.pipeline() as pipeline:
        for number in range(300):
            pipeline.set(f"piped:{number}", number)
        assert all(pipeline.execute())
        for number in range(300):
            pipeline.get(f"piped:{number}")
        assert pipeline.execute() == [str(number) for number in range(300)]


def check_messages(client):
    def message(receive):
        came = []
        wait("a message", lambda: came.append(receive(timeout=1)) or came[-1])
        return came[-1]

    plain = client.pubsub()
    plain.subscribe("news")
    sharded = client.pubsub()
    sharded.ssubscribe("{tag}:news")
    assert message(plain.get_message)["type"] == "subscribe"
    assert message(sharded.get_sharded_message)["type"] == "ssubscribe"
    for node in client.get_primaries():
        client.execute_command("PUBLISH", "news", "told", target_nodes=node)
    assert [message(plain.get_message)["data"] for _ in range(3)] == ["told"] * 3
    client.spublish("{tag}:news", "here")
    assert message(sharded.get_sharded_message)["data"] == "here"
    plain.close()
    sharded.close()


def check_replicas(port):
    client = RedisCluster(host="127.0.0.1", port=port, read_from_replicas=True, decode_responses=True)
    client.set("{tag}:a", "read")
    wait("both to be read", lambda: {client.get("{tag}:a") for _ in range(8)} == {"read"})
    client.close()


def check_moves(client):
    """Reads and writes go on while slots move and a replica takes over."""
    over, faults = threading.Event(), []

    def work():
        dice = random.Random(7)
        while not over.is_set():
            number = dice.randrange(500)
            try:
                client.set(f"key:{number}", number)
                assert client.get(f"key:{number}") == str(number)
            except Exception as error:
                faults.append(error)
                return

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        primaries = client.get_primaries()
        origin, target = (Connection("127.0.0.1", node.port) for node in primaries[:2])
        for slot in sorted({client.keyslot(f"key:{number}") for number in range(500)}):
            if client.nodes_manager.slots_cache[slot][0].port == primaries[0].port:
                move(origin, target, primaries[1].port, slot)
        # What the client knows is taken from a node that may have heard of a move before it heard of who follows whom.
        wait("a replica that the client knows", lambda: client.get_replicas() or client.nodes_manager.initialize())
        replica = Connection("127.0.0.1", client.get_replicas()[0].port)
        wait("the failover to begin", lambda: replica.call("CLUSTER", "FAILOVER") == "OK")
        wait("the failover", lambda: replica.call("ROLE")[0] == "master")
    finally:
        over.set()
        for worker in workers:
            worker.join()
    assert not faults, faults
    assert all(client.get(f"key:{number}") == str(number) for number in range(500))


def move(origin, target, port, slot):
    names = [node.call("CLUSTER", "MYID") for node in (origin, target)]
    try:
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
        origin.call("CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
    except Refused as refused:
        raise AssertionError(f"slot {slot}: {refused}") from refused
    while keys := origin.call("CLUSTER", "GETKEYSINSLOT", slot, 10):
        origin.call("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)
    for node in (target, origin):
        node.call("CLUSTER", "SETSLOT", slot, "NODE", names[1])


def check_benchmark(port):
    program = shutil.which("redis-benchmark")
    if not program:
        sys.exit("redis-benchmark is missing: install redis-tools")
    for pipeline in ("1", "16"):
        done = subprocess.run([program, "-p", str(port), "--cluster", "-t", "set,get,lpush,spop", "-n", str(REQUESTS), "-q",
                               "-r", "10000", "-P", pipeline], capture_output=True, text=True, timeout=300)
        text = done.stdout + done.stderr
        assert done.returncode == 0 and "rror" not in text, text
        assert len(re.findall(r"requests per second", text)) >= 4, text


def main():
    with cluster(sys.argv[1]) as port:
        client = RedisCluster(host="127.0.0.1", port=port, decode_responses=True)
        for check in (check_commands, check_pipelines, check_messages, check_moves):
            check(client)
            print(f"ok: {check.__name__}", flush=True)
        client.close()
        for check in (check_replicas, check_benchmark):
            check(port)
            print(f"ok: {check.__name__}", flush=True)


if __name__ == "__main__":
    main()

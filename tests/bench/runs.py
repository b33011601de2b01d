"""Runs of redis-benchmark against servers that take turns, and what requests cost: the measure of speed.

The servers have one core, redis-benchmark the other. Within every round each server has its turn, while the others are
stopped; figures are medians over the rounds, so a noisy machine hits all alike. "busy" is the share of a run in which the
server had work: well below 100 %, redis-benchmark is the slower part, and the requests per second say little about the
server. Its processor time per request still does.
"""

import statistics
import subprocess
import sys
import time

from server import CLIENT_CORE, Server, Tls, both, die
from workloads import preload

CLIENTS = 50


def benchmark(server, workload, requests, clients=CLIENTS):
    """Runs a workload once: (requests a second, server CPU µs a request, busy share)."""
    share = requests // len(workload.commands)
    base = ["taskset", "-c", str(CLIENT_CORE), "redis-benchmark", "-h", "127.0.0.1", *server.client, *workload.options,
            "-n", str(share), "-r", str(workload.draw), "-d", str(workload.size), "-P", str(workload.pipeline),
            "-c", str(clients // len(workload.commands)), "--csv"]
    cpu, started = server.cpu_ns(), time.monotonic()
    running = [
        subprocess.Popen([*base, *(["-t", one] if isinstance(one, str) else one)], text=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for one in workload.commands
    ]
    outputs = [process.communicate()[0] for process in running]
    cpu, seconds = server.cpu_ns() - cpu, time.monotonic() - started
    rate = 0
    for process, output in zip(running, outputs):
        rows = [line.split('","') for line in output.splitlines()]
        rows = [row for row in rows if len(row) > 1 and row[0] != '"test']
        if process.returncode or not rows:
            die(f"{' '.join(process.args)} failed against {server.label}: {output}")
        # The first column is the command, in which there may be quotes; the rate is the second of eight.
        rate += float(rows[-1][-7].strip('"'))
    requests = share * len(workload.commands)
    return rate, cpu / 1000 / requests, cpu / 1e9 / seconds


def rounded(requests, workload, clients=CLIENTS):
    """A count that fills whole pipelines of every client."""
    batch = clients * workload.pipeline
    return max(1, round(requests / batch)) * batch


def refilled(server, workload, requests):
    """One run on data of its own."""
    if workload.refill:
        workload.refill(server, requests)
    return benchmark(server, workload, requests)


def speed(options, names):
    """What each workload costs ours and the peer: {name: [(requests a second, CPU µs a request, busy share)] of both}."""
    results = {}
    tls = Tls() if options.tls else None
    ours = Server("ours", options.ours, options.port, tls=tls)
    modules = [word for module in options.peer_module for word in ("--loadmodule", module)]
    peer = Server("peer", options.peer, options.port + 1, *modules, tls=tls)
    for server in (ours, peer):
        server.stop()
    for name in names:
        workload, count = options.workloads[name], {}
        for server in (ours, peer):
            server.resume()
            server.call("FLUSHALL", "SYNC")
            probe = rounded(20_000 * min(workload.pipeline, 8), workload)
            if workload.fill:
                workload.fill(server, probe)
            rate = refilled(server, workload, probe)[0]
            server.stop()
            count[server] = rounded(rate * options.seconds, workload)
        results[name] = medians((ours, peer), options.rounds, lambda server: refilled(server, workload, count[server]))
        print(f"  {name}: {results[name][0][1]:.3f} against {results[name][1][1]:.3f} µs CPU",
              file=sys.stderr, flush=True)
    ours.end()
    peer.end()
    return results


def medians(servers, rounds, measure):
    """The medians of what each of some servers is measured for: they take turns, and are stopped in between."""
    found = [[] for _ in servers]
    for number in range(rounds):
        for side in range(len(servers))[:: 1 if number % 2 == 0 else -1]:
            servers[side].resume()
            found[side].append(measure(servers[side]))
            servers[side].stop()
    return [[statistics.median(column) for column in zip(*side)] for side in found]


class Pair:
    """Both servers, of which one runs at a time, with a million keys each."""

    def __init__(self, options, *arguments):
        self.servers = [Server(label, binary, options.port + number, *arguments)
                        for number, (label, binary) in enumerate(both(options))]
        for server in self.servers:
            preload(server, None)
            server.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.end()

    def medians(self, rounds, measure):
        return medians(self.servers, rounds, measure)

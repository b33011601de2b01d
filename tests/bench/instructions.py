"""User instructions per request, counted by valgrind's callgrind: a figure that noisy machines don't disturb.

A server runs under callgrind. For each workload its data is brought and it is run once to warm up; only then are
instructions counted, while redis-benchmark sends a number of requests. What is counted is what the server's own file
executes: the C library is left out, since it picks its copying routines by processor. What is left differs by about a
per cent from run to run (how requests share turns of the event loop, chance in hash tables), and by more between
versions of the compiler: the baseline names the one it is of.

The kernel's part is not in it, nor what waiting for memory costs; `scripts/bench` without --instructions measures that.
"""

import hashlib
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path

from resp import encoded

BASELINE = Path(__file__).with_name("baseline.txt")
# How much more than the baseline says fails the check, in per cent.
TOLERANCE_PERCENT = 5
KEYS = 100_000
VALUE = b"x" * 32
CLIENTS = 10
READY_SECONDS = 60
SUBSCRIBERS = 100
SCRIPT = "local v = redis.call('GET', KEYS[1]) if v then return v end return ARGV[1]"
SCRIPT_SHA = hashlib.sha1(SCRIPT.encode()).hexdigest()


def keys(server):
    server.call("FLUSHALL")
    for begin in range(0, KEYS, 1000):
        server.call_all([("SET", b"key:%012d" % key, VALUE) for key in range(begin, begin + 1000)])


# A key alone lies in its home bucket: among others it would be chance, of which each request costs a tenth more.
def elements(command, key, count, with_value=False, with_score=False):
    def fill(server):
        server.call("FLUSHALL")
        words = []
        for index in range(count):
            element = b"element:%012d" % index
            words += [str(index * 7919 % KEYS), element] if with_score else [element]
            words += [VALUE] if with_value else []
            if len(words) >= 1000 or index == count - 1:
                server.call(command, key, *words)
                words = []
    return fill


def script(server):
    keys(server)
    server.call("SCRIPT", "LOAD", SCRIPT)


def consumed(server):
    server.call("FLUSHALL")
    for _ in range(2000):
        server.call("XADD", "mystream", "*", "field", VALUE)
    server.call("XGROUP", "CREATE", "mystream", "group", "0")


def fresh(server):
    server.call("FLUSHALL")


MEMBER = "element:__rand_int__"
# Name: what redis-benchmark is told to run, the depth of its pipelines, what brings the data, requests.
WORKLOADS = {
    "GET -P 64": ("-t get", 64, keys, 40_000),
    "SET -P 64": ("-t set", 64, keys, 40_000),
    "GET -P 16": ("-t get", 16, keys, 20_000),
    "SET -P 16": ("-t set", 16, keys, 20_000),
    "GET -P 1": ("-t get", 1, keys, 10_000),
    "SET -P 1": ("-t set", 1, keys, 10_000),
    "SET of new keys -P 64": ("-t set", 64, fresh, 40_000),
    "INCR -P 16": ("-t incr", 16, keys, 20_000),
    "LPUSH -P 64": ("-t lpush", 64, fresh, 20_000),
    "HSET -P 64": ("-t hset", 64, fresh, 40_000),
    "SADD -P 64": ("-t sadd", 64, fresh, 40_000),
    "ZADD -P 64": ("-t zadd", 64, fresh, 40_000),
    "XADD -P 64": (("XADD", "mystream", "*", "myfield", VALUE.decode()), 64, fresh, 20_000),
    "LRANGE_100 -P 16": (("LRANGE", "mylist", "0", "99"), 16, elements("RPUSH", "mylist", 1000), 4_000),
    "MGET of 10 -P 16": (("MGET", *["key:__rand_int__"] * 10), 16, keys, 10_000),
    "EVALSHA -P 16": (("EVALSHA", SCRIPT_SHA, "1", "key:__rand_int__", "none"), 16, script, 10_000),
    "PUBLISH to 100 -P 1": (("PUBLISH", "channel", VALUE.decode()), 1, None, 1_000),
    "XREADGROUP -P 16": (("XREADGROUP", "GROUP", "group", "one", "COUNT", "1", "STREAMS", "mystream", ">"), 16,
                         consumed, 1_600),
    "HGETALL of 20 -P 16": (("HGETALL", "myhash"), 16, elements("HSET", "myhash", 20, with_value=True), 10_000),
    "ZRANGE of 100 -P 16": (("ZRANGE", "myzset", "0", "99"), 16, elements("ZADD", "myzset", 1000, with_score=True),
                            4_000),
}
# What the check looks at: a pipeline of each kind of work, in a few seconds.
SHORT = ["GET -P 64", "SET -P 64", "INCR -P 16", "LPUSH -P 64", "HSET -P 64", "SADD -P 64", "ZADD -P 64",
         "LRANGE_100 -P 16", "MGET of 10 -P 16"]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class CountedServer:
    """A server under callgrind, which counts only when it is told to. It may be a cluster of one node."""

    def __init__(self, binary, cluster=False):
        self.binary = Path(shutil.which(binary) or binary).resolve()
        self.directory = tempfile.TemporaryDirectory(prefix="oxidis-bench-")
        self.port = free_port()
        self.out = f"{self.directory.name}/callgrind"
        # With one tick a second the cron takes no part.
        self.process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={self.out}",
             str(self.binary), "--port", str(self.port), "--save", "", "--appendonly", "no", "--hz", "1",
             *(["--cluster-enabled", "yes", "--cluster-port", str(free_port())] if cluster else [])],
            cwd=self.directory.name, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        give_up = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.connection = socket.create_connection(("127.0.0.1", self.port), READY_SECONDS)
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > give_up:
                    sys.exit(f"bench: {binary} does not run under valgrind")
                time.sleep(0.05)
        self.replies = self.connection.makefile("rb")
        if cluster:
            self.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while "cluster_state:ok" not in self.call("CLUSTER", "INFO"):
                time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()

    def call(self, *words):
        return self.call_all([words])[-1]

    def call_all(self, calls):
        """Sends some commands at once; the text of each reply, or its first line."""
        self.connection.sendall(b"".join(map(encoded, calls)))
        return [self.reply() for _ in calls]

    def reply(self):
        line = self.replies.readline()
        if line[:1] == b"$" and int(line[1:]) >= 0:
            return self.replies.read(int(line[1:]) + 2).decode()
        return line.decode()

    def tell(self, *words):
        subprocess.run(["vgdb", f"--pid={self.process.pid}", *words], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def benchmark(self, what, pipeline, requests):
        what = what.split() if isinstance(what, str) else what
        command = ["redis-benchmark", "-p", str(self.port), "-c", str(CLIENTS), "-r", str(KEYS), "-d", str(len(VALUE)),
                   "-P", str(pipeline), "-n", str(requests), "-q", *what]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def count(self, name):
        """Instructions per request of a workload."""
        what, pipeline, fill, requests = WORKLOADS[name]
        if fill:
            fill(self)
        subscribers = Subscribers(self.port) if name.startswith("PUBLISH") else None
        self.benchmark(what, pipeline, requests // 10)
        if fill and fill not in (keys, script):
            fill(self)
        self.tell("instrumentation", "on")
        self.benchmark(what, pipeline, requests)
        self.tell("instrumentation", "off")
        self.tell("dump")
        if subscribers:
            subscribers.end()
        newest = max(Path(self.directory.name).glob("callgrind.*"), key=lambda file: file.stat().st_mtime)
        counted = instructions_of(newest.read_text(), str(self.binary))
        newest.unlink()
        return counted / requests


class Subscribers:
    """Clients that listen to a channel and read what they are sent."""

    def __init__(self, port):
        self.sockets = []
        for _ in range(SUBSCRIBERS):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(b"SUBSCRIBE channel\r\n")
            one.recv(4096)
            self.sockets.append(one)
        for one in self.sockets:
            threading.Thread(target=self.read, args=(one,), daemon=True).start()

    @staticmethod
    def read(one):
        while one.recv(65536):
            pass

    def end(self):
        for one in self.sockets:
            one.shutdown(socket.SHUT_RDWR)


def instructions_of(profile, binary):
    """The sum of what functions of a file have executed themselves, of a profile in callgrind's format."""
    objects, total, current, is_call = {}, 0, None, False
    for line in profile.splitlines():
        if found := re.match(r"ob=\((\d+)\)(?: (.*))?", line):
            objects.setdefault(found[1], found[2])
            current = objects[found[1]]
        elif found := re.match(r"cob=\((\d+)\)(?: (.*))?", line):
            objects.setdefault(found[1], found[2])
        elif line.startswith("calls="):
            is_call = True
        elif re.match(r"[+*-]?\d|\*", line):
            if not is_call and current == binary:
                total += int(line.split()[1])
            is_call = False
    return total


def processor():
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return names[0] if names else platform.machine()


def compiler():
    return subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip() or "unknown compiler"


def read_baseline():
    rows = re.findall(r"^(\S.*?)\s{2,}(\d+)$", BASELINE.read_text(), re.M)
    return {name: int(count) for name, count in rows}


def write_baseline(counts):
    width = max(map(len, WORKLOADS)) + 2
    lines = ["Instructions per request that the server's own file executes: scripts/bench --instructions --save",
             f"{date.today().isoformat()}, {processor()}, {compiler()}",
             "", *(f"{name:{width}}{round(count)}" for name, count in counts.items())]
    BASELINE.write_text("\n".join(lines) + "\n")


def main(ours, peers, names, short, save, cluster):
    """Prints a table of all workloads, or of those named. With `short` those of the check, which fails if one takes
    more than the baseline allows. With `save` the counts become the baseline. With `cluster` each server is a node that
    has all slots, for workloads of single keys."""
    for tool in ("valgrind", "vgdb", "redis-benchmark"):
        if not shutil.which(tool):
            sys.exit(f"bench: {tool} is missing")
    chosen = SHORT if short else [name for name in WORKLOADS if not names or any(
        name.lower().startswith(wanted.lower()) for wanted in names)]
    baseline = read_baseline() if BASELINE.exists() else {}
    counts, too_many = {}, []
    peers = [] if short else peers
    with CountedServer(ours, cluster) as server:
        for name in chosen:
            counts[name] = server.count(name)
    others = []
    for peer in peers:
        with CountedServer(peer, cluster) as server:
            others.append({name: server.count(name) for name in chosen})
    print(f"{'instructions per request':26}{'counted':>9}{'baseline':>10}{'':>9}"
          + "".join(f"{Path(peer).parent.name[-12:] + '/' + Path(peer).name:>30}" for peer in peers))
    for name, count in counts.items():
        before = baseline.get(name)
        change = f"{100 * (count / before - 1):+.1f} %" if before else ""
        print(f"{name:26}{count:9.0f}{before or '':>10}{change:>9}"
              + "".join(f"{other[name]:30.0f}" for other in others))
        if before and count > before * (1 + TOLERANCE_PERCENT / 100):
            too_many.append(name)
    if save:
        write_baseline({**baseline, **counts})
    elif short and too_many:
        sys.exit(f"bench: more than {TOLERANCE_PERCENT} % above the baseline: {', '.join(too_many)}")

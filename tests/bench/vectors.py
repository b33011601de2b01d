"""Vector sets beside those of a peer: processor time per insertion and query, recall, bytes per vector.

Vectors are random, or lie around some centers; sets keep them as floats, bytes or bits. Both servers get the same ones,
in turns of a few at a time, while the other is stopped. Processor time is that of all threads of a server, those that
have ended too. Recall is the share of the ten nearest, as a server that looks at every element finds them (TRUTH), that
it finds by its graph; what is as near as the tenth counts, so that ties are no luck.
"""

import array
import random
import struct
import sys

from report import row
from resp import encoded
from server import Server, both

DIMENSION = 128
CENTERS = 100
# How far vectors lie around their center, of the centers' own spread.
SPREAD = 0.5
NEAREST = 10
FACTORS = 50, 100, 200
FORMS = {"FP32": "NOQUANT", "Q8": "Q8", "BIN": "BIN"}
INSERTED_AT_ONCE, ASKED_AT_ONCE = 1000, 100


def uniform(chance, count):
    """So many components from -32768 to 32767."""
    return array.array("h", chance.randbytes(2 * count))


def scattered(seed, count):
    """Vectors in all directions."""
    values = array.array("f", uniform(random.Random(seed), DIMENSION * count)).tobytes()
    return [values[at:at + 4 * DIMENSION] for at in range(0, len(values), 4 * DIMENSION)]


def clustered(seed, count):
    """Vectors around centers, which are the same for every seed."""
    centers = [uniform(random.Random(center), DIMENSION) for center in range(CENTERS)]
    chance, pack = random.Random(seed), struct.Struct(f"<{DIMENSION}f").pack
    def one():
        center = centers[chance.randrange(CENTERS)]
        return pack(*(value + SPREAD * noise for value, noise in zip(center, uniform(chance, DIMENSION))))
    return [one() for _ in range(count)]


def cpu_us(server):
    """Microseconds of processor time of all threads there are and were."""
    return 1e6 * sum(float(server.info("cpu", f"used_cpu_{part}")) for part in ("user", "sys"))


def piped(server, commands):
    """Sends commands at once; the processor time they took, and their replies."""
    before = cpu_us(server)
    server.connection.sendall(b"".join(encoded(words) for words in commands))
    server.replies = server.connection.makefile("rb")
    replies = [server.reply() for _ in commands]
    return cpu_us(server) - before, replies


def turns(servers, commands, at_once):
    """Sends all commands to both servers, which take turns: for each the processor time, and all replies."""
    found = [[0, []] for _ in servers]
    for number, at in enumerate(range(0, len(commands), at_once)):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            servers[side].resume()
            time, replies = piped(servers[side], commands[at:at + at_once])
            servers[side].stop()
            found[side][0] += time
            found[side][1] += replies
    return found


def scores(reply):
    return [float(score) for score in reply[1::2]]


def recall(replies, truths):
    """The share of what is at least as near as the farthest of the truth."""
    found = [sum(score >= truth[-1] - 1e-6 for score in scores(reply)) / len(truth)
             for reply, truth in zip(replies, map(scores, truths))]
    return sum(found) / len(found)


def memory(servers):
    """(resident, used_memory) of each."""
    found = []
    for server in servers:
        server.resume()
        found.append((server.resident(), int(server.info("memory", "used_memory"))))
        server.stop()
    return found


def measured(servers, form, vectors, queries):
    """Rows of (what, ours, peer, digits, whether more is better) about a set of some form."""
    before = memory(servers)
    add = [("VADD", "set", "FP32", vector, f"element:{number}", form) for number, vector in enumerate(vectors)]
    inserted = [time / len(add) for time, _ in turns(servers, add, INSERTED_AT_ONCE)]
    grown = [[(after - before) / len(vectors) for before, after in zip(*both)]
             for both in zip(before, memory(servers))]
    yield "insertion, CPU µs", *inserted, 1, False
    for place, what in enumerate(("resident", "used_memory")):
        yield f"bytes per vector, {what}", *(side[place] for side in grown), 0, False

    def ask(*options):
        return [("VSIM", "set", "FP32", query, "WITHSCORES", "COUNT", NEAREST, *options) for query in queries]

    truths = [replies for _, replies in turns(servers, ask("TRUTH", "NOTHREAD"), ASKED_AT_ONCE)]
    for factor in FACTORS:
        answers = turns(servers, ask("EF", factor), ASKED_AT_ONCE)
        yield f"query, EF {factor}, CPU µs", *(time / len(queries) for time, _ in answers), 1, False
        shares = [recall(replies, truth) for (_, replies), truth in zip(answers, truths)]
        yield f"query, EF {factor}, recall", *shares, 4, True


def measure(servers, count, asked, only=""):
    """All rows of both kinds of vectors in every form, or of those whose name has `only` in it."""
    for kind, vectors_of in (("random", scattered), ("clustered", clustered)):
        wanted = {name: form for name, form in FORMS.items() if only in f"{kind} {name}"}
        vectors, queries = (vectors_of(-1, count), vectors_of(-2, asked)) if wanted else ([], [])
        for name, form in wanted.items():
            for what, *rest in measured(servers, form, vectors, queries):
                yield f"{count:,} {kind} vectors, {name}: {what}", *rest
            for server in servers:
                server.resume()
                server.call("FLUSHALL", "SYNC")
                server.stop()


def vectors_rows(options):
    """The rows of the table on vector sets; none if the peer has no such sets."""
    servers = [Server(label, binary, options.port + number) for number, (label, binary) in enumerate(both(options))]
    rows = []
    try:
        if servers[1].call("VCARD", "none") is None:
            return rows
        for server in servers:
            server.stop()
        for name, ours, peer, digits, more in measure(servers, options.vector_count, options.queries, options.vectors):
            rows.append(row(name, ours, peer, digits, more))
            print(f"  {name}: {ours:.{digits}f} against {peer:.{digits}f}", file=sys.stderr, flush=True)
    finally:
        for server in servers:
            server.end()
    return rows

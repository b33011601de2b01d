"""The report: tables as plain text or Markdown, the chart of speed, and what they are about (machine, versions).

A row of the last table is a measure, the figures of ours and the peer, and how many times better ours is.
"""

import os
import re
import subprocess
from pathlib import Path

import chart


def row(name, ours, peer, digits, more=False):
    """A row of the last table; with `more`, more is better."""
    return [name, figure(ours, digits), figure(peer, digits), ratio(ours, peer) if more else ratio(peer, ours)]


def figure(value, digits):
    return "n/a" if value is None else f"{value:,.{digits}f}"


def ratio(a, b):
    return f"{a / b:.2f}×" if a and b else "n/a"


def report(options, speeds, rows):
    """Tells of speed, and of all else that was measured."""
    if speeds:
        lines = [
            [name, figure(our[0], 0), figure(peer[0], 0), ratio(our[0], peer[0]), figure(our[1], 3),
             figure(peer[1], 3), ratio(peer[1], our[1]), f"{our[2]:.0%} / {peer[2]:.0%}"]
            for name, (our, peer) in speeds.items()
        ]
        header = ["workload", "req/s ours", "peer", "more", "CPU µs/req ours", "peer", "less", "busy"]
        tell(options, table(header, lines, options.markdown) + "\n")
    if rows:
        tell(options, table(["measure", "ours", "peer", "better"], rows, options.markdown) + "\n")


def table(header, rows, markdown):
    if markdown:
        lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
        return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    return "\n".join(
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths)))
        for row in [header, *rows]
    )


def tell(options, text):
    """Prints a part of the report, and adds it to the file of the tables if there is one."""
    print(text, flush=True)
    if options.report:
        Path(options.report).mkdir(parents=True, exist_ok=True)
        with open(Path(options.report, "tables.md"), "a") as file:
            print(text, file=file)


def write_chart(options, all_speeds):
    """Writes the chart of how much more processor time the peers take, of all that was measured against any."""
    names = list(dict.fromkeys(name for speeds in all_speeds.values() for name in speeds))
    taken = [[speeds[name][1][1] / speeds[name][0][1] if name in speeds else None for speeds in all_speeds.values()]
             for name in names]
    if names:
        title = f"Processor time per request, {version(options.ours)} = 1"
        Path(options.report, "speed.svg").write_text(chart.chart(title, list(zip(names, taken)), list(all_speeds)))


def version(binary):
    text = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.strip()
    if ours := re.search(r"\bbuild=oxidis-(\S+)", text):
        return f"Oxidis {ours.group(1)}"
    short = re.search(r"^(\S+) .*?\bv=(\S+)", text)
    return f"{short.group(1)} {short.group(2)}" if short else (text.splitlines() or [binary])[0]


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    name = model.group(1) if model else os.uname().machine
    return f"{name}, {os.cpu_count()} cores, Linux {os.uname().release}"

"""What a submitter may ask for: what it costs beside a plain submission."""

import itertools
import os
import time

from machine import Relaisd, Sink, relay_at, wait_until

CLIENTS = 64
SECONDS = 0.4  # short turns, many of them: what disturbs, disturbs all
TURNS = 6      # for each run
RELAYED = 20000
run_number = itertools.count()


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as file:
        ticks = file.read().rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def submissions(bench, daemon, parameters):
    """Messages a second of 64 clients with kept connections, and the
    microseconds of CPU that each took relaisd; # is a number."""
    parameters = parameters.replace("#", f"{next(run_number)}-#")
    before = cpu_seconds(daemon.process)
    found = bench.program("bench_wishes", "-t", CLIENTS, "-s", SECONDS, "-p",
                          parameters, daemon.socket)
    took = cpu_seconds(daemon.process) - before
    return found["rate"], took * 1e6 / found["done"]


PARAMETERS = {
    "plain": "", "key": "XKEY=order-#", "replay": "XKEY=always",
    "schedule": "HOLDFOR=86400", "deadline": "BY=86400;R",
    "priority": "MT-PRIORITY=4", "tag": "XTAG=orders XMETA=a-b"}


def measured(bench):
    """(rate, CPU) of each turn, by name."""
    names = list(PARAMETERS)
    turns = {name: [] for name in names}
    with Relaisd(bench, {"sink": relay_at(9, enabled="off")}) as daemon:
        for _ in range(TURNS * bench.runs):
            names.append(names.pop(0))  # nobody is always the last
            for name in names:
                turns[name].append(
                    submissions(bench, daemon, PARAMETERS[name]))
    return turns


def samples(bench, index):
    turns = bench.once("wishes", lambda: measured(bench))
    return {name: [turn[index] for turn in found]
            for name, found in turns.items()}


def wishes(bench, row):
    row.samples("1/s", **samples(bench, 0))
    for name in ("key", "schedule"):
        row.goal(f"{name}: 75 % of plain", row.ratio(name, "plain"), ">=",
                 0.75)


def wishescpu(bench, row):
    row.samples("us", **samples(bench, 1))
    for name, limit in (("key", 1.4), ("schedule", 1.2), ("deadline", 1.1),
                        ("priority", 1.1), ("tag", 1.2)):
        row.goal(f"{name}: {limit} x plain", row.ratio(name, "plain"), "<=",
                 limit)


def relayed(bench, parameters):
    """Messages a second until all of them are delivered."""
    with Sink(bench, RELAYED) as sink, \
            Relaisd(bench, {"sink": relay_at(sink.port)}) as daemon:
        start = time.monotonic()
        bench.program("bench_wishes", "-t", 4 * CLIENTS, "-n", RELAYED, "-p",
                      parameters, daemon.socket)
        wait_until(lambda: daemon.status()["messages"]["delivered"] >= RELAYED,
                   "the deliveries")
        return RELAYED / (time.monotonic() - start)


def wait(bench, row):
    row.samples("1/s", **bench.rounds(
        plain=lambda: relayed(bench, ""),
        wait=lambda: relayed(bench, "XWAIT=60")))
    row.goal("50 % of plain", row.ratio("wait", "plain"), ">=", 0.5)


ROWS = {
    "wishes": (wishes, "submissions with a key, a time, a priority, a tag"),
    "wishescpu": (wishescpu, "the CPU that relaisd takes for each of these"),
    "wait": (wait, "256 clients that wait for the delivery, to the end"),
}

"""What depth costs: a million waiting, 100,000 lanes, an outage."""

import os
import signal
import time

from machine import Relaisd, Sink, fill, free_port, relay_at, wait_until

MILLION = int(os.environ.get("MILLION", 1000000))
LANES = int(os.environ.get("LANES", 100000))
OUTAGE = int(os.environ.get("OUTAGE", 100000))


def waiting(bench, queue, relay="waiting", **relays):
    """A daemon on that store, whose mail waits for a relay switched off."""
    off = {"url": "direct:", "enabled": "off"} if relay == "direct" \
        else relay_at(9, enabled="off")
    return Relaisd(bench, {relay: off, **relays}, queue,
                   default_relay=list(relays or [relay])[-1])


def million(bench):
    # 60 of them are for rare@example.org.
    return fill(bench, "million", MILLION, "-r", "waiting", "-k",
                max(1, MILLION // 60 + 1))


def lanes(bench):
    return fill(bench, "lanes", MILLION, "-b", 200, "-r", "direct", "-l",
                LANES)


def settled_memory(daemon):
    """MiB of its own, once what it reads at the start is read."""
    before, now = -1, 0
    while now != before:
        before = now
        time.sleep(0.5)
        now = daemon.status_field("RssAnon")
    return now / 1024


def memory_of(bench, queue, relay="waiting"):
    with waiting(bench, queue, relay) as daemon:
        daemon.ctl("list", "--limit", "50")
        return settled_memory(daemon)


def memory(bench, row):
    deep, wide = million(bench), lanes(bench)
    row.samples("MiB", **bench.rounds(
        empty=lambda: memory_of(bench, None),
        relais=lambda: memory_of(bench, deep),
        lanes=lambda: memory_of(bench, wide, "direct")))
    row.goal("16 MiB more than empty", row.median("relais") -
             row.median("empty"), "<=", 16)
    row.goal("the same with 100,000 lanes", row.median("lanes") -
             row.median("empty"), "<=", 16)


def start_after_kill(bench, queue, is_cold):
    daemon = waiting(bench, queue)
    with daemon:
        daemon.stop(signal.SIGKILL)
        if is_cold:
            with open(queue / "data.mdb", "rb") as store:
                os.fsync(store.fileno())
                os.posix_fadvise(store.fileno(), 0, 0,
                                 os.POSIX_FADV_DONTNEED)
        return daemon.start()


def ready(bench, row):
    queue = million(bench)
    row.samples("ms", **bench.rounds(
        relais=lambda: start_after_kill(bench, queue, False),
        cold=lambda: start_after_kill(bench, queue, True)))
    row.goal("200 ms", row.median("relais"), "<", 200)
    row.goal("the same, its pages not in memory", row.median("cold"), "<",
             200)


def listing(bench, row):
    with waiting(bench, million(bench)) as daemon:
        row.samples("ms", relais=daemon.time_ctl("list", "--limit", "50"),
                    filter=daemon.time_ctl("list", "--limit", "50",
                                           "--recipient", "rare@example.org"),
                    status=daemon.time_ctl("status"))
        found = daemon.ctl("list", "--limit", "100", "--json", "--recipient",
                           "rare@example.org")
    if len(found.splitlines()) != 60:
        raise RuntimeError(f"{len(found.splitlines())} of 60 were found")
    for name in ("relais", "filter", "status"):
        row.goal({"relais": "plain 20 ms"}.get(name, f"{name} 20 ms"),
                 row.median(name), "<", 20)


def rate_beside(bench, queue, count):
    """End to end, beside what waits for another relay."""
    with Sink(bench, count) as sink:
        daemon = waiting(bench, queue, sink=relay_at(sink.port))
        with daemon:
            bench.program("bench_submit", "-t", 64, "-w", 1, "-n", count,
                          daemon.socket)
            report = sink.wait()
    return 0.8 * count / (report["t90"] - report["t10"])


def depth(bench, row):
    deep = million(bench)
    shallow = fill(bench, "thousand", 1000, "-r", "waiting")
    row.samples("1/s", **bench.rounds(
        limit=lambda: rate_beside(bench, shallow, 30000),
        relais=lambda: rate_beside(bench, deep, 30000)))
    row.goal("85 % of the rate beside 1,000", row.ratio("relais", "limit"),
             ">=", 0.85)


def drained(report):
    """Messages a second once all connections are there."""
    return 0.8 * report["messages"] / (report["t100"] - report["t20"])


def plain_drain(bench):
    queue = fill(bench, f"plain{time.monotonic_ns()}", OUTAGE, "-r", "sink")
    with Sink(bench, OUTAGE) as sink:
        with Relaisd(bench, {"sink": relay_at(sink.port)}, queue):
            return drained(sink.wait())


def outage(bench):
    """The relay is away; it comes back, and an administrator says so."""
    queue = fill(bench, f"outage{time.monotonic_ns()}", OUTAGE, "-r", "sink")
    port = free_port()
    with Relaisd(bench, {"sink": relay_at(port)}, queue) as daemon:
        wait_until(lambda: daemon.relay_state("sink") == "open",
                   "the relay to be in trouble", 30)
        with Sink(bench, OUTAGE, port) as sink:
            start = time.monotonic()
            daemon.ctl("relay", "resume", "sink")
            report = sink.wait()
    return {"first_ms": (report["first"] - start) * 1000,
            "rate": drained(report)}


def recovery(bench, row):
    runs = bench.rounds(limit=lambda: plain_drain(bench),
                        relais=lambda: outage(bench))
    row.samples("1/s", limit=runs["limit"],
                relais=[run["rate"] for run in runs["relais"]],
                first_ms=[run["first_ms"] for run in runs["relais"]])
    row.goal("first message 100 ms", row.median("first_ms"), "<", 100)
    row.goal("90 % of the plain rate", row.ratio("relais", "limit"), ">=",
             0.9)


ROWS = {
    "memory": (memory, "memory of its own with 1,000,000 waiting"),
    "ready": (ready, "ready after a kill with 1,000,000 waiting"),
    "list": (listing, "relaisctl with 1,000,000 waiting"),
    "depth": (depth, "end to end beside 1,000,000 waiting"),
    "recovery": (recovery, "100,000 waiting when the relay is back"),
}

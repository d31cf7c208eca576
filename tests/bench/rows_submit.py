"""Mail comes in: rates, latency, large messages, the command."""

from machine import Relaisd, relay_at

SUBMIT = {"SIZES": 4096, "CONCS": 64}
COUNTS = {  # messages of one run: two to four seconds each
    "smtp": {"null": 25000, "relais": 40000, "postfix": 3000},
    "smtpkeep": {"null": 60000, "relais": 60000, "postfix": 4000},
}


def socket_rates(bench, protocol):
    def rate(peer):
        return bench.harness("bench-submit.sh", peer, PROTOS=protocol,
                             N=COUNTS[protocol][peer], **SUBMIT)[0]["rate"]

    return bench.once(("socket", protocol), lambda: bench.rounds(
        limit=lambda: rate("null"), relais=lambda: rate("relais"),
        peer=lambda: rate("postfix")))


def smtp(bench, row):
    row.samples("1/s", **socket_rates(bench, "smtp"))
    row.goal("8 x Postfix", row.ratio("relais", "peer"), ">=", 8)
    row.goal("60 % of the bare sink", row.ratio("relais", "limit"), ">=", 0.6)


def smtpkeep(bench, row):
    row.samples("1/s", **socket_rates(bench, "smtpkeep"))
    row.goal("8 x Postfix", row.ratio("relais", "peer"), ">=", 8)
    row.goal("45 % of the bare sink", row.ratio("relais", "limit"), ">=",
             0.45)


def held(bench):
    """A daemon that takes mail and relays none."""
    return Relaisd(bench, {"sink": relay_at(9, enabled="off")})


def library(bench, row):
    with held(bench) as daemon:
        row.samples("1/s", **bench.rounds(
            limit=lambda: bench.program(
                "raw_store", "-n", 256, "-s", 2, bench.directory)["rate"],
            relais=lambda: bench.program(
                "bench_submit", "-t", 64, "-w", 256, "-s", 3,
                daemon.socket)["rate"]))
        store = daemon.status()["store"]
    row.result["samples"]["jobs_a_sync"] = [
        store["committed_jobs"] / store["commits"]]
    row.goal("25 % of raw LMDB", row.ratio("relais", "limit"), ">=", 0.25)


def latency(bench, row):
    with held(bench) as daemon:
        row.samples("ms", **bench.rounds(
            limit=lambda: bench.program(
                "raw_store", "-n", 1, "-s", 2, bench.directory)["p50_ms"],
            relais=lambda: bench.program(
                "bench_submit", "-t", 1, "-w", 1, "-s", 2,
                daemon.socket)["p50_ms"]))
    row.goal("2 x one LMDB commit", row.ratio("relais", "limit"), "<=", 2)


def large(bench, row):
    with held(bench) as daemon:
        row.samples("MiB/s", **bench.rounds(
            limit=lambda: bench.program(
                "raw_store", "-n", 1, "-b", 10 << 20, "-s", 2,
                bench.directory)["mib_s"],
            relais=lambda: bench.program(
                "bench_submit", "-t", 1, "-w", 1, "-b", 10 << 20, "-s", 3,
                daemon.socket)["mib_s"]))
    row.goal("50 % of raw LMDB", row.ratio("relais", "limit"), ">=", 0.5)


def sendmail(bench, row):
    def median(peer, count):
        return bench.harness("bench-submit.sh", peer, PROTOS="cmd", N=count,
                             SIZES=4096, CMDCONCS=1)[0]["p50_ms"]

    row.samples("ms", **bench.rounds(
        relais=lambda: median("relais", 600),
        peer=lambda: median("postfix", 150)))
    row.goal("1/4 of Postfix", row.ratio("relais", "peer"), "<=", 0.25)
    row.goal("2 ms", row.median("relais"), "<=", 2)


ROWS = {
    "smtp": (smtp, "durable submissions, 64 clients, a connection each"),
    "smtpkeep": (smtpkeep, "the same, connections kept"),
    "library": (library, "librelais, 64 threads, pipelined"),
    "latency": (latency, "one durable submission, a kept connection"),
    "large": (large, "submission of 10 MiB messages"),
    "sendmail": (sendmail, "one relais-sendmail call"),
}

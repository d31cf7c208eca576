"""Mail goes through: end to end, TLS, what it costs, how soon."""

from machine import Relaisd, Sink, make_certificate, relay_at

CLIENTS = 64
COUNTS = {"relais": 40000, "null": 40000, "postfix": 3000}


def end_to_end(bench, protocol, peer):
    """Until smtp-sink has all: rate, CPU and bytes written, a dict a run."""
    if peer == "null":
        line = bench.harness("bench-submit.sh", "null", PROTOS=protocol,
                             N=COUNTS[peer], SIZES=4096, CONCS=50)[0]
    else:
        line = bench.harness("bench-e2e.sh", peer, "stock", PROTO=protocol,
                             N=COUNTS[peer], SIZE=4096, C=CLIENTS)[0]
        if line["complete"] != 1:
            raise RuntimeError(f"{peer}: mail is missing at the sink")
    return line


def all_runs(bench):
    return bench.once("e2e", lambda: bench.rounds(
        limit=lambda: end_to_end(bench, "smtpkeep", "null"),
        relais=lambda: end_to_end(bench, "smtpkeep", "relais"),
        peer=lambda: end_to_end(bench, "smtpkeep", "postfix"),
        limit_smtp=lambda: end_to_end(bench, "smtp", "null"),
        relais_smtp=lambda: end_to_end(bench, "smtp", "relais")))


def field(runs, key, *names):
    return {name: [run[key] for run in runs[name]] for name in names}


def e2e(bench, row):
    runs = all_runs(bench)
    row.samples("1/s", **field(runs, "rate", *runs))
    row.goal("8 x Postfix", row.ratio("relais", "peer"), ">=", 8)
    row.goal("40 % of smtp-source into the sink",
             row.ratio("relais", "limit"), ">=", 0.4)
    row.goal("60 % of it, a connection each",
             row.ratio("relais_smtp", "limit_smtp"), ">=", 0.6)


def cpu(bench, row):
    row.samples("s/1000", **field(all_runs(bench), "cpu_peer_s_per_1k",
                                  "relais", "peer"))
    row.goal("1/8 of Postfix", row.ratio("relais", "peer"), "<=", 1 / 8)


def written(bench, row):
    row.samples("bytes/byte", **field(all_runs(bench), "write_amp",
                                      "relais", "peer"))
    row.goal("3.0", row.median("relais"), "<=", 3.0)
    row.goal("1/2 of Postfix", row.ratio("relais", "peer"), "<=", 0.5)


def through(bench, count, certificate=None):
    """Messages a second from librelais to a sink of our own."""
    with Sink(bench, count, certificate=certificate) as sink:
        keys = {"security": "starttls", "tls": {"verify": "off"}} \
            if certificate else {}
        daemon = Relaisd(bench, {"sink": relay_at(sink.port, **keys)})
        with daemon:
            bench.program("bench_submit", "-t", CLIENTS, "-w", 1, "-n", count,
                          daemon.socket)
            report = sink.wait()
    if certificate and report["tls"] != report["sessions"]:
        raise RuntimeError(f"not all of it went over TLS: {report}")
    return 0.8 * count / (report["t90"] - report["t10"])


def starttls(bench, row):
    certificate = make_certificate(bench)
    row.samples("1/s", **bench.rounds(
        limit=lambda: through(bench, 30000),
        relais=lambda: through(bench, 30000, certificate),
        peer=lambda: bench.harness("bench-e2e.sh", "postfix", "tlstuned",
                                   N=1500, C=CLIENTS)[0]["rate"]))
    row.goal("70 % of its plain rate", row.ratio("relais", "limit"), ">=",
             0.7)


def relay_latency(bench, row):
    def times(peer):
        return bench.harness("bench-latency.sh", peer, "stock", PROTOS="smtp",
                             COUNT=200)[0]

    runs = bench.rounds(relais=lambda: times("relais"),
                        peer=lambda: times("postfix"))
    row.samples("ms", **field(runs, "lat_p50_ms", "relais", "peer"),
                p99=[run["lat_p99_ms"] for run in runs["relais"]])
    row.goal("median 0.5 ms", row.median("relais"), "<", 0.5)
    row.goal("p99 5 ms", row.median("p99"), "<", 5)


ROWS = {
    "e2e": (e2e, "end to end into smtp-sink, 50 connections"),
    "starttls": (starttls, "end to end over STARTTLS"),
    "cpu": (cpu, "CPU, end to end"),
    "relay_latency": (relay_latency, "acknowledgement to relay, idle"),
    "written": (written, "bytes written a message byte, 64 connections"),
}

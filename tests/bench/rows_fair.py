"""Whose turn it is: one submitter's bulk, another's urgent, a third's share."""

import encodings.idna  # noqa: F401  (read while we may)
import os
import smtplib
import socket
import threading
import time
import traceback

from machine import Relaisd, Skipped, fill, relay_at, wait_until

BULK = int(os.environ.get("BULK", 100000))
RATE = 2                 # messages a second that the relay takes
LARGE_BYTES = 25 << 20
LARGE_SECONDS = 0.5      # what the relay takes for each of these
NORMAL = 40


class UnixSMTP(smtplib.LMTP):
    ehlo_msg = "ehlo"


class SlowRelay:
    """Notes (seconds, recipient) of what it takes; large mail takes long."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.taken = []
        self.in_content = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,),
                             daemon=True).start()

    def serve(self, client):
        try:
            with client, client.makefile("rwb") as lines:
                self.converse(lines)
        except OSError:
            pass

    def converse(self, lines):
        recipient = None
        self.say(lines, "220 slow")
        for line in lines:
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.say(lines, "250-slow\r\n250 SIZE 50000000")
            elif verb == b"RCPT":
                recipient = line.split(b"<")[1].split(b">")[0].decode()
                self.say(lines, "250 ok")
            elif verb == b"DATA":
                self.say(lines, "354 go on")
                self.take(lines, recipient)
                self.say(lines, "250 taken")
            elif verb == b"QUIT":
                self.say(lines, "221 bye")
                return
            else:
                self.say(lines, "250 ok")

    def take(self, lines, recipient):
        size = 0
        self.in_content += 1
        for line in lines:
            if line == b".\r\n":
                break
            size += len(line)
        if size > 1 << 20:
            time.sleep(LARGE_SECONDS)
        self.in_content -= 1
        self.taken.append((time.monotonic(), recipient))

    @staticmethod
    def say(lines, words):
        lines.write(words.encode() + b"\r\n")
        lines.flush()

    def count(self, recipient):
        return sum(r == recipient for _, r in list(self.taken))

    def time_of(self, recipient):
        wait_until(lambda: self.count(recipient), f"mail to {recipient}")
        return next(t for t, r in list(self.taken) if r == recipient)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def submit(daemon, count, size, to, words):
    with UnixSMTP(str(daemon.socket), local_hostname="bench.test") as client:
        client.ehlo()
        for _ in range(count):
            client.mail("app@example.com", words)
            client.rcpt(to)
            code, text = client.data(b"Subject: fair\r\n\r\n" +
                                     (b"X" * 76 + b"\r\n") * (size // 78))
            if code != 250:
                raise RuntimeError(text)


def send(daemon, user, count, size, to, *words):
    """Submits as that user, in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            os.setgid(user)
            os.setuid(user)
            submit(daemon, count, size, to, words)
            os._exit(0)
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError(f"uid {user} could not submit")


def send_urgent(daemon, to):
    send(daemon, 0, 1, 500, to, "MT-PRIORITY=6")
    return time.monotonic()


def slots_between(relay, start, end):
    """How many others the relay began to serve meanwhile."""
    return sum(start < t < end for t, _ in list(relay.taken))


def beside_bulk(bench, row):
    """100,000 of one submitter wait at a relay that takes RATE a second."""
    queue = fill(bench, "bulk", BULK, "-r", "sink", "-p", "bulk", "-u", 1001)
    with SlowRelay() as relay:
        limits = {"connections": 3, "rate": f"{RATE}/s"}
        settings = relay_at(relay.port, limits=limits)
        with Relaisd(bench, {"sink": settings}, queue) as daemon:
            wait_until(lambda: len(relay.taken) > 2 * RATE, "bulk to flow")
            waits, others = [], []
            for i in range(5):
                sent = send_urgent(daemon, f"urgent{i}@example.org")
                left = relay.time_of(f"urgent{i}@example.org")
                waits.append((left - sent) * 1000)
                others.append(slots_between(relay, sent, left))
            send(daemon, 1002, NORMAL, 500, "normal@example.org")
            start = len(relay.taken)
            wait_until(lambda: relay.count("normal@example.org") >= NORMAL,
                       "the normal ones")
            share = NORMAL / (len(relay.taken) - start)
            bulk_before = len(relay.taken)
            wait_until(lambda: len(relay.taken) > bulk_before, "more bulk")
    row.samples("ms", relais=waits)
    row.result["samples"].update(slots=others, normal_share=[share])


def beside_large(bench, row):
    """All three connections could be busy with 25 MiB messages."""
    with SlowRelay() as relay:
        settings = relay_at(relay.port, limits={"connections": 3})
        with Relaisd(bench, {"sink": settings}) as daemon:
            send(daemon, 1001, 12, LARGE_BYTES, "large@example.org")
            waits, others = [], []
            for i in range(3):
                wait_until(lambda: relay.in_content > 0, "large mail")
                sent = send_urgent(daemon, f"urgent{i}@example.org")
                left = relay.time_of(f"urgent{i}@example.org")
                waits.append((left - sent) * 1000)
                others.append(slots_between(relay, sent, left))
            wait_until(lambda: relay.count("large@example.org") == 12,
                       "all large mail")
    row.result["samples"].update(beside_large=waits, slots_large=others)


def fair(bench, row):
    if os.geteuid() != 0:
        raise Skipped("three submitters need root")
    os.chmod(bench.directory, 0o755)
    beside_bulk(bench, row)
    beside_large(bench, row)
    samples = row.result["samples"]
    row.goal("urgent beside 100,000 bulk: two slots", max(samples["slots"]),
             "<=", 2)
    row.goal("urgent beside 25 MiB on all connections: two slots",
             max(samples["slots_large"]), "<=", 2)
    # 9 : 3 : 1 by priority: normal and bulk share as three to one.
    row.goal("normal mail of a third: its share of 3/4",
             row.median("normal_share"), ">=", 0.7)


ROWS = {"fair": (fair, "urgent mail beside bulk at a slow relay")}

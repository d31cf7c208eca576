#!/usr/bin/env python3
"""Thousands of messages through a relay that fails at random, in every way.

    COUNT=20000 TIME=300 make check-soak

An administrator is at hand who resumes the relay and retries what waits, so
that hours of back-off pass in minutes. Mail comes in rounds. In each the relay
fails for its share of TIME seconds, or until all of its mail is through, and is
then well until nothing waits. In the end

  - each recipient is in one end state; whoever is delivered has the message
    once, or is marked; who failed has it not, or is marked
  - the store's tables agree, and none has a row of waiting mail
  - connections and descriptors are as many as after the first round, and memory
    is back to what it was then: that one warms up the same things

Without COUNT and TIME it is the short form of make check. Speaks TAP.
"""

import collections
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
os.environ.setdefault("RELAIS_BUILD", os.environ.get("builddir", "build"))

from conftest import BUILD, Relaisd, Relay, UnixSMTP, wait_until  # noqa: E402
from servers import certificates, free_port  # noqa: E402

COUNT = int(os.environ.get("COUNT", 600))
TIME = float(os.environ.get("TIME", 8))
ROUNDS = int(os.environ.get("ROUNDS", 3 if COUNT < 5000 else 5))
SUBMITTERS = 4
IS_WHOLE = TIME > 60
MEMORY_PLAY = 2 << 20  # octets: lists as long as the largest transaction, pieces
LARGE = 4 << 20        # octets; more than the buffers between the two hold

GARBAGE = ["<octets> garbage\r\n", "<octets> \x00\x01\x02\r\n",
           "<octets> 999 what\r\n", "250 \udcff\udcfe ok", "354 go"]
CUTS = ["DROP", "<reset>", "<half> 250 2"]
SHUT = ["421 4.3.2 shutting down", "<last> 421 4.4.2 idle for too long"]
LONG = ["<flood> 250-and more\r\n", "<flood> 250 and more "]
COMMAND = CUTS + SHUT + LONG + GARBAGE + [
    "<twice> 250 2.0.0 ok", "<early> 250 2.0.0 ok", "<drip> 250 2.0.0 ok",
    "451 4.3.0 not yet", "450 4.7.1 Greylisted"]
FAULTS = {
    "ACCEPT": ["DROP", "<reset>"],
    "CONNECT": CUTS + SHUT + LONG + GARBAGE + [
        "554 5.7.1 not now", "450 4.7.1 not now",
        "421 Too many concurrent SMTP connections"],
    "EHLO": CUTS + SHUT + LONG + GARBAGE + [
        "451 4.3.0 not yet", "554 5.5.2 who are you",
        "<early> 250 2.1.0 ok"],
    "STARTTLS": CUTS + SHUT + GARBAGE + [
        "454 4.3.0 TLS not available", "502 5.5.1 no such command",
        "<early> 250 injected"],
    "TLS": ["DROP", "<reset>", "<octets> 250 what\r\n"],
    "AUTH": CUTS + SHUT + GARBAGE + [
        "535 5.7.8 bad credentials", "454 4.7.0 not now", "334 !!!"],
    "MAIL": COMMAND + ["452 4.3.1 Insufficient system storage",
                       "550 5.4.5 Daily user sending limit exceeded"],
    "RCPT": COMMAND + ["550 5.1.1 User unknown", "554 5.7.1 Relay denied",
                       "452 4.5.3 too many recipients",
                       "452 4.2.2 mailbox full"],
    "DATA": COMMAND + ["452 4.3.1 Out of disk", "<early> 250 2.0.0 taken",
                       "550 5.7.1 no"],
    "BODY": CUTS + ["<last> 451 4.3.0 enough", "<last> 552 5.3.4 too large",
                    "<octets> garbage\r\n"],
    ".": COMMAND + ["554 5.6.0 no", "<half> 250 2.0.0 taken",
                    "<last> 250 2.0.0 taken", "452 4.3.1 Out of disk",
                    "250-2.0.0 yes\r\n451 4.3.0 no"],
    "IDLE": ["DROP", "<reset>", "421 4.4.2 idle for too long",
             "<octets> 250 by the way\r\n"],
    "RSET": COMMAND,
    "QUIT": CUTS + GARBAGE,
}
# What takes as long as we have patience for.
SLOW = {verb: ["<silence>", "<stall>", "<trickle> 250-x\r\n"]
        for verb in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", ".")}
SLOW.update({verb: ["<silence>"] for verb in ("STARTTLS", "TLS", "AUTH")})
SLOW["BODY"] = ["<stall>"]
FAULT_SHARE = 0.02
SLOW_SHARE = 0.0005


class Trouble:
    """What the relay does wrong, and when."""

    def __init__(self, relay, folder):
        self.relay = relay
        self.dice = random.Random(1)
        self.counts = collections.Counter()
        self.good, self.bad = (
            [tuple(str(folder / f"{name}.{kind}") for kind in ("pem", "key"))
             for name in names]
            for names in (["good"], ["expired", "wrong", "self"]))
        relay.tls = self.good[0]

    def choose(self, verb):
        roll = self.dice.random()
        if roll < SLOW_SHARE and verb in SLOW:
            said = self.dice.choice(SLOW[verb])
        elif roll < FAULT_SHARE:
            said = self.dice.choice(FAULTS[verb])
        else:
            return None
        self.counts[verb] += 1
        return said

    def begin(self):
        for verb in FAULTS:
            self.relay.always(verb, lambda line, verb=verb: self.choose(verb))

    def turn(self):
        """Now and then the weather is bad for all who come."""
        roll = self.dice.random()
        self.relay.tls = self.good[0]
        self.relay.welcome()
        if roll < 0.02:
            self.counts["refused"] += 1
            self.relay.refuse()
        elif roll < 0.04:
            self.counts["black hole"] += 1
            self.relay.stand_still()
        elif roll < 0.08:
            self.counts["certificate"] += 1
            self.relay.tls = self.dice.choice(self.bad)

    def end(self):
        self.relay.heal()
        self.relay.tls = self.good[0]
        self.relay.welcome()


class Soak:
    def __init__(self, daemon, relay, trouble):
        self.daemon = daemon
        self.relay = relay
        self.trouble = trouble
        self.ids = {}  # each recipient's message

    def submit(self, numbers):
        with UnixSMTP(str(self.daemon.socket)) as client:
            client.ehlo()
            for number in numbers:
                to = [f"u{number}-{i}@example.net"
                      for i in range(3 if number % 20 == 0 else 1)]
                # No report of a failure: it would be one message more.
                client.mail("app@example.com")
                for address in to:
                    client.rcpt(address, ["NOTIFY=NEVER"])
                size = LARGE if number % 400 == 7 else 100
                code, text = client.data(
                    b"Subject: soak\r\n\r\n" + b"x" * 98 * (size // 100) +
                    b"\r\n" if size == 100 else
                    b"Subject: soak\r\n\r\n" + (b"x" * 98 + b"\r\n") *
                    (size // 100))
                assert code == 250, text
                for address in to:
                    self.ids[address] = text.decode().split()[-1]

    def waiting(self):
        return self.daemon.api("/v1/relays/office")[1]["queued"]

    def nurse(self):
        """Everything that waits may go at once."""
        self.daemon.api("/v1/relays/office/resume", "POST")
        self.daemon.api("/v1/messages:retry", "POST",
                        {"filter": {"state": "queued"}})
        return self.waiting()

    def round(self, first, last, seconds):
        threads = [threading.Thread(
            target=self.submit, args=(range(first + n, last, SUBMITTERS),))
            for n in range(SUBMITTERS)]
        end = time.monotonic() + seconds
        self.trouble.begin()
        for thread in threads:
            thread.start()
        while time.monotonic() < end and (
                self.nurse() or any(t.is_alive() for t in threads)):
            self.trouble.turn()
            time.sleep(0.2)  # what goes wrong goes wrong for a while
        for thread in threads:
            thread.join()
        self.trouble.end()
        wait_until(lambda: self.nurse() == 0,
                   lambda: f"{self.waiting()} messages that wait", 300)
        wait_until(lambda: self.daemon.api("/v1/relays/office")[1]
                   ["connections"] == 0, "the connections to end")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))

    def memory(self):
        """At rest, where there is time for it: relaisd gives memory back once
        nothing has happened for ten seconds."""
        samples = [self.daemon.memory_bytes()]
        end = time.monotonic() + (25 if IS_WHOLE else 0)
        while time.monotonic() < end:
            time.sleep(1)  # it is watched for a while
            samples.append(self.daemon.memory_bytes())
        return min(samples)

    def check_ends(self):
        """Each recipient once; the counts of what became of them."""
        copies = collections.Counter(
            line.split("<")[1].split(">")[0]
            for message in self.relay.messages for line in message.recipients)
        ends = collections.Counter()
        shown = {queue_id: self.daemon.show(queue_id)
                 for queue_id in set(self.ids.values())}
        for address, queue_id in self.ids.items():
            message = shown[queue_id]
            assert message["state"] in ("delivered", "failed", "partial")
            (recipient,) = [r for r in message["recipients"]
                            if r["address"] == address]
            marked = recipient["maybe_duplicate"]
            state, there = recipient["state"], copies.pop(address, 0)
            assert state in ("delivered", "failed"), message
            # What is not marked is there exactly as often as it says.
            assert marked or there == (state == "delivered"), (there, message)
            assert there or state == "failed", message
            ends[state + (" (marked)" if marked else "")] += 1
            ends["copies too many"] += max(there - 1, 0)
        assert not copies, f"nobody has sent {copies}"
        return ends


def rows_left(daemon):
    """Of each table; the tables agree, or it is an error."""
    done = subprocess.run(
        [str(BUILD / "tests/faults/store_rows"),
         daemon.settings["queue"]["directory"]],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name: int(count) for name, count in
            (line.split() for line in done.stdout.splitlines())}


def listener():
    """On a port that stays its own while it does not listen."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sock.bind(("127.0.0.1", free_port()))
    sock.listen(512)
    return sock


def run(folder, daemon):
    certificates(folder)
    memory, descriptors = [], []
    with Relay(listener=listener(), users={"user": "secret"}) as relay:
        trouble = Trouble(relay, folder)
        daemon.use_relay(relay, security="starttls", username="user",
                         password="secret", authentication=True,
                         tls={"ca_file": str(folder / "ca.pem")},
                         limits={"connections": 8})
        daemon.settings["delivery"] = {"timeouts": "1%"}
        daemon.settings["retry"] = {"first": "1s", "factor": 1}
        daemon.start()
        soak = Soak(daemon, relay, trouble)
        for number in range(ROUNDS):
            soak.round(COUNT * number // ROUNDS, COUNT * (number + 1) // ROUNDS,
                       TIME / ROUNDS)
            memory.append(soak.memory())
            descriptors.append(soak.descriptors())
            print(f"# round {number + 1}: {len(relay.sessions)} connections, "
                  f"{trouble.counts.total()} faults so far; memory "
                  f"{memory[-1] >> 10} KiB, {descriptors[-1]} descriptors",
                  flush=True)
        wait_until(lambda: daemon.memory_bytes() <= memory[0] + MEMORY_PLAY,
                   lambda: f"memory to come back: {daemon.memory_bytes()} "
                           f"octets, were {memory}")
        wait_until(lambda: soak.descriptors() <= descriptors[0],
                   lambda: f"descriptors: {soak.descriptors()}, were "
                           f"{descriptors}")
        ends = soak.check_ends()
    assert daemon.stop() == 0, daemon.log_text()
    rows = rows_left(daemon)
    print(f"# {COUNT} messages, {len(soak.ids)} recipients: "
          + ", ".join(f"{n} {what}" for what, n in sorted(ends.items())))
    print("# faults: " + ", ".join(
        f"{n} {what}" for what, n in trouble.counts.most_common()))
    print("# rows: " + ", ".join(f"{n} {what}" for what, n in rows.items()))
    waiting = {table: rows[table] for table in
               ("fresh", "sched", "wake", "report", "shared")}
    assert not any(waiting.values()), waiting


def main():
    print("1..1", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="relais-", dir="/tmp"))
    folder.chmod(0o755)
    daemon = Relaisd(folder)
    try:
        run(folder, daemon)
    finally:
        daemon.stop()
    shutil.rmtree(folder)
    print("ok 1 - what a relay does wrong loses nothing, doubles nothing "
          "unsaid, leaves nothing")


main()

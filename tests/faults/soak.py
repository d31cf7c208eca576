"""Thousands of messages through a relay that fails at random in many ways.

    COUNT=20000 TIME=300 make check-soak

An administrator is at hand who resumes the relay and retries what waits, so
that hours of back-off pass in minutes. After TIME seconds the relay is well.
In the end each message is in one end state, delivered once or marked as maybe
delivered twice, and nothing is left.
"""

import collections
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time

SUPPORT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SUPPORT / "integration"))

from conftest import Relaisd, Relay, UnixSMTP, wait_until  # noqa: E402

COUNT = int(os.environ.get("COUNT", 20000))
TIME = float(os.environ.get("TIME", 300))
SUBMITTERS = 4

LOSSES = ["DROP", "<reset>", "<half> 250 2", "<octets> garbage\r\n",
          "421 4.3.2 shutting down", "451 4.3.0 not yet"]
FAULTS = {
    "CONNECT": ["DROP", "<reset>", "421 4.3.2 shutting down",
                "554 5.7.1 not now", "<octets> garbage\r\n"],
    "EHLO": ["DROP", "<reset>", "451 4.3.0 not yet"],
    "MAIL": LOSSES + ["452 4.3.1 Insufficient system storage"],
    "RCPT": LOSSES + ["550 5.1.1 User unknown"],
    "DATA": LOSSES,
    ".": LOSSES + ["<twice> 250 2.0.0 taken", "554 5.6.0 no", "354 go"],
    "IDLE": ["DROP", "<reset>", "421 4.4.2 idle for too long"],
}


def submit(daemon, number, ids):
    with UnixSMTP(str(daemon.socket)) as client:
        client.ehlo()
        for count in range(number, COUNT, SUBMITTERS):
            # No report of a failure: it would be one message more.
            client.mail("app@example.com")
            client.rcpt(f"u{count}@example.net", ["NOTIFY=NEVER"])
            code, text = client.data(b"Subject: soak\r\n\r\nhello\r\n")
            assert code == 250, text
            ids[f"u{count}@example.net"] = text.decode().split()[-1]


def waiting(daemon):
    status = daemon.api("/v1/relays/office")[1]
    return status["queued"], status["state"]


def nurse(daemon):
    """Everything that waits may go at once."""
    daemon.api("/v1/relays/office/resume", "POST")
    daemon.api("/v1/messages:retry", "POST",
               {"filter": {"state": "queued"}})


def count_ends(daemon, relay, ids):
    copies = collections.Counter(
        line.split("<")[1].split(">")[0]
        for message in relay.messages for line in message.recipients)
    ends = collections.Counter()
    for address, queue_id in ids.items():
        message = daemon.show(queue_id)
        (recipient,) = message["recipients"]
        marked = recipient["maybe_duplicate"]
        state, there = recipient["state"], copies[address]
        assert state in ("delivered", "failed"), message
        # What is not marked is there exactly as often as it says.
        assert marked or there == (state == "delivered"), (there, message)
        assert there or state == "failed", message
        ends[state + (" (marked)" if marked else "")] += 1
        ends["copies too many"] += max(there - 1, 0)
    return ends


def main():
    folder = tempfile.mkdtemp(prefix="relais-", dir="/tmp")
    daemon = Relaisd(folder)
    dice = random.Random(1)
    ids = {}
    with Relay() as relay:
        daemon.use_relay(relay, limits={"connections": 4})
        daemon.settings["retry"] = {"first": "1s", "factor": 1}
        daemon.start()
        before = daemon.memory_bytes()
        for verb, faults in FAULTS.items():
            relay.always(verb, lambda line, faults=faults: dice.choice(faults)
                         if dice.random() < 0.03 else None)
        threads = [threading.Thread(target=submit, args=(daemon, n, ids))
                   for n in range(SUBMITTERS)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + TIME
        while time.monotonic() < end and (waiting(daemon)[0] or
                                          len(ids) < COUNT):
            nurse(daemon)
            time.sleep(0.5)
        for thread in threads:
            thread.join()
        relay.heal()

        def is_empty():
            nurse(daemon)
            return waiting(daemon)[0] == 0

        wait_until(is_empty, lambda: f"the queue: {waiting(daemon)}", 300)
        ends = count_ends(daemon, relay, ids)
        after = daemon.memory_bytes()
    print(f"{COUNT} messages, {len(relay.sessions)} connections: "
          + ", ".join(f"{n} {what}" for what, n in sorted(ends.items()))
          + f"; memory {before >> 10} KiB before, {after >> 10} KiB after")
    assert daemon.stop() == 0, daemon.log_text()
    shutil.rmtree(folder)


main()

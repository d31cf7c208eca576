#!/usr/bin/env python3
"""Idempotency keys while everything happens at once.

A round: workers draw from a few keys and submit, replay, submit with another
envelope and ask, in random order and at the same time; then 64 of them submit
one key together. relaisd is killed with SIGKILL, or told to stop, after a
random number of answers, and started again. Who got no answer asks, as an
application would, and tries again if relaisd knows of nothing.

What must hold: a key has one id, an id one key; one envelope is taken for a
key, every other refused; each text that was submitted has at most one id, and
leaves at most once unless it is marked; what was acknowledged is delivered.

Environment: SEED repeats a run's choices (the interleaving stays the
machine's), TIME goes on for so many seconds, else it is a few rounds. TAP.
"""

import collections
import os
import pathlib
import random
import re
import shutil
import smtplib
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
os.environ.setdefault("RELAIS_BUILD", os.environ.get("builddir", "build"))

from conftest import PATIENCE, Relaisd, UnixSMTP, check_log, \
    wait_until  # noqa: E402
from relay import Relay  # noqa: E402

SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
TIME = float(os.environ.get("TIME") or 0)
ROUNDS = 6
WORKERS = 8
OPERATIONS = 25
KEYS = 20
TOGETHER = 64
LOST = (OSError, smtplib.SMTPException, EOFError)


class History:
    """What was answered, by key; every worker writes here."""

    def __init__(self):
        self.lock = threading.Lock()
        self.answers = 0
        self.ids = collections.defaultdict(set)        # key: ids told of it
        self.envelopes = collections.defaultdict(set)  # key: taken ones
        self.refused = collections.defaultdict(set)    # key: refused ones
        self.news = collections.Counter()              # id: told as new
        self.tokens = collections.defaultdict(set)     # key: texts submitted
        self.counts = collections.Counter()

    def note(self, kind, key, queue_id=None, envelope=None):
        with self.lock:
            self.answers += 1
            self.counts[kind] += 1
            if queue_id:
                self.ids[key].add(queue_id)
            if kind == "new":
                self.news[queue_id] += 1
            if kind in ("new", "duplicate"):
                self.envelopes[key].add(envelope)
            if kind == "conflict":
                self.refused[key].add(envelope)


class Trial:
    def __init__(self, folder):
        self.random = random.Random(SEED)
        self.relay = Relay().__enter__()
        self.daemon = Relaisd(folder)
        self.daemon.use_relay(self.relay, limits={"connections": 8})
        self.daemon.settings["retry"] = {"first": "1s", "maximum": "1s",
                                         "factor": 1, "jitter": "0%"}
        self.history = History()
        self.token = 0
        self.deaths = 0
        self.findings = collections.defaultdict(list)

    # ------------------------------------------------------------ submitting

    def next_token(self, key):
        with self.history.lock:
            self.token += 1
            token = f"text-{self.token}"
            self.history.tokens[key].add(token)
            return token

    def submit(self, key, envelope):
        """Until there is an answer; as an application with a key would."""
        while True:
            try:
                with UnixSMTP(str(self.daemon.socket)) as client:
                    return self.answer_of(client, key, envelope)
            except LOST:
                self.history.note("lost", key)
                if self.ask(key):
                    return None

    def answer_of(self, client, key, envelope):
        token = self.next_token(key)
        client.ehlo()
        code, text = client.mail("app@example.com",
                                 [f"XKEY={key}", f"XMETA={token}"])
        for address in envelope:
            if code == 250:
                code, text = client.rcpt(address)
        if code == 250:
            code, text = client.data(f"Subject: {token}\r\n\r\nhello\r\n")
        text = text.decode()
        found = re.search(r"\b[0-9a-hjkmnp-tv-z]{13}\b", text)
        if code == 250:
            kind = "duplicate" if "(duplicate)" in text else "new"
            self.history.note(kind, key, found[0], envelope)
        elif code == 554:
            self.history.note("conflict", key, found[0], envelope)
        elif code < 500:
            raise OSError(text)  # nothing is queued: try again
        else:
            self.findings["answers are those of a key"].append((code, text))
        return code

    def ask(self, key):
        """The id that relaisd knows for the key, once it is there again."""
        answer = []

        def ask_once():
            try:
                with UnixSMTP(str(self.daemon.socket)) as client:
                    client.ehlo()
                    answer[:] = client.docmd("XKEY", key)
            except LOST:
                return False
            return answer[0] in (250, 550)

        wait_until(ask_once, f"an answer about {key}", 3 * PATIENCE)
        known = answer[0] == 250 and answer[1].decode().split()[-1]
        self.history.note("asked", key, known or None)
        return known

    def work(self, seed, keys):
        choose = random.Random(seed)
        for _ in range(OPERATIONS):
            key = choose.choice(keys)
            first = (f"{key}@example.net",)
            envelope = choose.choice((first, first, first,
                                      first + ("more@example.net",)))
            if choose.random() < 0.2:
                self.ask(key)
            else:
                self.submit(key, envelope)

    # ---------------------------------------------------------------- rounds

    def run_all(self, jobs, most_deaths):
        """The jobs at the same time, while relaisd dies now and then."""
        threads = [threading.Thread(target=job) for job in jobs]
        for thread in threads:
            thread.start()
        for _ in range(self.random.randint(1, most_deaths)):
            until = self.history.answers + self.random.randint(1, 60)
            wait_until(lambda: self.history.answers >= until or
                       not any(thread.is_alive() for thread in threads),
                       "answers", 3 * PATIENCE)
            if self.random.random() < 0.8:
                self.daemon.kill()
            else:
                self.daemon.stop()
            self.deaths += 1
            self.daemon.start()
        for thread in threads:
            thread.join(3 * PATIENCE)
            assert not thread.is_alive(), "a worker hangs"

    def round(self, number):
        keys = [f"key-{number}-{i}" for i in range(KEYS)]
        seeds = [self.random.randrange(1 << 32) for _ in range(WORKERS)]
        self.run_all([lambda seed=seed: self.work(seed, keys)
                      for seed in seeds], 3)
        key = f"together-{number}"
        barrier = threading.Barrier(TOGETHER)

        def together():
            barrier.wait()
            self.submit(key, (f"{key}@example.net",))

        self.run_all([together] * TOGETHER, 2)
        self.check([*keys, key])

    # ---------------------------------------------------------------- checks

    def messages(self):
        found, after = [], ""
        while True:
            status, page = self.daemon.api(f"/v1/messages?limit=100{after}")
            assert status == 200, page
            found += page["messages"]
            if not page["next"]:
                return found
            after = f"&cursor={page['next']}"

    def check(self, keys):
        wait_until(lambda: all(m["ended"] for m in self.messages()),
                   "the deliveries")
        stored = self.messages()
        of_key = collections.defaultdict(list)
        for message in stored:
            of_key[message["key"]].append(message)
        for key in keys:
            self.check_key(key, of_key[key])
        for what, values in (
                ("no id is told twice as new", self.history.news.elements()),
                ("no text has two ids", (m["meta"] for m in stored))):
            self.findings[what] += [value for value, count in
                                    collections.Counter(values).items()
                                    if count > 1]
        self.check_relay(stored)

    def check_key(self, key, stored):
        history = self.history
        ids = {message["id"] for message in stored}
        if len(ids) > 1 or history.ids[key] - ids:
            self.findings["a key has one id"].append(
                (key, history.ids[key], ids))
        if len(history.envelopes[key]) > 1 or \
                history.envelopes[key] & history.refused[key]:
            self.findings["a key has one envelope"].append(key)
        for message in stored:
            if message["meta"] not in history.tokens[key]:
                self.findings["an id has the text of its key"].append(key)
            if message["state"] != "delivered":
                self.findings["what was acknowledged is delivered"].append(
                    (key, message["state"]))

    def check_relay(self, stored):
        marked = {m["meta"] for m in stored
                  if any(r["maybe_duplicate"] for r in m["recipients"])}
        known = {m["meta"] for m in stored}
        times = collections.Counter(
            re.search(rb"Subject: (\S+)", message.content)[1].decode()
            for message in self.relay.messages)
        for token, count in times.items():
            if token not in known or count > 1 and token not in marked:
                self.findings["no text leaves twice unmarked"].append(token)
        self.findings["what was acknowledged is delivered"] += list(
            known - set(times))


CLAIMS = ("answers are those of a key", "a key has one id",
          "a key has one envelope", "no id is told twice as new",
          "no text has two ids", "an id has the text of its key",
          "no text leaves twice unmarked",
          "what was acknowledged is delivered")


def main():
    print(f"1..{len(CLAIMS)}\n# SEED={SEED}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="relais-", dir="/tmp"))
    trial = Trial(folder)
    began, number = time.monotonic(), 0
    trial.daemon.start()
    try:
        while number < ROUNDS or time.monotonic() - began < TIME:
            trial.round(number)
            number += 1
            if any(trial.findings.values()):
                break
        trial.daemon.stop()
        check_log(trial.daemon.log.read_bytes())
    finally:
        if trial.daemon.process is not None:
            trial.daemon.kill()
        trial.relay.__exit__(None, None, None)
        if not any(trial.findings.values()):
            shutil.rmtree(folder, ignore_errors=True)
    counts = ", ".join(f"{count} {kind}" for kind, count in
                       sorted(trial.history.counts.items()))
    print(f"# {number} rounds, {trial.deaths} deaths of relaisd: {counts}")
    for index, claim in enumerate(CLAIMS, 1):
        found = trial.findings[claim]
        for finding in found[:5]:
            print(f"# {finding}")
        print(f"{'not ok' if found else 'ok'} {index} - {claim}")
    return any(trial.findings.values())


sys.exit(main())
